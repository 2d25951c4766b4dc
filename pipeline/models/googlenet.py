"""Model ``googlenet``: Inception blocks (Szegedy et al. 2015; D2L 8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.image_model import DeepImageModel, Normalization, Scaled, Units

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers

Widths = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt]
Stage = Annotated[tuple[Widths, ...], Field(min_length=1)]

STAGES: tuple[tuple[Widths, ...], ...] = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Table 1 of the paper: stages 3, 4 and 5."""
CHANNELS = (64, 64, 192)
"""And what stands before them."""


@models.register("googlenet")
@settings
class GoogLeNet(DeepImageModel):
    """Blocks of four paths side by side, global average pooling, dropout, linear. Without the paper's auxiliary outputs
    and local response normalisation; with batch normalisation, which came later and does their work.

    channels: of the three convolutions before the blocks. None: 64, 64, 192.
    stages: of each block in each stage the channels of 1 x 1; 3 x 3 with the 1 x 1 before it; 5 x 5 with the 1 x 1
        before it; 1 x 1 after pooling: ``[64, 96, 128, 16, 32, 32]``. Before each stage stands pooling. None:
        the nine blocks of the paper.
    kernel: of the third path. 3 is what torchvision has.
    stem: the first convolution is 7 x 7 with stride 2, and pooling follows, or with the small one 3 x 3 alone.
    """

    channels: Annotated[Units, Field(min_length=3, max_length=3)] | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] | None = None
    kernel: Literal[3, 5] = 5
    normalization: Normalization = "batch"
    dropout: float = Field(default=0.4, ge=0, lt=1)

    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        first, second, third = map(scaled("channels"), self.channels or CHANNELS)
        if large:
            layers.convolution(first, 7, stride=2, padding=3)
            layers.pool("max", 3, 2, 1)
        else:
            layers.convolution(first, 3, padding=1)
        layers.convolution(second, 1)
        layers.convolution(third, 3, padding=1)
        size = scaled("stages")
        for stage, blocks in enumerate(self.stages or STAGES, 1):
            layers.pool("max", 3, 2, 1)
            for block, widths in enumerate(blocks, 1):
                lay_inception(layers, f"block {block} of stage {stage}", tuple(map(size, widths)), self.kernel)
        layers.mean()
        layers.dropout(self.dropout)
        layers.dense(outputs)


def lay_inception(layers: Layers, name: str, widths: tuple[int, ...], kernel: int) -> None:
    """Four paths, which keep height and width. widths: see ``GoogLeNet.stages``."""
    alone, before_three, three, before_five, five, after_pooling = widths
    first, second, third, fourth = (layers.aside(name) for _ in range(4))
    first.convolution(alone, 1)
    second.convolution(before_three, 1)
    second.convolution(three, 3, padding=1)
    third.convolution(before_five, 1)
    third.convolution(five, kernel, padding=kernel // 2)
    fourth.pool("max", 3, 1, 1)
    fourth.convolution(after_pooling, 1)
    layers.paths([first, second, third, fourth])
