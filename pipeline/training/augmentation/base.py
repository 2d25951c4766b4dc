"""What augmentations promise, and the random numbers that they draw by."""

from __future__ import annotations

import hashlib
from abc import ABC
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    import torch

_GOLDEN, _FIRST, _SECOND = (np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Draws:
    """Random numbers of each example of a minibatch; they follow from the seed, the example and what they are for, and
    not from the minibatch that the example is in.

    index: int64 [batch], which examples. device: where the numbers are to lie.
    """

    def __init__(self, seed: int, index: torch.Tensor, device: torch.device) -> None:
        self.seed, self.device = seed, device
        self.index = index.cpu().numpy().astype(np.uint64)

    def numbers(self, name: str) -> np.ndarray:
        """float64 [batch] in [0, 1), by SplitMix64 (Steele et al. 2014). name: of what they are for."""
        key = np.frombuffer(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:8], np.uint64)[0]
        with np.errstate(over="ignore"):
            mixed = key + _GOLDEN * (self.index + np.uint64(1))
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
            mixed ^= mixed >> np.uint64(31)
        return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53

    def uniform(self, name: str, low: float, high: float) -> torch.Tensor:
        """float32 [batch] between low and high."""
        return self.tensor(low + (high - low) * self.numbers(name))

    def chance(self, name: str, part: float) -> torch.Tensor:
        """bool [batch], true in this part of the cases."""
        import torch

        return torch.from_numpy(self.numbers(name) < part).to(self.device)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(values.astype(np.float32)).to(self.device)


class Augmentation(ABC):
    """Settings of a way to change images (shelf ``augmentations``)."""

    name: ClassVar[str]
    mixes: ClassVar[bool] = False
    """Whether it puts two examples into one (``mixed``); others give ``matrix`` or ``changed``."""
    warps: ClassVar[bool] = False
    """Whether it moves pixels by a matrix: those that follow each other are put together, and images drawn once."""

    def matrix(self, height: int, width: int, draws: Draws) -> torch.Tensor:
        """From places in the new image, counted in pixels from its middle, to those in the old one: [batch, 3, 3]."""
        raise NotImplementedError

    def changed(self, image: torch.Tensor, draws: Draws) -> torch.Tensor:
        """image: float32 [batch, channels, height, width], 0 to 255, which is left as it is."""
        raise NotImplementedError

    def mixed(self, image: torch.Tensor, partner: torch.Tensor, draws: Draws) -> tuple[torch.Tensor, torch.Tensor]:
        """The images with those at ``partner`` (int64 [batch]) in them, and the part of each that is its own."""
        raise NotImplementedError
