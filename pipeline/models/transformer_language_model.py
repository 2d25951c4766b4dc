"""Model ``transformer_language_model``: decoder blocks that predict the next token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("transformer_language_model")
@settings
class TransformerLanguageModel(Model):
    """Embedding, positions, blocks of attention to what came before, linear over the vocabulary (Vaswani et al. 2017;
    Radford et al. 2018; D2L 11.9.3).

    width: of a token's vector and of the blocks. hidden: inside the position-wise layers; None: four times the width.
    positions: ``longest`` is what learned ones know. tied: the output layer has the embedding's weights.
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "labels"})
    learner: ClassVar[str] = "neural"

    width: int = Field(default=128, ge=1)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    hidden: int | None = Field(default=None, ge=1)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "rotary"
    longest: int = Field(default=512, ge=1)
    norm: Literal["before", "after"] = "before"
    activation: Literal["relu", "gelu"] = "gelu"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    tied: bool = True

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} heads and width {self.width}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need heads of even width, got {self.width // self.heads}")

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.language import TransformerLanguageNetwork
        from pipeline.models.layers.transformer import Block

        block = Block(
            self.width,
            self.heads,
            self.hidden or 4 * self.width,
            dropout=self.dropout,
            norm=self.norm,
            activation=self.activation,
            rotary=self.positions == "rotary",
        )
        return TransformerLanguageNetwork(
            spec.outputs, self.layers, block, self.positions, self.longest, self.dropout, self.tied
        )
