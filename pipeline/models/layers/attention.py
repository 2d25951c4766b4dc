"""Attention that looks only where its mask allows."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where ``mask`` is true, 0 elsewhere.

    A row without any true place is all 0, with finite gradients (a softmax over -inf is NaN).

    scores: float [..., keys]; mask: bool, broadcast to the same shape.
    """
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1).masked_fill(~mask, 0.0)


class AdditiveAttention(nn.Module):
    """Score of a query and a key: ``w . tanh(W q + U k)`` (Bahdanau et al. 2015; D2L 11.3.2).

    A decoder asks the same keys at every step, so ``project`` is done once and aside.
    """

    def __init__(self, query_size: int, key_size: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, hidden, bias=False)
        self.key = nn.Linear(key_size, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def project(self, keys: Tensor) -> Tensor:
        """[batch, keys, key size] -> [batch, keys, hidden]."""
        return self.key(keys)

    def forward(self, queries: Tensor, projected: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Weighted sums of values.

        queries [batch, queries, query size], projected [batch, keys, hidden],
        values [batch, keys, size], mask bool [batch, keys] -> [batch, queries, size].
        """
        sums = self.query(queries)[:, :, None] + projected[:, None]  # [batch, queries, keys, hidden]
        scores = self.score(torch.tanh(sums)).squeeze(-1)  # [batch, queries, keys]
        return masked_softmax(scores, mask[:, None]) @ values  # [batch, queries, size]
