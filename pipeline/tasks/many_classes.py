"""Cross-entropy over thousands of classes, as a vocabulary has them, on a processor.

Torch's own goes through all scores eight times, forth and back, most of it with label smoothing; this one twice, some
rows at a time, which stay in the processor's cache meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

MANY = 1000
"""Classes from which on it is the faster one."""
ELEMENTS = 1 << 18
"""Scores that are worked on at once."""


class CrossEntropyOfMany(torch.autograd.Function):
    """``cross_entropy(scores, target, reduction="none", label_smoothing=...)``: float32 [rows, classes], int64 [rows]
    -> [rows]."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, target: Tensor, smoothing: float) -> Tensor:
        logs, means = scores.new_empty(len(scores)), scores.new_zeros(len(scores))  # [rows] each
        for begin, end in _parts(scores):
            some = scores[begin:end]  # [some rows, classes]
            top = some.amax(dim=1)  # [some rows]
            logs[begin:end] = (some - top.unsqueeze(1)).exp_().sum(dim=1).log_() + top
            if smoothing:
                means[begin:end] = some.mean(dim=1)
        ctx.save_for_backward(scores, target, logs)
        ctx.smoothing = smoothing
        told = scores.gather(1, target.unsqueeze(1)).squeeze(1)  # [rows]
        return logs - (1 - smoothing) * told - smoothing * means

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        scores, target, logs = ctx.saved_tensors
        (each,) = gradients  # [rows]
        found = torch.empty_like(scores)  # [rows, classes]
        for begin, end in _parts(scores):
            some = found[begin:end]
            torch.sub(scores[begin:end], logs[begin:end].unsqueeze(1), out=some)
            some.exp_()
            if ctx.smoothing:
                some.sub_(ctx.smoothing / scores.shape[1])
            some.mul_(each[begin:end].unsqueeze(1))
        found.scatter_add_(1, target.unsqueeze(1), (each * (ctx.smoothing - 1)).unsqueeze(1))
        return found, None, None


def _parts(scores: Tensor) -> Iterator[tuple[int, int]]:
    rows = max(1, ELEMENTS // scores.shape[1])
    return ((begin, min(begin + rows, len(scores))) for begin in range(0, len(scores), rows))
