"""What every search promises, and what those share that take a token at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.seeds import derive_seed
from pipeline.decoding.steps import Steps
from pipeline.text.reserved import BOS, EOS, PAD, UNK

NEVER = [PAD, UNK, BOS]
"""What no text is made of."""


class Search(ABC):
    """Settings of a search (shelf ``searches``)."""

    name: ClassVar[str]

    @abstractmethod
    def tokens(
        self, steps: Steps, prefix: np.ndarray, length: int, seed: int | Sequence[int] = 0, *, joined: bool = False
    ) -> Iterator[np.ndarray]:
        """What follows the prefixes, as soon as it is settled: int64 [lanes], the next token of every lane.

        prefix: int64 [lanes, steps], a begin mark first. A lane ends with an end mark and has padding from then on;
        all end after ``length`` tokens, end marks included. What lane i is given hangs on the seed and on i, not on
        how many lanes there are. seed: one for all, or one a lane.
        joined: a text's end does not end its lane: the next text begins there, its begin mark not told.
        Raises UserError where nothing can follow: every token has probability 0.
        """


@settings
class OneByOne(Search):
    """One that settles a token of every lane in each step."""

    @abstractmethod
    def choose(self, logs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Log-probabilities [lanes, tokens], minus infinity for what may not follow, and a number in [0, 1) a lane
        -> tokens int64 [lanes]."""

    def tokens(
        self, steps: Steps, prefix: np.ndarray, length: int, seed: int | Sequence[int] = 0, *, joined: bool = False
    ) -> Iterator[np.ndarray]:
        lanes = len(prefix)
        seeds = [derive_seed(seed, lane) for lane in range(lanes)] if isinstance(seed, int) else seed
        chance = [np.random.default_rng(own) for own in seeds]
        alive = np.ones(lanes, bool)
        logs, state = steps.read(prefix, steps.start(lanes))
        for left in reversed(range(length)):
            draws = np.array([generator.random() for generator in chance])  # [lanes]
            tokens = np.full(lanes, PAD, np.int64)
            tokens[alive] = self.choose(_may_follow(logs[alive]), draws[alive])
            yield tokens
            ends = tokens == EOS
            if not joined:
                alive &= ~ends
            if not left or not alive.any():
                return
            logs, state = steps.step(np.where(ends, BOS, tokens), state)


def _may_follow(logs: np.ndarray) -> np.ndarray:
    """[lanes, tokens], padding, unknown and begin ruled out."""
    logs = logs.copy()
    logs[:, NEVER] = -np.inf
    if not np.isfinite(logs).any(axis=1).all():
        raise UserError(
            "nothing can follow here: the model gives every token a probability of 0; begin with another prefix, or "
            "take a model that leaves a part to what it has not seen (kneser_ney)"
        )
    return logs


def probabilities(logs: np.ndarray) -> np.ndarray:
    """Log-probabilities [lanes, tokens] to probabilities that sum to 1 in each lane."""
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def ranked(logs: np.ndarray) -> np.ndarray:
    """[lanes, tokens]: tokens from the most probable on; of equals the first one first."""
    return np.argsort(-logs, axis=1, kind="stable")
