"""Model ``resnet``: residual blocks (He et al. 2016; D2L 8.6)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models
from pipeline.models.image_model import DeepImageModel, Normalization, Scaled

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers
    from pipeline.models.layers.image_network import ImageNetwork

Blocks = tuple[tuple[PositiveInt, PositiveInt], ...]

PUBLISHED: dict[int, Blocks] = {
    18: ((2, 64), (2, 128), (2, 256), (2, 512)),
    20: ((3, 64), (3, 128), (3, 256)),
    34: ((3, 64), (4, 128), (6, 256), (3, 512)),
}
"""Residual blocks and channels of each stage, by depth; of 20 a quarter is published (4.2 of the paper)."""


@models.register("resnet")
@settings
class ResNet(DeepImageModel):
    """Blocks of two convolutions that add to what they are given, global average pooling, dropout, linear.

    depth: layers with weights. 18 and 34 are for large images; 20 is for small ones, which at their width of 0.25 have
        what is published. blocks: in place of a published depth, each stage's blocks and channels, such as
        ``[[2, 64], [2, 128]]``; each stage but the first halves height and width.
    stem: the first convolution is 7 x 7 with stride 2, and pooling follows, or with the small one 3 x 3 alone.
    weights: a file of safetensors, relative to the project or absolute, that the network begins with: a ResNet-18 or
        -34 as timm and torchvision name its parts, with ``stem: large``. Its last layer is not read.
    weights_rate: what the learning rate of all that came from the file is multiplied by.
    """

    depth: Literal[18, 20, 34] = 18
    blocks: Annotated[Blocks, Field(min_length=1)] | None = None
    normalization: Normalization = "batch"
    weights: str | None = None
    weights_rate: float = Field(default=1.0, gt=0, le=1)

    def __post_init__(self) -> None:
        published = self.depth != 20 and self.blocks is None and self.stem == "large" and self.width in (None, 1)
        if self.weights is not None and not (published and self.normalization == "batch"):
            raise ValueError(
                "weights are of what is published: depth 18 or 34 with stem: large and width: 1, without blocks"
            )
        if self.weights is None and self.weights_rate != 1:
            raise ValueError("weights_rate needs weights that the network begins with")

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The file of weights: what is fitted hangs on what stands in it."""
        if self.weights is None:
            return ()
        place = main_root() / self.weights
        if not place.is_file():
            raise UserError(f"{shown(place)}: no such file of weights; put it there, or correct the model's weights")
        return (place,)

    def build(self, spec: Spec, task: Task, seed: int) -> ImageNetwork:
        from pipeline.models.layers.published import read_published, resnet_names

        network = super().build(spec, task, seed)
        if self.weights is not None:
            names = resnet_names([count for count, _ in PUBLISHED[self.depth]])
            network.begin_with(lambda layers: read_published(layers, names, *self.code_files), self.weights_rate)
        return network

    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        stages = self.blocks or PUBLISHED[self.depth]
        size = scaled("blocks")
        first = size(stages[0][1])
        if large:
            layers.convolution(first, 7, stride=2, padding=3)
            layers.pool("max", 3, 2, 1)
        else:
            layers.convolution(first, 3, padding=1)
        for stage, (blocks, maps) in enumerate(stages, 1):
            for block in range(1, blocks + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                lay_residual(layers, f"block {block} of stage {stage}", size(maps), stride)
        layers.mean()
        layers.dropout(self.dropout)
        layers.dense(outputs)


def lay_residual(layers: Layers, name: str, maps: int, stride: int) -> None:
    """Two convolutions, and what they are given: as it is, or as wide as theirs by a 1 x 1 convolution."""
    body, shortcut = layers.aside(name), layers.aside(name)
    body.convolution(maps, 3, stride, 1)
    body.convolution(maps, 3, 1, 1, activation=None)
    if stride > 1 or maps != layers.channels:
        shortcut.convolution(maps, 1, stride, activation=None)
    layers.residual(body, shortcut)
