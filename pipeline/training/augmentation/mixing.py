"""Two examples in one: mixup and cutmix. Their loss is that of both targets, each by its part of the image, and what
columns beside the images add is mixed by the same parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.training.augmentation import augmentations
from pipeline.training.augmentation.base import Augmentation, Draws
from pipeline.training.augmentation.erasing import rectangle

if TYPE_CHECKING:
    import numpy as np
    import torch


@settings
class _Mixing(Augmentation):
    """alpha: parts are drawn by a Beta distribution of it twice: 1 makes all as likely, less either mostly one or
    mostly the other. chance: part of the examples that are mixed."""

    alpha: float = Field(default=0.2, gt=0)
    chance: float = Field(default=1.0, gt=0, le=1)
    mixes: ClassVar[bool] = True

    def part(self, draws: Draws) -> torch.Tensor:
        """Of each example that stays its own: float32 [batch]."""
        import numpy as np
        from scipy.special import betaincinv

        parts: np.ndarray = betaincinv(self.alpha, self.alpha, draws.numbers("part"))
        return draws.tensor(np.where(draws.numbers("mixed") < self.chance, parts, 1.0))


@augmentations.register("mixup")
@settings
class Mixup(_Mixing):
    """Both images, each as strong as its part (Zhang et al. 2018)."""

    def mixed(self, image: torch.Tensor, partner: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, torch.Tensor]:
        part = self.part(draws)
        strong = part.view(-1, 1, 1, 1)
        return image * strong + image[partner] * (1 - strong), part


@augmentations.register("cutmix")
@settings
class Cutmix(_Mixing):
    """A rectangle of the one in the other (Yun et al. 2019); parts are those of the area."""

    alpha: float = Field(default=1.0, gt=0)

    def mixed(self, image: torch.Tensor, partner: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, torch.Tensor]:
        height, width = image.shape[2:]
        side = (1 - self.part(draws)).sqrt()  # [batch], of each of the rectangle's sides
        inside = rectangle(image, side * height, side * width, draws)
        return image[partner].where(inside, image), 1 - inside.float().mean(dim=(1, 2, 3))
