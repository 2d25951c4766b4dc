"""Texts cut into windows, dealt out at random (D2L 9.3, random sampling)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.training.sampling import samplers
from pipeline.training.sampling.selection import Arrays, Selection, Windows

if TYPE_CHECKING:
    import torch


@settings
class Windowed:
    """What samplers of windows have in common.

    steps: tokens of a window.
    joined: texts follow each other as one long one, whose windows reach over their ends; else no window does.
    """

    windows: ClassVar[bool] = True

    steps: int = Field(default=64, ge=1)
    joined: bool = False

    def parts(self, arrays: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
        """Begins and ends of the texts that are cut: int64 [texts] each."""
        import torch

        if "ends" not in arrays:
            raise UserError("fit.sampling: windows need columns of tokens, such as feature set next_tokens makes")
        ends = arrays["ends"]
        if self.joined:
            ends = ends[-1:]
        return torch.cat([ends.new_zeros(1), ends[:-1]])[: len(ends)], ends

    def selection(self, arrays: Arrays, windows: Windows, fresh: torch.Tensor | None = None) -> Selection:
        import torch

        index = torch.searchsorted(arrays["ends"], windows.begins, right=True)
        return Selection(index.clamp(max=len(arrays["ends"]) - 1), fresh, windows)


@samplers.register("random")
@settings
class Random(Windowed):
    """Windows without overlap, from a begin in each text that is drawn anew every epoch, in a shuffled order; each
    begins with no state. A text that is no longer than a window is one.

    context: tokens that a network reads before a window whose tokens it is to answer, so that the first of them
        have something before them too. In training nothing is read twice.
    """

    carries: ClassVar[bool] = False

    context: int = Field(default=0, ge=0)

    def _counts(self, lengths: torch.Tensor) -> torch.Tensor:
        """Windows of texts of these lengths, int64 [texts], the same wherever they begin."""
        return ((lengths - self.steps + 1) // self.steps).clamp(min=1)

    def minibatches(self, arrays: Arrays, examples: int, batch_size: int) -> int:
        begins, ends = self.parts(arrays)
        return -(-int(self._counts(ends - begins).sum()) // batch_size)

    def training(self, arrays: Arrays, examples: int, batch_size: int, seed: int) -> Iterator[Selection]:
        """One epoch; its windows and their order follow from ``seed`` alone."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        begins, ends = self.parts(arrays)
        counts = self._counts(ends - begins)  # [texts]
        left_out = (ends - begins - counts * self.steps).clamp(min=0, max=self.steps - 1)  # [texts]
        offset = (torch.rand(len(counts), generator=generator, dtype=torch.float64) * (left_out + 1)).long()  # [texts]
        text, place = numbered(counts)
        start = begins[text] + offset[text] + place * self.steps  # [windows]
        stop = torch.minimum(start + self.steps, ends[text])  # [windows]
        for some in torch.randperm(len(text), generator=generator).split(batch_size):
            yield self.selection(arrays, Windows(start[some], stop[some], start[some]))

    def prediction(self, arrays: Arrays, examples: int, batch_size: int) -> Iterator[Selection]:
        """Every token once, those of a text in order."""
        import torch

        begins, ends = self.parts(arrays)
        counts = (-(-(ends - begins) // self.steps)).clamp(min=1)  # [texts]
        text, place = numbered(counts)
        counted = begins[text] + place * self.steps  # [windows]
        stop = torch.minimum(counted + self.steps, ends[text])
        start = torch.maximum(counted - self.context, begins[text])
        order = (stop - start).argsort(stable=True)  # windows of like length together
        for some in order.split(batch_size):
            yield self.selection(arrays, Windows(start[some], stop[some], counted[some]))


def numbered(counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each window the text that it is of, and its place there: int64 [windows] each. counts: [texts]."""
    import torch

    text = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return text, torch.arange(len(text)) - (counts.cumsum(0) - counts)[text]
