"""Model ``seq2seq``: translation by a recurrent encoder and decoder, with attention or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("seq2seq")
@settings
class Seq2Seq(Model):
    """Recurrent encoder and decoder (Sutskever et al. 2014; D2L 10.7), attention between them (Bahdanau et al. 2015,
    Luong et al. 2015; D2L 11.4).

    embedding: of a token's vector. hidden: of a state; of a bidirectional encoder each direction has half of it. The
        book's encoder is not bidirectional; Bahdanau's is, and learns faster.
    dropout: of the tokens' vectors, between layers, of what is looked at, and before the scores.
    attention: ``none`` tells the decoder the encoder's last state at each step.
    context: where the decoder is told: ``input``, beside each token, as the book does it, or ``output``, beside each
        state (Luong), which trains several times as fast with attention.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    needs: ClassVar[frozenset[str]] = frozenset({"source", "tokens", "labels"})
    """Tokens and labels only to train; rows to answer have none."""
    learner: ClassVar[str] = "neural"

    cell: Literal["rnn", "gru", "lstm"] = "gru"
    embedding: int = Field(default=128, ge=1)
    hidden: int = Field(default=256, ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    bidirectional: bool = True
    attention: Literal["additive", "dot", "none"] = "additive"
    context: Literal["input", "output"] = "output"

    @property
    def attends(self) -> bool:
        return self.attention != "none"

    def __post_init__(self) -> None:
        if self.bidirectional and self.hidden % 2:
            raise ValueError(f"the two directions share hidden, which must be even, got {self.hidden}")

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.encoder_decoder import EncoderDecoder

        return EncoderDecoder(
            source=spec.sizes["source"],
            target=spec.outputs,
            embedding=self.embedding,
            cell=self.cell,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
            attention=self.attention,
            context=self.context,
        )
