"""Losses: element by element, so that a task can mask before it takes the mean.

A criterion takes (output, target) and gives losses in the target's shape. The classes of an
output are its last dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.registry import Registry, settings

if TYPE_CHECKING:
    import torch

    Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

losses = Registry("loss")


@losses.register("squared")
@settings
class Squared:
    """(output - target)², without the ½ that D2L 3.1 writes, as its nn.MSELoss in 3.5."""

    def criterion(self) -> Criterion:
        from torch.nn.functional import mse_loss

        return lambda output, target: mse_loss(output, target, reduction="none")


@losses.register("absolute")
@settings
class Absolute:
    """|output - target|."""

    def criterion(self) -> Criterion:
        from torch.nn.functional import l1_loss

        return lambda output, target: l1_loss(output, target, reduction="none")


@losses.register("huber")
@settings
class Huber:
    """½ (output - target)² up to ``delta``, from there linear (Huber 1964)."""

    delta: float = Field(default=1.0, gt=0)

    def criterion(self) -> Criterion:
        from torch.nn.functional import huber_loss

        return lambda output, target: huber_loss(output, target, reduction="none", delta=self.delta)


@losses.register("cross_entropy")
@settings
class CrossEntropy:
    """-log softmax(output)[target]; ``label_smoothing`` spreads that part evenly over all classes."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)

    def criterion(self) -> Criterion:
        from torch.nn.functional import cross_entropy

        def losses_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            flat = output.reshape(-1, output.shape[-1])  # [..., classes] -> [examples, classes]
            each = cross_entropy(flat, target.reshape(-1), reduction="none", label_smoothing=self.label_smoothing)
            return each.reshape(target.shape)  # [examples] -> [...]

        return losses_of
