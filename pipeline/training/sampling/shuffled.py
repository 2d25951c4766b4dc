"""Samplers that deal examples out at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.training.sampling import samplers
from pipeline.training.sampling.selection import Arrays, Selection, by_length, counted

if TYPE_CHECKING:
    import torch


@samplers.register("shuffled")
@settings
class Shuffled:
    """Every example once an epoch, in an order of its own each epoch."""

    carries: ClassVar[bool] = False
    joined: ClassVar[bool] = False
    windows: ClassVar[bool] = False

    def minibatches(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        """Of an epoch. A lone last example joins the batch before it, since batch
        normalisation cannot take one alone."""
        lone = examples > batch_size > 1 and examples % batch_size == 1
        return -(-examples // batch_size) - lone

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """The minibatches of one epoch, whose order follows from ``seed`` alone."""
        import torch

        order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))  # [examples]
        steps = self.minibatches(arrays, examples, batch_size)
        for step in range(steps):
            end = None if step == steps - 1 else (step + 1) * batch_size
            yield Selection(order[step * batch_size : end])

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Every example once, in order."""
        import torch

        for begin in range(0, examples, batch_size):
            yield Selection(torch.arange(begin, min(begin + batch_size, examples)))


@samplers.register("bucketed")
@settings
class Bucketed(Shuffled):
    """Every example once an epoch; those dealt into the same ``pool`` of minibatches are sorted by
    ``length``, cut into minibatches, and these shuffled. Without ``length`` it is ``shuffled``.

    batch_tokens: minibatches of about so many tokens (of the target, where examples are pairs of texts), in place of as
        many examples, so that each costs the same.
    """

    pool: int = Field(default=32, ge=1)
    batch_tokens: int | None = Field(default=None, ge=1)

    def minibatches(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        """Of an epoch; by tokens a few less, where single texts fill several."""
        if self.batch_tokens is None or "length" not in arrays:
            return super().minibatches(arrays, examples, batch_size)
        return max(1, min(examples, -(-int(counted(arrays["length"]).sum()) // self.batch_tokens)))

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """The minibatches of one epoch, whose order follows from ``seed`` alone."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(examples, generator=generator)  # [examples]
        steps = self.minibatches(arrays, examples, batch_size)
        if "length" in arrays:
            each = batch_size if self.batch_tokens is None else max(1, examples // steps)
            pools = order.split(self.pool * each)
            ordered = [pool[by_length(arrays["length"][pool])] for pool in pools]
            # Every second one from long to short, so that a minibatch over the edge of two holds like lengths too.
            order = torch.cat([pool.flip(0) if i % 2 else pool for i, pool in enumerate(ordered)])  # [examples]
        parts = self._parts(arrays, order, steps, batch_size)
        for step in torch.randperm(len(parts), generator=generator).tolist():
            yield Selection(parts[step])

    def _parts(self, arrays: Arrays, order: torch.Tensor, steps: int, batch_size: int) -> list[torch.Tensor]:
        """The order cut into minibatches."""
        import torch

        if self.batch_tokens is None or "length" not in arrays:
            ends = [batch_size * step for step in range(1, steps)]
            return list(order.tensor_split(ends)) if ends else [order]
        length = counted(arrays["length"])[order].double()  # [examples]
        middle = length.cumsum(0) - length / 2
        part = (middle * steps / length.sum().clamp(min=1)).long().clamp(0, steps - 1)  # [examples], ascending
        return list(order.split(torch.unique_consecutive(part, return_counts=True)[1].tolist()))

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Every example once, the shortest first; of tokens no more at once than in training, save for a long text."""
        import torch

        order = by_length(arrays["length"]) if "length" in arrays else torch.arange(examples)  # [examples]
        steps = self.minibatches(arrays, examples, batch_size)
        by_tokens = self.batch_tokens is not None and "length" in arrays
        for index in self._parts(arrays, order, steps, batch_size) if by_tokens else order.split(batch_size):
            yield Selection(index)
