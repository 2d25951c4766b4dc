"""What searches share that rank whole texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.decoding.base import NEVER, Hypothesis, Search, check_numbers
from pipeline.decoding.steps import Steps

if TYPE_CHECKING:
    import torch

UNSEEN = 1e-9
"""What a token of the source was looked at least, so that its logarithm is a number."""
BLOCK = 64
"""Tokens among which the largest is looked for first."""


@settings
class Ranking(Search):
    """The most probable texts, as they are ranked by these settings.

    length_penalty: a of ((5 + tokens) / 6) ** a that log-probabilities are divided by, since each token makes a text
        less probable (Wu et al. 2016, 7; the end mark counts); 0: they are left as they are.
    coverage_penalty: b of b * sum(log(min(seen, 1))) that is added to a text's score, where ``seen`` is what all its
        tokens together looked at a token of the source (Wu et al. 2016, 7): a text that passes some of the source by
        ranks lower. Of models with attention; 0: it does not count.
    no_repeat: no text holds the same so many tokens twice (Paulus et al. 2018, 2.5); 0: any may.
    n_best: texts that are told of each source.
    """

    length_penalty: float = Field(default=0.6, ge=0)
    coverage_penalty: float = Field(default=0.0, ge=0)
    no_repeat: int = Field(default=0, ge=0)
    n_best: int = Field(default=1, ge=1)

    @property
    def looks(self) -> bool:
        return self.coverage_penalty > 0

    def telling(self, n_best: int) -> Ranking:
        return replace(self, n_best=n_best)

    def penalty(self, tokens: Any) -> Any:
        """By how many tokens a text has, the end mark included."""
        return ((5 + tokens) / 6) ** self.length_penalty

    def step(
        self, steps: Steps, tokens: np.ndarray, state: Any, seen: np.ndarray
    ) -> tuple[np.ndarray, Any, np.ndarray]:
        """A step, and what each lane has looked at by then. seen: [lanes, source tokens] before it, or [lanes, 0]
        before the first one, as it stays where it does not count."""
        if not self.looks:
            return *steps.step(tokens, state), seen
        logs, state, looked = steps.step_looking(tokens, state)
        return logs, state, seen + looked if seen.shape[1] else looked

    def uncovered(self, seen: np.ndarray) -> np.ndarray:
        """What is added to scores for what was passed by, 0 or less: [..., source tokens] -> [...]."""
        return self.coverage_penalty * np.log(np.clip(seen, UNSEEN, 1)).sum(axis=-1)

    def allow(self, logs: np.ndarray, texts: np.ndarray) -> None:
        """Rule out, in place, what may not follow. logs: [lanes, tokens]; texts: int64 [lanes, steps], begin marks
        first."""
        logs[:, NEVER] = -np.inf
        own = texts[:, 1:]  # [lanes, steps]
        if not self.no_repeat or own.shape[1] < self.no_repeat:
            return
        before = self.no_repeat - 1
        same = np.ones((len(own), own.shape[1] - before), bool)  # [lanes, places]
        for i in range(before):
            same &= own[:, i : i + same.shape[1]] == own[:, [i - before]]
        lane, place = np.nonzero(same)
        logs[lane, own[lane, place + before]] = -np.inf

    def hypothesis(self, tokens: list[int], log_probability: float, uncovered: float, ended: bool) -> Hypothesis:
        """tokens: without marks."""
        score = log_probability / float(self.penalty(len(tokens) + ended)) + uncovered
        return Hypothesis(tuple(tokens), score, log_probability, ended)

    def told(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """The best of those found: those without an end after those with one, of equals the one found first."""
        return sorted(hypotheses, key=lambda one: (not one.ended, -one.score))[: self.n_best]


def best(logs: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each lane the most probable tokens and their log-probabilities, the most probable first, of equals the first:
    float64 and int64 [lanes, most or all tokens]. Raises UserError where they are no numbers."""
    import torch

    values, tokens = (part.numpy() for part in _largest(torch.from_numpy(logs), min(most, logs.shape[1])))
    check_numbers(values)  # which count as the largest
    order = np.lexsort((tokens, -values), axis=1)
    return np.take_along_axis(values, order, 1).astype(np.float64), np.take_along_axis(tokens, order, 1)


def _largest(values: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``values.topk(most)`` of [lanes, tokens], in no order and in half of the time: the largest stand in those blocks
    whose own largest are the largest."""
    import torch

    lanes, tokens = values.shape
    blocks = tokens // BLOCK
    if blocks <= 2 * most:
        found = values.topk(most, sorted=False)
        return found.values, found.indices
    highest = values[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK)).amax(2)  # [lanes, blocks]
    begins = highest.topk(most, sorted=False).indices * BLOCK  # [lanes, most]
    places = (begins.unsqueeze(2) + torch.arange(BLOCK)).flatten(1)  # [lanes, most * BLOCK]
    rest = torch.arange(blocks * BLOCK, tokens).expand(lanes, -1)  # [lanes, tokens in no block]
    places = torch.cat([places, rest], dim=1)
    found = values.gather(1, places).topk(most, sorted=False)
    return found.values, places.gather(1, found.indices)
