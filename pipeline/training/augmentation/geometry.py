"""Pixels moved: flip, crop, shift, rotation, scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.training.augmentation import augmentations
from pipeline.training.augmentation.base import Augmentation, Draws

if TYPE_CHECKING:
    import torch


@augmentations.register("flip")
@settings
class Flip(Augmentation):
    """Left and right exchanged, or top and bottom, in this part of the cases."""

    direction: Literal["horizontal", "vertical"] = "horizontal"
    chance: float = Field(default=0.5, ge=0, le=1)

    def changed(self, image: torch.Tensor, draws: Draws) -> torch.Tensor:
        chosen = draws.chance("flip", self.chance).view(-1, 1, 1, 1)
        return image.flip(3 if self.direction == "horizontal" else 2).where(chosen, image)


@augmentations.register("crop")
@settings
class Crop(Augmentation):
    """A window of the image's own size out of the image with so many black pixels around it, by whole pixels: what
    CIFAR-10 is trained with (He et al. 2016, 4.2)."""

    padding: int = Field(default=4, ge=1)

    def changed(self, image: torch.Tensor, draws: Draws) -> torch.Tensor:
        import torch

        height, width = image.shape[2:]
        padded = torch.nn.functional.pad(image, [self.padding] * 4)  # [batch, channels, height + 2p, width + 2p]
        steps = 2 * self.padding + 1
        top = (draws.uniform("top", 0, steps).long().clamp(max=steps - 1))[:, None]  # [batch, 1]
        left = (draws.uniform("left", 0, steps).long().clamp(max=steps - 1))[:, None]
        rows = top + torch.arange(height, device=image.device)  # [batch, height]
        columns = left + torch.arange(width, device=image.device)  # [batch, width]
        batch = torch.arange(len(image), device=image.device)
        window = padded.permute(0, 2, 3, 1)[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
        return window.permute(0, 3, 1, 2)  # [batch, height, width, channels] -> [batch, channels, height, width]


@augmentations.register("shift")
@settings
class Shift(Augmentation):
    """Up to this part of height and width, either way; black comes in."""

    by: float = Field(default=0.1, gt=0, lt=1)
    warps: ClassVar[bool] = True

    def matrix(self, height: int, width: int, draws: Draws) -> torch.Tensor:
        across = draws.uniform("across", -self.by * width, self.by * width)
        down = draws.uniform("down", -self.by * height, self.by * height)
        return _matrix(1.0, 0.0, across, 0.0, 1.0, down)


@augmentations.register("rotation")
@settings
class Rotation(Augmentation):
    """Around the middle, up to so many degrees either way."""

    degrees: float = Field(default=10.0, gt=0, le=180)
    warps: ClassVar[bool] = True

    def matrix(self, height: int, width: int, draws: Draws) -> torch.Tensor:
        angle = draws.uniform("angle", -math.radians(self.degrees), math.radians(self.degrees))
        return _matrix(angle.cos(), -angle.sin(), 0.0, angle.sin(), angle.cos(), 0.0)


@augmentations.register("scale")
@settings
class Scale(Augmentation):
    """Larger or smaller around the middle, between these factors, evenly so in their logarithm."""

    least: float = Field(default=0.9, gt=0)
    most: float = Field(default=1.1, gt=0)
    warps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError("least is the smaller factor, most the larger")

    def matrix(self, height: int, width: int, draws: Draws) -> torch.Tensor:
        factor = draws.uniform("factor", math.log(self.least), math.log(self.most)).exp()
        return _matrix(1 / factor, 0.0, 0.0, 0.0, 1 / factor, 0.0)


def _matrix(*two_rows: torch.Tensor | float) -> torch.Tensor:
    """The upper two rows of matrices, each entry a number or [batch] -> [batch, 3, 3]."""
    import torch

    like = next(entry for entry in two_rows if isinstance(entry, torch.Tensor))
    entries = [entry if isinstance(entry, torch.Tensor) else torch.full_like(like, entry) for entry in two_rows]
    last = [torch.zeros_like(like), torch.zeros_like(like), torch.ones_like(like)]
    return torch.stack([*entries, *last], dim=1).view(-1, 3, 3)


def warped(image: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Each image drawn anew, bilinearly, black from beyond its edge. image: float32 [batch, channels, height, width].
    matrix: [batch, 3, 3], see ``Augmentation.matrix``."""
    import torch

    height, width = image.shape[2:]
    # grid_sample counts from -1 to 1 between the outer edges: a pixel is 2 / width of that.
    sizes = torch.tensor([width / 2, height / 2, 1.0], device=image.device)
    theta = (matrix * sizes / sizes[:, None])[:, :2]  # [batch, 3, 3] -> [batch, 2, 3]
    grid = torch.nn.functional.affine_grid(theta, list(image.shape), align_corners=False)  # [batch, height, width, 2]
    return torch.nn.functional.grid_sample(image, grid, "bilinear", "zeros", align_corners=False)
