"""Model ``transformer_encoder``: attention among a text's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.text_model import TextModel

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer_encoder")
@settings
class TransformerEncoder(TextModel):
    """Encoder blocks over words and their positions, a pool of all steps, dropout, linear (Vaswani et al. 2017; D2L
    11.7). As wide as ``embedding``.

    hidden: width of the position-wise layers. positions: ``longest`` is what learned ones know.
    norm: before each layer, or after it as first published, which needs a warm-up.
    pooling: ``first`` is what stands at a step of its own before the text (Devlin et al. 2019).
    """

    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    hidden: int = Field(default=256, ge=1)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "sinusoidal"
    longest: int = Field(default=512, ge=1)
    norm: Literal["before", "after"] = "before"
    activation: Literal["relu", "gelu"] = "relu"
    pooling: Literal["mean", "max", "first", "attention"] = "mean"
    dropout: float = Field(default=0.3, ge=0, lt=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding % self.heads:
            raise ValueError(f"heads must divide embedding, got {self.heads} heads and embedding {self.embedding}")
        if self.positions == "rotary" and self.embedding // self.heads % 2:
            raise ValueError(f"rotary positions need heads of even width, got {self.embedding // self.heads}")

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.transformer import Block
        from pipeline.models.layers.transformer_text import TransformerText

        block = Block(
            self.embedding,
            self.heads,
            self.hidden,
            dropout=self.dropout,
            norm=self.norm,
            activation=self.activation,
            rotary=self.positions == "rotary",
        )
        return TransformerText(
            self.words(spec), self.layers, block, self.positions, self.longest, self.pooling, self.dropout
        )
