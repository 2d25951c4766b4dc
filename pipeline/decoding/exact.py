"""Search ``exact``."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.decoding import searches
from pipeline.decoding.base import Hypothesis, check_numbers
from pipeline.decoding.ranking import Ranking
from pipeline.decoding.steps import Steps
from pipeline.text.reserved import BOS, EOS


@searches.register("exact")
@settings
class Exact(Ranking):
    """The most probable texts of all, best beginnings first (Meister et al. 2020, 4): one that can still become
    no better than a finished text is never gone on with. For small vocabularies, as a referee of others.

    most: beginnings of a source that are gone on with at most.
    """

    most: int = Field(default=100_000, ge=1)

    def answers(self, steps: Steps, state: Any, limits: np.ndarray, seeds: Sequence[int]) -> list[list[Hypothesis]]:
        """Raises UserError too where ``most`` beginnings were not enough."""
        return [
            self._texts(steps, steps.take(state, np.array([lane])), int(limit)) for lane, limit in enumerate(limits)
        ]

    def _texts(self, steps: Steps, state: Any, limit: int) -> list[Hypothesis]:
        # What a beginning can become is bounded by its own log-probability at the limit's penalty.
        largest = float(self.penalty(limit))
        found: list[Hypothesis] = []
        cut: list[Hypothesis] = []
        waiting: list[tuple[float, int, float, list[int], Any]] = [(0.0, 0, 0.0, [], (state, np.zeros((1, 0))))]
        number, looked = 1, 0
        while waiting and len(found) < self.n_best:
            _, _, total, text, before = heappop(waiting)
            if isinstance(before, Hypothesis):  # a finished one, and nothing that waits can be better
                found.append(before)
                continue
            looked += 1
            if looked > self.most:
                raise UserError(
                    f"search exact: {self.most} beginnings were not enough to know the best text of at most {limit} "
                    "tokens; let most be larger, or search by beam"
                )
            logs, *after = self.step(steps, np.array([text[-1] if text else BOS]), *before)
            uncovered = float(self.uncovered(after[1])[0])
            self.allow(logs, np.array([[BOS, *text]]))
            check_numbers(logs)
            possible = np.flatnonzero(logs[0] > -np.inf).tolist()
            if not possible:
                cut.append(self.hypothesis(text, total, uncovered, False))
            for token in possible:
                sum_, longer = total + float(logs[0, token]), [*text, token]
                if token == EOS:
                    finished = self.hypothesis(text, sum_, uncovered, True)
                    heappush(waiting, (-finished.score, number, sum_, text, finished))
                elif len(longer) < limit:
                    heappush(waiting, (-sum_ / largest, number, sum_, longer, after))
                else:
                    cut.append(self.hypothesis(longer, sum_, uncovered, False))
                number += 1
        return self.told([*found, *cut])
