"""Bag of embeddings: a text classifier that ignores the order of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("bag_of_embeddings")
@settings
class BagOfEmbeddings(Model):
    """Mean embedding of a text's words, dropout, linear (fastText: Joulin et al. 2016).

    embedding: size of a word's vector.
    """

    embedding: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    learner: ClassVar[str] = "neural"

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.embedding import BagOfEmbeddings

        return BagOfEmbeddings(spec.sizes["tokens"], spec.outputs, self.embedding, self.dropout)
