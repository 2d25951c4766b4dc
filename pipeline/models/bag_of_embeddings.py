"""Bag of embeddings: a network on texts that ignores the order of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.text_model import TextModel

if TYPE_CHECKING:
    from torch import nn


@models.register("bag_of_embeddings")
@settings
class BagOfEmbeddings(TextModel):
    """Mean embedding of a text's words, dropout, linear (fastText: Joulin et al. 2016)."""

    embedding: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.embedding import BagOfEmbeddings

        return BagOfEmbeddings(self.words(spec), self.dropout)
