"""Texts read on from minibatch to minibatch, the state carried along (D2L 9.3, sequential partitioning)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pipeline.core.registry import settings
from pipeline.training.sampling import samplers
from pipeline.training.sampling.selection import Arrays, Selection, Windows
from pipeline.training.sampling.windows import Windowed, numbered

if TYPE_CHECKING:
    import torch

WARM_UP = 2
"""Windows that a lane of prediction reads before those whose tokens count, where it begins amid a text."""
LEAST_WINDOWS = 16
"""That count in such a lane, so that little is read twice."""


@samplers.register("sequential")
@settings
class Sequential(Windowed):
    """As many lanes as a batch has places; the state at the end of a lane's window is the state at the start of the
    next, and begins anew where its lane or a new text does.

    Joined texts are one stream from a begin that is drawn every epoch, cut into equal lanes, as the book has it. Texts
    apart follow each other in an order drawn every epoch, a lane some of them.

    In prediction a lane is one text; joined ones are cut into a few, each of which first reads what stands before it.
    """

    carries: ClassVar[bool] = True

    def minibatches(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        begins, ends = self.parts(arrays)
        if self.joined:
            return max(1, self._lanes(int(ends[-1]), batch_size)[1] // self.steps)
        windows = int(self._counts(ends - begins).sum())
        return windows // min(batch_size, windows)

    def _lanes(self, tokens: int, batch_size: int) -> tuple[int, int]:
        """Of a stream: how many lanes, and the length of each."""
        usable = max(tokens - self.steps + 1, min(tokens, self.steps))
        lanes = max(1, min(batch_size, usable // self.steps))
        return lanes, usable // lanes

    def _counts(self, lengths: torch.Tensor) -> torch.Tensor:
        return (-(-lengths // self.steps)).clamp(min=1)

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """One epoch; batch ``t`` holds the ``t``-th window of every lane."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        begins, ends = self.parts(arrays)
        steps = self.minibatches(arrays, examples, batch_size)
        if self.joined:
            tokens = int(ends[-1])
            lanes, length = self._lanes(tokens, batch_size)
            offset = int(torch.randint(tokens - lanes * length + 1, (), generator=generator))
            start = offset + length * torch.arange(lanes)  # [lanes]
            stop = start + length
            for step in range(steps):
                begin = start + step * self.steps  # [lanes]
                end = torch.minimum(begin + self.steps, stop)
                yield self.selection(arrays, Windows(begin, end, begin), torch.full((lanes,), step == 0))
            return
        order = torch.randperm(len(begins), generator=generator)  # [texts]
        nth, place = numbered(self._counts(ends - begins)[order])
        text = order[nth]  # [windows]
        lanes = min(batch_size, len(text))
        offset = int(torch.randint(len(text) - lanes * steps + 1, (), generator=generator))
        lane = offset + steps * torch.arange(lanes)  # [lanes]
        for step in range(steps):
            at = lane + step  # [lanes]
            begin = begins[text[at]] + place[at] * self.steps
            end = torch.minimum(begin + self.steps, ends[text[at]])
            fresh = (place[at] == 0) | (step == 0)  # [lanes]
            yield self.selection(arrays, Windows(begin, end, begin), fresh)

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Every token once; lanes side by side, ``batch_size`` at a time, lanes of like length together."""
        import torch

        begins, ends = self.parts(arrays)
        counted = begins
        if self.joined:
            windows = -(-int(ends[-1]) // self.steps)
            each = max(LEAST_WINDOWS, -(-windows // batch_size))
            counted = torch.arange(0, max(windows, 1), each) * self.steps  # [lanes]
            ends = torch.cat([counted[1:], ends])  # [lanes]
            begins = (counted - WARM_UP * self.steps).clamp(min=0)
        counts = self._counts(ends - begins)  # [lanes]
        order = torch.argsort(counts, descending=True, stable=True)  # [lanes]
        for chunk in order.split(batch_size):
            for step in range(int(counts[chunk[0]])):
                lanes = chunk[step < counts[chunk]]  # [lanes] -> [fewer lanes], the last have ended
                begin = begins[lanes] + step * self.steps
                end = torch.minimum(begin + self.steps, ends[lanes])
                windows_ = Windows(begin, end, torch.minimum(torch.maximum(begin, counted[lanes]), end))
                yield self.selection(arrays, windows_, torch.full(lanes.shape, step == 0))
