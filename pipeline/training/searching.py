"""Answers that are searched for, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.core.seeds import derive_seed
from pipeline.core.types import Task
from pipeline.decoding.base import Hypothesis
from pipeline.text.reserved import PAD
from pipeline.training.sampling.selection import Selection

if TYPE_CHECKING:
    from pipeline.decoding.steps import Steps
    from pipeline.training.examples import Examples

SOURCE = "source"
"""The column of what is answered to."""
LANES = 256
"""Hypotheses side by side, more or less."""


def searched(steps: Steps, task: Task, examples: Examples) -> list[list[Hypothesis]]:
    """By example, the best first. A minibatch's sources are of one length, so that no answer hangs on padding: the
    same source is answered alike in any company."""
    found: list[Any] = [None] * examples.count
    for index in _alike(examples.lengths_of(SOURCE), max(1, LANES // task.search.width)):
        batch = examples.batch(Selection(torch.from_numpy(index)))
        if not batch[SOURCE].shape[1]:  # no token in any of them
            batch[SOURCE] = batch[SOURCE].new_zeros(len(index), 1)
        limits = task.limits(batch)  # [batch]
        if steps.longest is not None:
            limits = limits.clamp(max=steps.longest)
        # The draws for a source hang on itself, not on its place.
        seeds = [derive_seed(*(token for token in row if token != PAD)) for row in batch[SOURCE].tolist()]
        hypotheses = task.search.answers(steps, steps.start(batch), limits.cpu().numpy(), seeds)
        for row, some in zip(index.tolist(), hypotheses, strict=True):
            found[row] = some
    return found


def _alike(lengths: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Examples of equal length together, the longest first: int64 [batch], at most so many."""
    order = np.argsort(-lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        yield from (same[begin : begin + most] for begin in range(0, len(same), most))
