"""Model ``transformer``: translation by attention alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer")
@settings
class Transformer(Model):
    """Encoder blocks over the source, decoder blocks that attend to them over what came before, linear over the
    target's vocabulary (Vaswani et al. 2017; D2L 11.7).

    width: of a token's vector and of the blocks. hidden: inside the position-wise layers; None: four times the width.
    norm: before each layer, or after it as first published, which needs a warm-up.
    positions: ``longest`` is what learned ones know; sinusoidal ones stand beside vectors times the root of the width.
    tied: the output layer has the vectors of the target's tokens, and where both sides have one vocabulary (``joint``
        of the feature set) the source's tokens have them too.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    needs: ClassVar[frozenset[str]] = frozenset({"source", "tokens", "labels"})
    """Tokens and labels only to train; rows to answer have none."""
    learner: ClassVar[str] = "neural"

    width: int = Field(default=128, ge=1)
    heads: int = Field(default=4, ge=1)
    encoder_layers: int = Field(default=4, ge=1)
    decoder_layers: int = Field(default=4, ge=1)
    hidden: int | None = Field(default=None, ge=1)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "sinusoidal"
    longest: int = Field(default=512, ge=1)
    norm: Literal["before", "after"] = "before"
    activation: Literal["relu", "gelu"] = "relu"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    tied: bool = True

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} heads and width {self.width}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need heads of even width, got {self.width // self.heads}")

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.transformer import Block
        from pipeline.models.layers.translation import TransformerTranslator

        block = Block(
            self.width,
            self.heads,
            self.hidden or 4 * self.width,
            dropout=self.dropout,
            norm=self.norm,
            activation=self.activation,
            rotary=self.positions == "rotary",
        )
        return TransformerTranslator(
            spec.sizes["source"],
            spec.outputs,
            self.encoder_layers,
            self.decoder_layers,
            block,
            self.positions,
            self.longest,
            self.dropout,
            self.tied,
            joint=self.tied and spec.vocabularies["source"] == spec.vocabularies["target"],
        )
