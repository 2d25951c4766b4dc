"""Settings that all networks of attention blocks have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model

if TYPE_CHECKING:
    from pipeline.models.layers.transformer import Block


@settings
class AttentionModel(Model):
    """Blocks of attention and position-wise layers (Vaswani et al. 2017; D2L 11.7).

    hidden: inside the position-wise layers; None: four times the width.
    positions: ``longest`` is what learned ones know.
    norm: before each layer, or after it as first published, which needs a warm-up.
    """

    heads: int = Field(default=4, ge=1)
    hidden: int | None = Field(default=None, ge=1)
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "sinusoidal"
    longest: int = Field(default=512, ge=1)
    norm: Literal["before", "after"] = "before"
    activation: Literal["relu", "gelu"] = "relu"
    dropout: float = Field(default=0.1, ge=0, lt=1)

    learner: ClassVar[str] = "neural"
    width_setting: ClassVar[str] = "width"
    """What the setting is called that gives the width."""

    @property
    def longest_text(self) -> int | None:
        return self.longest if self.positions == "learned" else None

    @abstractmethod
    def block_width(self) -> int: ...

    def __post_init__(self) -> None:
        width = self.block_width()
        if width % self.heads:
            named = self.width_setting
            raise ValueError(f"heads must divide {named}, got {self.heads} heads and {named} {width}")
        if self.positions == "rotary" and width // self.heads % 2:
            raise ValueError(f"rotary positions need heads of even width, got {width // self.heads}")

    def block(self) -> Block:
        from pipeline.models.layers.transformer import Block

        width = self.block_width()
        return Block(
            width,
            self.heads,
            self.hidden or 4 * width,
            dropout=self.dropout,
            norm=self.norm,
            activation=self.activation,
            rotary=self.positions == "rotary",
        )
