"""A GRU that predicts the next token of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("gru_language_model")
@settings
class GruLanguageModel(Model):
    """Embedding, GRU, linear over the vocabulary (D2L 9.5, 10.2).

    tied: the output layer shares the embedding's weights (Press and Wolf 2017).
    """

    embedding: int = Field(default=64, ge=1)
    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    tied: bool = False
    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "labels", "mask"})
    learner: ClassVar[str] = "neural"

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.recurrent import GruLanguageNetwork

        return GruLanguageNetwork(spec.outputs, self.embedding, self.hidden, self.layers, self.dropout, self.tied)
