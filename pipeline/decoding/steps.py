"""What a search goes over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.core.errors import UserError


class Steps(ABC):
    """Several lanes of tokens beside each other, read on token by token. Only who made a state looks inside."""

    longest: int | None = None
    """Tokens that a lane may have, begin marks included; None: any number."""

    @abstractmethod
    def start(self, of: Any) -> Any:
        """The state before the first token: of so many lanes, or of a batch of sources, a lane each."""

    @abstractmethod
    def take(self, state: Any, lanes: np.ndarray) -> Any:
        """The state of the lanes at these places, int64 [lanes], any of them several times or not at all."""

    @abstractmethod
    def step(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """One token a lane, int64 [lanes] -> log-probabilities of the next, float32 or float64 [lanes, tokens],
        an array that the caller may change, and the state behind it."""

    def step_looking(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any, np.ndarray]:
        """``step``, and what each lane looked at meanwhile: float64 [lanes, source tokens], which sum to 1. Raises
        UserError where there is nothing to look at or nothing that looks."""
        raise UserError(
            "search: coverage_penalty asks what answers look at, and what is searched here looks at nothing; set it "
            "to 0, or take models with attention"
        )

    def read(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Some tokens of each lane, one at least, int64 [lanes, steps] -> as ``step`` gives it after the last."""
        for some in tokens.T[:-1]:
            _, state = self.step(some, state)
        return self.step(tokens[:, -1], state)


class Mixture(Steps):
    """Several that share their tokens: the weighted mean of their probabilities, their states side by side.

    weights: above 0; they need not sum to 1.
    """

    def __init__(self, parts: Sequence[Steps], weights: Sequence[float]) -> None:
        self.parts = list(parts)
        self.shares = np.log(np.asarray(weights, np.float64) / np.sum(weights))  # [parts]
        self.longest = min((part.longest for part in parts if part.longest is not None), default=None)

    def start(self, of: Any) -> list[Any]:
        return [part.start(of) for part in self.parts]

    def take(self, state: list[Any], lanes: np.ndarray) -> list[Any]:
        return [part.take(own, lanes) for part, own in zip(self.parts, state, strict=True)]

    def step(self, tokens: np.ndarray, state: list[Any]) -> tuple[np.ndarray, list[Any]]:
        return self._mixed([part.step(tokens, own) for part, own in zip(self.parts, state, strict=True)])

    def step_looking(self, tokens: np.ndarray, state: list[Any]) -> tuple[np.ndarray, list[Any], np.ndarray]:
        found = [part.step_looking(tokens, own) for part, own in zip(self.parts, state, strict=True)]
        logs, state = self._mixed([(log, own) for log, own, _ in found])
        shares = np.exp(self.shares)[:, None, None]  # [parts, 1, 1]
        return logs, state, (np.stack([looked for *_, looked in found]) * shares).sum(axis=0)

    def read(self, tokens: np.ndarray, state: list[Any]) -> tuple[np.ndarray, list[Any]]:
        return self._mixed([part.read(tokens, own) for part, own in zip(self.parts, state, strict=True)])

    def _mixed(self, answers: Sequence[tuple[np.ndarray, Any]]) -> tuple[np.ndarray, list[Any]]:
        logs = np.stack([log for log, _ in answers])  # [parts, lanes, tokens]
        return np.logaddexp.reduce(logs + self.shares[:, None, None], axis=0), [state for _, state in answers]
