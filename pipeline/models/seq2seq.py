"""Translation by a GRU encoder and a GRU decoder with attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("seq2seq")
@settings
class Seq2Seq(Model):
    """GRU encoder, additive attention, GRU decoder (Bahdanau et al. 2015, Luong et al. 2015; D2L 11.4).

    Teacher forcing in training, greedy search to answer. The book's encoder is not
    bidirectional; Bahdanau's is, and learns faster. hidden: even, as the two directions share it.
    """

    embedding: int = Field(default=128, ge=1)
    hidden: int = Field(default=256, ge=2, multiple_of=2)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    bidirectional: bool = True
    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    needs: ClassVar[frozenset[str]] = frozenset({"source", "source_mask", "labels", "decoder_inputs"})
    """Labels and decoder inputs only to train; rows to answer have none."""
    learner: ClassVar[str] = "neural"

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.encoder_decoder import EncoderDecoder

        return EncoderDecoder(
            source=spec.sizes["source"],
            target=spec.outputs,
            steps=spec.shapes["labels"][0],
            embedding=self.embedding,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
        )
