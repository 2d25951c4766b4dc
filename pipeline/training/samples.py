"""Texts that a language model writes while it learns, so that one sees it learn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from pipeline.core.types import Task

SHARE = 0.01
"""Of the time of a training, that samples may take at most."""
EXPECTED = 0.1
"""Seconds that the first one is taken to need."""

Watch: TypeAlias = "Callable[[int, Any], None]"
"""What is called after each epoch, see ``FitJob``."""


def unwatched(epoch: int, fitted: Any) -> None:
    """Nobody looks."""


class Samples:
    """Taken after an epoch, whenever enough time has passed since the last one; none of a task without texts, and where
    nobody is to see them.

    They take no number of the generators that training draws from, and change nothing of what is learned.
    text: of all of them.
    """

    def __init__(self, task: Task, encoder: Any, joined: bool) -> None:
        self.task, self.encoder, self.joined, self.text = task, encoder, joined, ""
        seen = "off" not in (os.environ.get("PODIUM_SAMPLES"), os.environ.get("PODIUM_TRACKING"))
        self._wanted = seen and task.of_tokens
        self._last, self._took = time.monotonic(), EXPECTED

    def take(self, epoch: int, fitted: Any) -> None:
        """Called after each epoch with what the network has become."""
        began = time.monotonic()
        if not self._wanted or (began - self._last) * SHARE < self._took:
            return
        self.text += f"--- epoch {epoch}\n{self.task.sample(fitted, self.encoder, self.joined)}\n"
        self._last = time.monotonic()
        self._took = self._last - began
