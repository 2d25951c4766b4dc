"""Embeddings of numbers: each number column to a few learned features of its own.

Shapes hold with a leading dimension of members too, as in ``members.py``. A column that padding
added has parameters of zero, and its features are zeros.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def known(numbers: Tensor) -> Tensor:
    """Float32, missing numbers taken for 0, the middle of a scaled column."""
    return numbers.float().nan_to_num()


class PeriodicEmbedding(nn.Module):
    """``width`` features a column: the number itself and, of cosines of it, affine functions.

    The *PBLD* of RealMLP (Holzmüller et al. 2024, 3) after the periodic embeddings of Gorishniy
    et al. 2022: periodic, with a bias in the cosine, linear, and the number densely beside it.

    frequencies: cosines a column. spread: deviation of the frequencies at the start; the larger, the
    more a feature may change within the column's range.
    """

    def __init__(self, columns: int, frequencies: int = 16, width: int = 4, spread: float = 0.1) -> None:
        super().__init__()
        bound = frequencies**-0.5
        self.frequency = nn.Parameter(torch.randn(columns, frequencies) * spread)
        self.phase = nn.Parameter(torch.empty(columns, frequencies).uniform_(-math.pi, math.pi))
        self.weight = nn.Parameter(torch.empty(columns, frequencies, width - 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(columns, width - 1).uniform_(-bound, bound))

    def forward(self, numbers: Tensor) -> Tensor:
        """[..., batch, columns] -> [..., batch, columns * width], a column's features side by side."""
        by_column = numbers.transpose(-1, -2).unsqueeze(-1)  # [..., columns, batch, 1]
        angles = torch.addcmul(self.phase.unsqueeze(-2), by_column, self.frequency.unsqueeze(-2), value=2 * math.pi)
        waves = torch.cos(angles)  # [..., columns, batch, frequencies]
        features = waves @ self.weight + self.bias.unsqueeze(-2)  # [..., columns, batch, width - 1]
        features = torch.cat([features, by_column], dim=-1)  # [..., columns, batch, width]
        return features.transpose(-2, -3).flatten(-2)  # [..., batch, columns * width]


class PiecewiseLinearEmbedding(nn.Module):
    """``width`` features a column, each a piecewise linear function of it with knots at its quantiles.

    Version B of TabM (Gorishniy et al. 2025) of the embeddings of Gorishniy et al. 2022: the pieces
    begin at zero beside a linear function, which is all there is until ``place_knots`` saw the rows.

    bins: pieces a column at most; fewer where quantiles fall together.
    """

    scale: Tensor
    offset: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, columns: int, bins: int = 48, width: int = 16) -> None:
        super().__init__()
        bound = width**-0.5
        self.slope = nn.Parameter(torch.empty(columns, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(columns, width).uniform_(-bound, bound))
        self.weight = nn.Parameter(torch.zeros(columns, bins, width))
        # A piece is clamp(scale * number + offset): 0 before its bin, 1 behind it.
        for name in ("scale", "offset", "lowest", "highest"):
            self.register_buffer(name, torch.zeros(columns, bins))

    @torch.no_grad()
    def place_knots(self, numbers: Tensor) -> None:
        """Bins between the quantiles of each column of the training rows, [rows, columns]; the first
        and the last go on beyond what was seen."""
        columns, bins = self.scale.shape
        for tensor in (self.scale, self.offset, self.lowest, self.highest):
            tensor.zero_()
        levels = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=numbers.device)
        for j in range(columns):
            ordered = numbers[:, j].double().sort().values
            places = levels * (len(ordered) - 1)
            before, after = ordered[places.floor().long()], ordered[places.ceil().long()]
            knots = torch.lerp(before, after, places.frac()).float().unique()  # [knots]
            count = len(knots) - 1
            if count < 1:
                continue  # a constant column
            width = knots.diff()
            self.scale[j, :count] = 1 / width
            self.offset[j, :count] = -knots[:-1] / width
            self.lowest[j, 1:count] = 0.0
            self.highest[j, : count - 1] = 1.0
            self.lowest[j, 0] = -math.inf
            self.highest[j, count - 1] = math.inf

    def forward(self, numbers: Tensor) -> Tensor:
        """[..., batch, columns] -> [..., batch, columns * width], a column's features side by side."""
        by_column = numbers.transpose(-1, -2).unsqueeze(-1)  # [..., columns, batch, 1]
        pieces = torch.addcmul(self.offset.unsqueeze(-2), by_column, self.scale.unsqueeze(-2))
        pieces = pieces.clamp(self.lowest.unsqueeze(-2), self.highest.unsqueeze(-2))  # [..., columns, batch, bins]
        linear = torch.addcmul(self.bias.unsqueeze(-2), by_column, self.slope.unsqueeze(-2))
        features = linear + pieces @ self.weight  # [..., columns, batch, width]
        return features.transpose(-2, -3).flatten(-2)  # [..., batch, columns * width]
