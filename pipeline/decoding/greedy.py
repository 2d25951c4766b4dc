"""Search ``greedy``."""

from __future__ import annotations

import numpy as np

from pipeline.core.registry import settings
from pipeline.decoding import searches
from pipeline.decoding.base import OneByOne


@searches.register("greedy")
@settings
class Greedy(OneByOne):
    """Always the most probable token, of equals the first one (D2L 10.8.1)."""

    def choose(self, logs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        return logs.argmax(axis=1)
