"""Search ``beam``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.decoding import searches
from pipeline.decoding.base import Hypothesis
from pipeline.decoding.ranking import Ranking, best
from pipeline.decoding.steps import Steps
from pipeline.text.reserved import BOS, EOS


@searches.register("beam")
@settings
class Beam(Ranking):
    """The most probable texts that are found by going on with the most probable beginnings (D2L 10.8.3).

    A text that ends among the ``width`` best goes to the finished ones, and the ``width`` best others go on, until so
    many are finished or none that goes on can still come among the ``n_best``. Of width 1 it is a greedy search.

    width: beginnings of a source that go on side by side.
    """

    width: int = Field(default=5, ge=1)

    def __post_init__(self) -> None:
        if self.n_best > self.width:
            raise ValueError(f"n_best is at most width; a beam of {self.width} finds no {self.n_best} texts")

    def telling(self, n_best: int) -> Beam:
        return replace(self, n_best=n_best, width=max(self.width, n_best))

    def answers(self, steps: Steps, state: Any, limits: np.ndarray, seeds: Sequence[int]) -> list[list[Hypothesis]]:
        found: list[list[Hypothesis]] = [[] for _ in limits]
        finished = np.zeros(len(limits), np.int64)
        least = np.full((len(limits), self.n_best), -np.inf)  # scores of the best finished ones, the worst first
        # Of each lane: its source, its text and its log-probability. Lanes of a source are neighbours, the best first.
        of, texts, totals = np.arange(len(limits)), np.full((len(limits), 1), BOS), np.zeros(len(limits))
        seen = np.zeros((len(limits), 0))  # [lanes, source tokens], or none where that does not count
        for length in range(1, int(limits.max()) + 1):
            logs, state, seen = self.step(steps, texts[:, -1], state, seen)
            uncovered = self.uncovered(seen)  # [lanes]
            self.allow(logs, texts)
            values, tokens = best(logs, 2 * self.width)  # [lanes, candidates]
            for stuck in np.flatnonzero(values[:, 0] == -np.inf).tolist():  # nothing may follow
                text = texts[stuck, 1:].tolist()
                found[of[stuck]].append(self.hypothesis(text, float(totals[stuck]), float(uncovered[stuck]), False))
            sources, row = np.unique(of, return_inverse=True)  # [sources], [lanes]
            totals, lane, tokens = self._ranked(totals[:, None] + values, tokens, row, len(sources))
            # [sources, 2 width] each, the best first
            possible, ends = totals > -np.inf, tokens == EOS
            finishes = possible & ends
            finishes[:, self.width :] = False
            goes_on = possible & ~ends
            goes_on &= goes_on.cumsum(axis=1) <= self.width
            cut = goes_on & (limits[sources] == length)[:, None]
            for ended, some in ((True, finishes), (False, cut)):
                for i, j in np.argwhere(some):
                    text = texts[lane[i, j], 1:].tolist() + ([] if ended else [int(tokens[i, j])])
                    missed = float(uncovered[lane[i, j]])
                    found[sources[i]].append(self.hypothesis(text, float(totals[i, j]), missed, ended))
            finished[sources] += finishes.sum(axis=1)
            scores = np.where(finishes, totals / self.penalty(length) + uncovered[lane], -np.inf)
            least[sources] = np.sort(np.concatenate([least[sources], scores], axis=1), axis=1)[:, -self.n_best :]
            goes_on &= ~cut & (finished[sources] < self.width)[:, None]
            # What follows makes no text more probable, divides by no more than the limit's penalty, and may cover all.
            goes_on &= totals / self.penalty(limits[sources])[:, None] > least[sources, 0][:, None]
            if not goes_on.any():
                break
            row, column = np.nonzero(goes_on)
            parents = lane[row, column]
            if not np.array_equal(parents, np.arange(len(of))):
                state = steps.take(state, parents)
            texts = np.concatenate([texts[parents], tokens[row, column][:, None]], axis=1)  # [lanes, length + 1]
            of, totals, seen = sources[row], totals[row, column], seen[parents]
        return [self.told(some) for some in found]

    def _ranked(
        self, totals: np.ndarray, tokens: np.ndarray, row: np.ndarray, sources: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All candidates of a source beside each other: log-probabilities, lanes that they go on from, tokens.

        totals, tokens: [lanes, candidates]; row: int64 [lanes], which source -> [sources, 2 width] each, the best
        first, of equals that of the better lane; minus infinity where there are fewer.
        """
        lanes, candidates = totals.shape
        first = np.searchsorted(row, np.arange(sources))  # [sources], its first lane
        grid = np.full((sources, self.width, candidates), -np.inf)
        grid[row, np.arange(lanes) - first[row]] = totals
        flat = grid.reshape(sources, -1)  # [sources, width * candidates]
        order = np.argsort(-flat, axis=1, kind="stable")[:, : 2 * self.width]  # [sources, 2 width]
        lane = np.minimum(first[:, None] + order // candidates, lanes - 1)
        return np.take_along_axis(flat, order, axis=1), lane, tokens[lane, order % candidates]
