"""Augmentation ``erasing`` (Zhong et al. 2020, Random Erasing)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.training.augmentation import augmentations
from pipeline.training.augmentation.base import Augmentation, Draws

if TYPE_CHECKING:
    import torch


@augmentations.register("erasing")
@settings
class Erasing(Augmentation):
    """A rectangle of the image's own mean colour put somewhere over it, in this part of the cases.

    least, most: of the image's area that it covers. ratio: of its longer to its shorter side at most.
    """

    chance: float = Field(default=0.5, ge=0, le=1)
    least: float = Field(default=0.02, gt=0, lt=1)
    most: float = Field(default=0.3, gt=0, lt=1)
    ratio: float = Field(default=3.0, ge=1)

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError("least is the smaller part, most the larger")

    def changed(self, image: torch.Tensor, draws: Draws) -> torch.Tensor:
        height, width = image.shape[2:]
        area = draws.uniform("area", self.least, self.most) * height * width  # [batch]
        ratio = draws.uniform("ratio", -math.log(self.ratio), math.log(self.ratio)).exp()
        inside = rectangle(image, (area * ratio).sqrt(), (area / ratio).sqrt(), draws)
        chosen = draws.chance("erasing", self.chance).view(-1, 1, 1, 1)
        return image.mean(dim=(2, 3), keepdim=True).where(inside & chosen, image)


def rectangle(image: torch.Tensor, tall: torch.Tensor, wide: torch.Tensor, draws: Draws) -> torch.Tensor:
    """A rectangle of whole pixels somewhere inside each image: bool [batch, 1, height, width].

    tall, wide: its sides [batch], cut to the image's.
    """
    import torch

    found = []
    for name, length, side in (("top", image.shape[2], tall), ("left", image.shape[3], wide)):
        whole = side.round().clamp(0, length)  # [batch]
        begin = (draws.uniform(name, 0, 1) * (length - whole + 1)).floor().clamp(max=length)
        begin = torch.minimum(begin, length - whole)
        places = torch.arange(length, device=image.device)  # [length]
        found.append((places >= begin[:, None]) & (places < (begin + whole)[:, None]))  # [batch, length]
    rows, columns = found
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)  # [batch, 1, height, width]
