"""Model ``recurrent_language_model``: recurrent layers that predict the next token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("recurrent_language_model")
@settings
class RecurrentLanguageModel(Model):
    """Embedding, RNN, GRU or LSTM, linear over the vocabulary (D2L 9.5, 10.1 to 10.3; Zaremba et al. 2014).

    embedding: size of a token's vector; None: tokens go in one-hot, as in D2L 9.5.
    dropout: of the vectors, between layers and of the outputs; locked: the same at all steps of a window (Gal and
        Ghahramani 2016). tied: the output layer has the embedding's weights (Press and Wolf 2017).
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "labels"})
    learner: ClassVar[str] = "neural"

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    embedding: int | None = Field(default=128, ge=1)
    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    locked: bool = False
    tied: bool = False
    bidirectional: bool = False

    def __post_init__(self) -> None:
        if self.bidirectional:
            raise ValueError(
                "bidirectional reads what comes after a token, and that is what a language model predicts; take it out"
            )
        if self.tied and self.embedding is None:
            raise ValueError("tied needs an embedding, whose weights the output layer takes; got embedding: null")

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.language import RecurrentLanguageNetwork
        from pipeline.models.layers.recurrent import Recurrent

        inputs = spec.outputs if self.embedding is None else self.embedding
        recurrent = Recurrent(self.cell, inputs, self.hidden, self.layers, self.dropout, locked=self.locked)
        return RecurrentLanguageNetwork(spec.outputs, self.embedding, recurrent, self.dropout, self.locked, self.tied)
