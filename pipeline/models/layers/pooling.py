"""A text's steps to one vector."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.models.layers.attention import masked_softmax

Pool = Literal["mean", "max", "attention"]


class Pooling(nn.Module):
    """Mean, maximum, or a weighted mean whose weights are learned (Yang et al. 2016, 2.2) over the steps that are
    real; a zero vector where there are none."""

    def __init__(self, kind: Pool, width: int) -> None:
        super().__init__()
        self.kind = kind
        attention = kind == "attention"
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)) if attention else None

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        """[batch, steps, width], mask bool [batch, steps] -> [batch, width]."""
        if self.score is not None:
            weights = masked_softmax(self.score(steps).squeeze(-1), mask)  # [batch, steps]
            return (weights.unsqueeze(1) @ steps).squeeze(1)  # [batch, width]
        if self.kind == "max":
            largest = steps.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)  # [batch, width]
            return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)
        share = mask / mask.sum(1, keepdim=True).clamp(min=1)  # [batch, steps]
        return (share.to(steps.dtype).unsqueeze(1) @ steps).squeeze(1)  # [batch, width]
