"""A network's steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from pipeline.decoding.steps import Steps

LEAST = 4
"""Lanes that a network is given at least: a product of fewer rows takes another way, with other rounding, and what a
lane is told would hang on how many are beside it."""


class NetworkSteps(Steps):
    """A network with ``start(of) -> state`` (of a number of lanes, or of a batch), ``step(tokens, state) -> (scores,
    state)`` and ``read`` for several tokens at once, as those of ``models/layers/language.py`` have them.

    Its states are tensors, lanes first, in any nesting that ``map_state`` goes through.
    """

    def __init__(self, network: Any, device: torch.device, longest: int | None = None) -> None:
        self.network, self.device, self.longest = network.eval(), device, longest

    @torch.inference_mode()
    def start(self, of: Any) -> Any:
        if isinstance(of, int):
            return self.network.start(max(of, LEAST))
        lanes = self._index(_enough(np.arange(len(next(iter(of.values()))))))
        return self.network.start(map_state(of, lambda tensor: tensor.index_select(0, lanes)))

    @torch.inference_mode()
    def take(self, state: Any, lanes: np.ndarray) -> Any:
        index = self._index(_enough(lanes))
        return map_state(state, lambda tensor: tensor.index_select(0, index))

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        scores, state = self.network.step(self._index(_enough(tokens)), state)  # [lanes, tokens]
        return _logs(scores[: len(tokens)]), state

    @torch.inference_mode()
    def step_looking(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any, np.ndarray]:
        with self.network.noting() as looked:
            logs, state = self.step(tokens, state)
        if not looked:
            return super().step_looking(tokens, state)  # which says that there is no attention
        weights = torch.cat(looked, dim=1)[: len(tokens), -1]  # [lanes, source tokens]
        return logs, state, weights.double().cpu().numpy()

    @torch.inference_mode()
    def read(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        scores, state = self.network.read(self._index(_enough(tokens)), state)  # [lanes, steps, tokens]
        return _logs(scores[: len(tokens), -1]), state

    def _index(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(self.device)


def map_state(state: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A nested state with every tensor passed through ``function``."""
    if isinstance(state, torch.Tensor):
        return function(state)
    if isinstance(state, dict):
        return {key: map_state(value, function) for key, value in state.items()}
    if isinstance(state, (tuple, list)):
        return type(state)(map_state(value, function) for value in state)
    return state


def _enough(lanes: np.ndarray) -> np.ndarray:
    """[lanes, ...], the first one repeated where there are fewer than ``LEAST``."""
    missing = LEAST - len(lanes)
    return lanes if missing <= 0 else np.concatenate([lanes, np.repeat(lanes[:1], missing, axis=0)])


def _logs(scores: torch.Tensor) -> np.ndarray:
    return scores.float().log_softmax(-1).cpu().numpy()
