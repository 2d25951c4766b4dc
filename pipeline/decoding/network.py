"""A network's steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.decoding.steps import Steps


class NetworkSteps(Steps):
    """A network with ``start(lanes) -> state``, ``step(tokens, state) -> (scores, state)`` and ``read`` for several
    tokens at once, as those of ``models/layers/language.py`` have them."""

    def __init__(self, network: Any, device: torch.device, longest: int | None = None) -> None:
        self.network, self.device, self.longest = network.eval(), device, longest

    def start(self, lanes: int) -> Any:
        return self.network.start(lanes)

    @torch.inference_mode()
    def step(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        scores, state = self.network.step(self._tensor(tokens), state)  # [lanes, tokens]
        return _logs(scores), state

    @torch.inference_mode()
    def read(self, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        scores, state = self.network.read(self._tensor(tokens), state)  # [lanes, steps, tokens]
        return _logs(scores[:, -1]), state

    def _tensor(self, tokens: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(tokens, np.int64)).to(self.device)


def _logs(scores: torch.Tensor) -> np.ndarray:
    return scores.double().log_softmax(-1).cpu().numpy()
