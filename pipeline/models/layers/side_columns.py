"""Numbers and categories beside a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.category_embedding import CategoryEmbedding

WIDTH = 8
"""Of a category's vector."""


class SideColumns(nn.Module):
    """Numbers as they are (they come standardised) and a vector a category, side by side.

    width: of what it gives, 0 where the feature set gives neither.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        levels: Sequence[int] = spec.sizes.get("categories", ())
        self.numbers = spec.shapes["numbers"][0] if "numbers" in spec.shapes else 0
        self.categories = CategoryEmbedding(levels, WIDTH) if len(levels) else None
        self.width = self.numbers + WIDTH * len(levels)

    def forward(self, text: Tensor, batch: Batch) -> Tensor:
        """Text [batch, features] -> [batch, features + width]: the batch's columns after it."""
        parts = [text]
        if self.numbers:
            parts.append(batch["numbers"])  # [batch, numbers]
        if self.categories is not None:
            parts.append(self.categories(batch["categories"]))  # [batch, categories * WIDTH]
        return torch.cat(parts, dim=1) if self.width else text
