"""Model ``recurrent_classifier``: recurrent layers over a text's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.text_model import TextModel

if TYPE_CHECKING:
    from torch import nn


@models.register("recurrent_classifier")
@settings
class RecurrentClassifier(TextModel):
    """RNN, GRU or LSTM, a pool of its steps, dropout, linear (D2L 9.4, 10.1 to 10.4), for classes and for numbers.

    hidden: units of each layer and direction. pooling: ``last`` is the state after the last word, and from the end
        the one before the first.
    dropout: of the words' vectors, between layers and of the features, the same at all steps of a text;
    word_dropout: share of the words that a minibatch lacks (both Gal and Ghahramani 2016).
    """

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden: int = Field(default=128, ge=1)
    layers: int = Field(default=1, ge=1)
    bidirectional: bool = True
    pooling: Literal["last", "mean", "max", "attention"] = "max"
    dropout: float = Field(default=0.5, ge=0, lt=1)
    word_dropout: float = Field(default=0.0, ge=0, lt=1)

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.recurrent_classifier import RecurrentClassifier

        return RecurrentClassifier(
            self.words(spec),
            cell=self.cell,
            hidden=self.hidden,
            layers=self.layers,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            dropout=self.dropout,
            word_dropout=self.word_dropout,
        )
