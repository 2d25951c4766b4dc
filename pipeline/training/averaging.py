"""Weights averaged along a fit, by which it is validated and which it ends with.

The mean of those that the last epochs ended with (checkpoint averaging, Vaswani et al. 2017, 6.1), or an exponential
moving average of those of every step (Polyak, Juditsky 1992): at step t, counted from 1, w' <- d w' + (1 - d) w with
d = min(decay, (1 + t) / (10 + t)), so that the first weights are soon forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.training.checkpoints import Progress

if TYPE_CHECKING:
    from pipeline.training.neural import Neural


class Averaging:
    """Of one fit over so many epochs; ``progress`` holds the averages, so that a checkpoint does too."""

    def __init__(self, settings: Neural, network: nn.Module, progress: Progress, epochs: int) -> None:
        self.network, self.progress = network, progress
        self.decay = settings.ema
        self.begin = epochs - settings.average.last if settings.average is not None else epochs
        if self.decay is not None and not progress.averages:
            progress.averaged = _copied(network)

    def after_step(self) -> None:
        if self.decay is None:
            return
        self.progress.averages += 1
        steps = self.progress.averages
        self._towards(1 - min(self.decay, (1 + steps) / (10 + steps)))

    def after_epoch(self) -> None:
        """Call when ``progress`` counts the epoch as done."""
        if self.progress.epoch <= self.begin:
            return
        if not self.progress.averages:
            self.progress.averaged = _copied(self.network)
        self.progress.averages += 1
        self._towards(1 / self.progress.averages)

    @torch.no_grad()
    def _towards(self, part: float) -> None:
        """Move the averages by this part of the way to the weights; what counts is that of the weights."""
        own = self.network.state_dict()
        averaged = self.progress.averaged
        moving = [name for name, tensor in own.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([averaged[name] for name in moving], [own[name] for name in moving], part)
        for name in own.keys() - set(moving):
            averaged[name].copy_(own[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the network has the averaged weights, where there are some."""
        if not self.progress.averages:
            yield
            return
        own = _copied(self.network)
        self.network.load_state_dict(self.progress.averaged)
        try:
            yield
        finally:
            self.network.load_state_dict(own)

    def finish(self) -> None:
        """Leave the averaged weights in the network, where there are some."""
        if self.progress.averages:
            self.network.load_state_dict(self.progress.averaged)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
