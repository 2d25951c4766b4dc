"""Model ``vgg``: blocks of 3 x 3 convolutions (Simonyan, Zisserman 2015; D2L 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.image_model import DeepImageModel, Scaled, Units, lay_dense

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Of each block, by depth."""
CHANNELS = (64, 128, 256, 512, 512)
HIDDEN = (4096, 4096)
SMALL_POOLINGS = 3


@models.register("vgg")
@settings
class VGG(DeepImageModel):
    """Blocks of convolutions, each with 2 x 2 pooling, then three linear layers.

    depth: layers with weights. blocks: in place of a published depth, each block's convolutions and channels, such as
        ``[[1, 64], [2, 128]]``.
    hidden: units of the linear layers but the last. None: 4096, 4096.
    stem: large pools after each block, small after the first three alone.
    """

    depth: Literal[11, 13, 16, 19] = 11
    blocks: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)] | None = None
    hidden: Units | None = None
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        blocks = self.blocks or tuple(zip(CONVOLUTIONS[self.depth], CHANNELS, strict=True))
        size = scaled("blocks")
        for place, (convolutions, maps) in enumerate(blocks):
            for _ in range(convolutions):
                layers.convolution(size(maps), 3, padding=1)
            if large or place < SMALL_POOLINGS:
                layers.pool("max", 2, 2)
        hidden = HIDDEN if self.hidden is None else self.hidden  # none at all may be given
        lay_dense(layers, tuple(map(scaled("hidden"), hidden)), outputs, "relu", self.dropout)
