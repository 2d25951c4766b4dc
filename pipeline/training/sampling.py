"""Samplers: which examples make a minibatch, and where a carried state begins anew.

A sampler yields ``Selection``s, and the loop makes the batch: every array of ``Encoded`` (but
``row``, ``first`` and ``length``) at ``index``, and ``fresh`` where the sampler carries a state.

``shuffled`` deals the examples anew every epoch; no state is carried, batches have no ``fresh``.

``bucketed`` does so too, and puts examples of like ``length`` into the same minibatch, so that a
network need not work through padding.

``sequential`` is D2L 9.3's sequential partitioning. Examples are consecutive windows of
documents, in order. They are cut into as many contiguous streams, the *lanes*, as a batch has
places, and the state at the end of a batch is the state at the start of the next. A lane is
``fresh`` where its stream or a new document begins.

In prediction a lane is one row: what a row is answered never depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.registry import Registry, settings

if TYPE_CHECKING:
    import torch

    Arrays = Mapping[str, torch.Tensor]
    """``Encoded``'s ``row``, ``first`` and ``length``, where it has them, on the CPU."""

samplers = Registry("sampler")


@dataclass(frozen=True)
class Selection:
    """The examples of one minibatch; all on the CPU.

    index: int64 [batch], the examples.
    fresh: bool [batch], lanes whose state begins anew; None where no state is carried. All true
        means that the loop gives no state at all, so the number of lanes may change there.
        Elsewhere it may only shrink: then the last lanes have ended.
    """

    index: torch.Tensor
    fresh: torch.Tensor | None = None


@samplers.register("shuffled")
@settings
class Shuffled:
    """Every example once an epoch, in an order of its own each epoch."""

    carries: ClassVar[bool] = False

    def steps(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        """Minibatches an epoch. A lone last example joins the batch before it, since batch
        normalisation cannot take one alone."""
        lone = examples > batch_size > 1 and examples % batch_size == 1
        return -(-examples // batch_size) - lone

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """The minibatches of one epoch, whose order follows from ``seed`` alone."""
        import torch

        order = torch.randperm(examples, generator=torch.Generator().manual_seed(seed))  # [examples]
        steps = self.steps(arrays, examples, batch_size)
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

    batch_tokens: minibatches of about so many tokens, in place of as many examples, so that each costs the same.
    """

    pool: int = Field(default=32, ge=1)
    batch_tokens: int | None = Field(default=None, ge=1)

    def steps(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        """Minibatches an epoch; by tokens a few less, where single texts fill several."""
        if self.batch_tokens is None or "length" not in arrays:
            return super().steps(arrays, examples, batch_size)
        return max(1, min(examples, -(-int(arrays["length"].sum()) // self.batch_tokens)))

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """The minibatches of one epoch, whose order follows from ``seed`` alone."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(examples, generator=generator)  # [examples]
        steps = self.steps(arrays, examples, batch_size)
        if "length" in arrays:
            each = batch_size if self.batch_tokens is None else max(1, examples // steps)
            pools = order.split(self.pool * each)
            ordered = [pool[arrays["length"][pool].argsort(stable=True)] for pool in pools]
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
        length = arrays["length"][order].double()  # [examples]
        middle = length.cumsum(0) - length / 2
        part = (middle * steps / length.sum().clamp(min=1)).long().clamp(0, steps - 1)  # [examples], ascending
        return list(order.split(torch.unique_consecutive(part, return_counts=True)[1].tolist()))

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Every example once, the shortest first."""
        import torch

        order = arrays["length"].argsort(stable=True) if "length" in arrays else torch.arange(examples)  # [examples]
        for index in order.split(batch_size):
            yield Selection(index)


@samplers.register("sequential")
@settings
class Sequential:
    """Contiguous streams side by side, the state carried along them (D2L 9.3)."""

    carries: ClassVar[bool] = True

    def steps(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        """Minibatches an epoch: the length of a lane. What does not fill it is left out, at
        other ends every epoch."""
        return examples // min(batch_size, examples)

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """One epoch; batch ``t`` holds the ``t``-th window of every lane."""
        import torch

        lanes, steps = min(batch_size, examples), self.steps(arrays, examples, batch_size)
        left_out = examples - lanes * steps
        offset = int(torch.randint(left_out + 1, (), generator=torch.Generator().manual_seed(seed)))
        begins = offset + steps * torch.arange(lanes)  # [lanes]
        first = _first(arrays, examples)
        for step in range(steps):
            index = begins + step  # [lanes]
            yield Selection(index, first[index] if step else torch.ones(lanes, dtype=torch.bool))

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Rows side by side, ``batch_size`` at a time, rows of like length together."""
        import torch

        row = arrays.get("row")
        counts = torch.ones(examples, dtype=torch.int64) if row is None else torch.bincount(row)  # [rows]
        begins = counts.cumsum(0) - counts  # [rows]
        order = torch.argsort(counts, descending=True, stable=True)  # [rows]
        for chunk in order.split(batch_size):  # [lanes]
            for step in range(int(counts[chunk[0]])):
                lanes = chunk[step < counts[chunk]]  # [lanes] -> [fewer lanes], the last have ended
                yield Selection(begins[lanes] + step, torch.full(lanes.shape, step == 0))


def _first(arrays: Arrays, examples: int) -> torch.Tensor:
    """Whether each example begins a document: ``first``, or where ``row`` changes. bool [examples]."""
    import torch

    if "first" in arrays:
        return arrays["first"].bool()
    first = torch.zeros(examples, dtype=torch.bool)
    if "row" in arrays:
        first[1:] = arrays["row"][1:] != arrays["row"][:-1]
    return first
