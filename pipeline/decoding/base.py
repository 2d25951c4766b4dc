"""What every search promises, and what those share that take a token at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.seeds import derive_seed
from pipeline.decoding.steps import Steps
from pipeline.text.reserved import BOS, EOS, PAD, UNK

NEVER = [PAD, UNK, BOS]
"""What no text is made of."""


class Hypothesis(NamedTuple):
    """A text that a search found."""

    tokens: tuple[int, ...]
    """Without marks of begin and end."""
    score: float
    """What hypotheses are ranked by, higher is better: the log-probability, normalised as the search has it."""
    log_probability: float
    """In nats, of all tokens, the end mark too where it was found."""
    ended: bool
    """Whether the end mark was found; without it the text was cut at its limit."""


class Search(ABC):
    """Settings of a search (shelf ``searches``)."""

    name: ClassVar[str]
    width: int = 1
    """Hypotheses of a source that are looked at side by side."""
    n_best: int = 1
    """Texts that are told of each source."""

    @property
    def looks(self) -> bool:
        """Whether it asks what texts look at, which models with attention can tell."""
        return False

    def telling(self, n_best: int) -> Search:
        """Itself, telling so many texts of each source. Raises UserError where it finds no more than one."""
        if n_best > 1:
            raise UserError(f"a search by {self.name} finds one text, and {n_best} are asked for; search by beam")
        return self

    @abstractmethod
    def answers(self, steps: Steps, state: Any, limits: np.ndarray, seeds: Sequence[int]) -> list[list[Hypothesis]]:
        """Texts from the begin mark on, for each lane of a state before the first token: the best first, one at least.

        limits: int64 [lanes], tokens that each may have, the end mark included. seeds: of each lane's draws. What a
        lane is given hangs on itself alone, and only lanes that go on are computed.
        Raises UserError where scores are no numbers, or nothing can follow the begin mark.
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
        """What follows the prefixes, as soon as it is settled: int64 [lanes], the next token of every lane.

        prefix: int64 [lanes, steps], a begin mark first. A lane ends with an end mark and has padding from then on;
        all end after ``length`` tokens, end marks included. What lane i is given hangs on the seed and on i, not on
        how many lanes there are. seed: one for all, or one a lane.
        joined: a text's end does not end its lane: the next text begins there, its begin mark not told.
        Raises UserError where nothing can follow: every token has probability 0.
        """
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

    def answers(self, steps: Steps, state: Any, limits: np.ndarray, seeds: Sequence[int]) -> list[list[Hypothesis]]:
        longest = int(limits.max())
        draws = np.stack([np.random.default_rng(seed).random(longest) for seed in seeds])  # [all lanes, steps]
        told = np.full((len(limits), longest), PAD, np.int64)
        total = np.zeros(len(limits))
        lanes, tokens = np.arange(len(limits)), np.full(len(limits), BOS)  # those that go on
        for step in range(longest):
            logs, state = steps.step(tokens, state)
            logs = _may_follow(logs)
            tokens = self.choose(logs, draws[lanes, step])  # [lanes]
            told[lanes, step] = tokens
            total[lanes] += logs[np.arange(len(lanes)), tokens]
            on = np.flatnonzero((tokens != EOS) & (step + 1 < limits[lanes]))
            if not len(on):
                break
            if len(on) < len(lanes):
                state, lanes, tokens = steps.take(state, on), lanes[on], tokens[on]  # [fewer lanes]
        return [[_hypothesis(row, score)] for row, score in zip(told.tolist(), total.tolist(), strict=True)]


def _hypothesis(row: list[int], score: float) -> Hypothesis:
    """row: tokens, an end mark perhaps, padding."""
    tokens = [token for token in row if token != PAD]
    ended = tokens[-1] == EOS
    return Hypothesis(tuple(tokens[:-1] if ended else tokens), score, score, ended)


def _may_follow(logs: np.ndarray) -> np.ndarray:
    """[lanes, tokens], padding, unknown and begin ruled out."""
    check_numbers(logs)
    logs = logs.copy()
    logs[:, NEVER] = -np.inf
    if not np.isfinite(logs).any(axis=1).all():
        raise UserError(
            "nothing can follow here: the model gives every token a probability of 0; begin with another prefix, or "
            "take a model that leaves a part to what it has not seen (kneser_ney)"
        )
    return logs


def check_numbers(logs: np.ndarray) -> None:
    """Raises UserError where some log-probabilities are no numbers."""
    if np.isnan(logs).any():
        raise UserError(
            "the model's scores are no numbers (NaN), so that no token can be chosen: its weights have grown beyond "
            "all bounds; train it again with a lower fit.learning_rate or with fit.gradient_clip"
        )


def probabilities(logs: np.ndarray) -> np.ndarray:
    """Log-probabilities [lanes, tokens] to probabilities that sum to 1 in each lane."""
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def ranked(logs: np.ndarray) -> np.ndarray:
    """[lanes, tokens]: tokens from the most probable on; of equals the first one first."""
    return np.argsort(-logs, axis=1, kind="stable")
