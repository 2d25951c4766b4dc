"""Pixels in their place and of another value: brightness, contrast, colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.training.augmentation import augmentations
from pipeline.training.augmentation.base import Augmentation, Draws

if TYPE_CHECKING:
    import torch

WHITE = 255.0
LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue are (ITU-R BT.601)."""


class _Blend(Augmentation):
    """The image and another one, mixed by a factor of 1 - by to 1 + by: 1 is the image as it is, 0 the other."""

    by: float

    def changed(self, image: torch.Tensor, draws: Draws) -> torch.Tensor:
        factor = draws.uniform("factor", 1 - self.by, 1 + self.by).view(-1, 1, 1, 1)
        return (self.other(image) * (1 - factor) + image * factor).clamp(0, WHITE)

    def other(self, image: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


@augmentations.register("brightness")
@settings
class Brightness(_Blend):
    """Darker or brighter by up to this part."""

    by: float = Field(default=0.2, gt=0, le=1)

    def other(self, image: torch.Tensor) -> torch.Tensor:
        return image.new_zeros(())


@augmentations.register("contrast")
@settings
class Contrast(_Blend):
    """Nearer to the image's mean grey, or further from it, by up to this part."""

    by: float = Field(default=0.2, gt=0, le=1)

    def other(self, image: torch.Tensor) -> torch.Tensor:
        return grey(image).mean(dim=(1, 2, 3), keepdim=True)  # [batch, 1, 1, 1]


@augmentations.register("colour")
@settings
class Colour(_Blend):
    """Nearer to grey, or more colourful, by up to this part; grey images stay as they are."""

    by: float = Field(default=0.2, gt=0, le=1)

    def other(self, image: torch.Tensor) -> torch.Tensor:
        return grey(image)


def grey(image: torch.Tensor) -> torch.Tensor:
    """[batch, channels, height, width] -> [batch, 1, height, width]; of other than three channels their mean."""
    if image.shape[1] != len(LUMA):
        return image.mean(dim=1, keepdim=True)
    return (image * image.new_tensor(LUMA).view(1, -1, 1, 1)).sum(dim=1, keepdim=True)
