"""Category codes to features, alone or with a leading dimension of members, as in ``members.py``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class CategoryEmbedding(nn.Module):
    """A learned vector a level; normally distributed at the start, zero for code 0, which may not occur
    in training.

    levels: levels of each column, code 0 (missing and unseen) among them. All lie in one table, so
    that columns of any number of levels are one lookup.
    """

    first: Tensor
    present: Tensor

    def __init__(self, levels: Sequence[int], width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(sum(levels), width))
        self.register_buffer("first", first_levels(levels))
        self.weight.data[self.first] = 0.0
        # A column that padding added shall be zeros: its codes are those of the first column's level 0.
        self.register_buffer("present", torch.ones(len(levels), 1))

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [..., batch, columns] -> [..., batch, columns * width], a column's features side by side."""
        vectors = lookup(self.weight, codes + self.first.unsqueeze(-2))  # [..., batch, columns, width]
        return (vectors * self.present.unsqueeze(-3)).flatten(-2)  # [..., batch, columns * width]


def first_levels(levels: Sequence[int]) -> Tensor:
    """Where each column's levels begin in a table of all levels: int64 [columns]."""
    ends = torch.tensor([0, *levels], dtype=torch.int64).cumsum(0)
    return ends[:-1].clone()


def lookup(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, or of each member's own.

    table [levels, width], index [batch, columns] -> [batch, columns, width];
    with members: table [members, levels, width], index [members, batch, columns].
    """
    if table.ndim == 2:
        return functional.embedding(index, table)
    members, levels = table.shape[:2]
    own = torch.arange(members, device=index.device).mul(levels).view(-1, 1, 1)  # [members, 1, 1]
    return functional.embedding(index + own, table.flatten(0, 1))  # [members, batch, columns, width]
