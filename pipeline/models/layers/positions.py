"""Where in its sequence a token stands: added to its vector, or turned into queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.core.errors import UserError

BASE = 10000.0
"""Wavelengths go from 2 pi to 2 pi times so much."""


class Sinusoidal(nn.Module):
    """Sines and cosines of wavelengths that grow along the width (Vaswani et al. 2017; D2L 11.6.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, vectors: Tensor, begin: int = 0) -> Tensor:
        """[batch, steps, width], the first of which is step ``begin`` -> the same with positions added."""
        angle = angles(begin, vectors.shape[1], (self.width + 1) // 2, vectors.device)  # [steps, width / 2]
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # [steps, width], sines at even places
        return vectors + waves[:, : self.width].to(vectors.dtype)


class Learned(nn.Module):
    """A vector a position, learned (Gehring et al. 2017). longest: steps that it knows."""

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(longest, width) * 0.02)

    def forward(self, vectors: Tensor, begin: int = 0) -> Tensor:
        """As ``Sinusoidal``; raises UserError for steps beyond the longest."""
        end = begin + vectors.shape[1]
        if end > len(self.weight):
            raise UserError(
                f"learned positions know {len(self.weight)} steps, got a sequence of {end}; let the feature set "
                "or fit.sampling cut texts, or use sinusoidal or rotary positions"
            )
        return vectors + self.weight[begin:end]


class Unmarked(nn.Module):
    """Adds nothing: order is told elsewhere (rotary), or not at all."""

    def forward(self, vectors: Tensor, begin: int = 0) -> Tensor:
        return vectors


def positions(kind: str, width: int, longest: int) -> nn.Module:
    """``sinusoidal`` or ``learned``, which are added to vectors; ``rotary`` and ``none`` add nothing.

    longest: steps that learned ones know.
    """
    if kind == "sinusoidal":
        return Sinusoidal(width)
    return Learned(width, longest) if kind == "learned" else Unmarked()


def rotate(vectors: Tensor, begin: int = 0) -> Tensor:
    """Turn each pair of a vector's places by an angle that grows with its step, so that a product of two looks
    at how far apart they stand (Su et al. 2021, 3.2).

    vectors: [..., steps, width], width even, the first of which is step ``begin``; place i pairs with i + width / 2.
    """
    steps, half = vectors.shape[-2], vectors.shape[-1] // 2
    angle = angles(begin, steps, half, vectors.device)  # [steps, width / 2]
    sine, cosine = angle.sin().to(vectors.dtype), angle.cos().to(vectors.dtype)
    first, second = vectors[..., :half], vectors[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def angles(begin: int, steps: int, pairs: int, device: torch.device) -> Tensor:
    """Step times frequency: float32 [steps, pairs]."""
    frequency = BASE ** (-torch.arange(pairs, device=device, dtype=torch.float32) / pairs)  # [pairs]
    return torch.arange(begin, begin + steps, device=device)[:, None] * frequency  # [steps, pairs]
