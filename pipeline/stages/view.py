"""What a stage shows while it works: a line a model or feature set on a terminal, which is kept up to date;
elsewhere a line with the time for each thing finished. ``PODIUM_PROGRESS=off`` in the environment silences both.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

REFRESH_SECONDS = 0.5

State = Literal["waits", "runs", "done", "kept", "left out"]


@dataclass
class Line:
    """A model's line, or a feature set's. unit: what is counted, ``folds``, ``trials``, ``fits``, ``encoders``;
    total: None where nobody knows."""

    name: str
    unit: str
    total: int | None = None
    done: float = 0.0
    score: float | None = None
    state: State = "waits"


class View:
    """Use it as a context manager around the work; what a terminal shows last stays there.

    title: what runs. deadline: on ``time.monotonic``; without one the time left is told from what is done.
    what: a line is of; only models have a best score.
    """

    def __init__(self, title: str, lines: Sequence[Line], deadline: float = float("inf"), what: str = "model") -> None:
        self.title, self.lines, self.deadline, self.what = title, list(lines), deadline, what
        self._silent = os.environ.get("PODIUM_PROGRESS") == "off"
        self._live: Any = None
        self._began = self._drawn = time.monotonic()

    def __enter__(self) -> View:
        if sys.stderr.isatty() and not self._silent and self.lines:
            from rich.console import Console
            from rich.live import Live

            # No thread of its own draws it: jobs are forked from this process.
            self._live = Live(self._table(), console=Console(stderr=True), auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update(self._table())  # which stays
            self._live.__exit__(kind, error, trace)
            self._live = None

    def refresh(self) -> None:
        """Draw anew, if it is time."""
        if self._live is not None and time.monotonic() - self._drawn >= REFRESH_SECONDS:
            self._drawn = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def tell(self, name: str, what: str) -> None:
        """Something is finished: a line of its own where nobody watches a terminal."""
        if self._live is None and not self._silent:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}: {what}\n")
            sys.stderr.flush()

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title=f"{self.title}{self._left()}", title_justify="left", box=None, pad_edge=False)
        scored = self.what == "model"
        heads = ((self.what, "left"), ("", "left"), ("done", "right"), *([("best", "right")] if scored else []))
        for head, side in heads:
            table.add_column(head, justify=side)  # type: ignore[arg-type]
        for line in self.lines:
            count = f"{line.done:.1f}".removesuffix(".0") + ("" if line.total is None else f"/{line.total}")
            done = f"{count} {line.unit}" if line.state in ("runs", "done") else ""
            best = [""] if line.score is None else [f"{line.score:.5f}"]
            table.add_row(line.name, line.state, done, *(best if scored else []))
        return table

    def _left(self) -> str:
        working = [line for line in self.lines if line.state not in ("kept", "left out")]  # which took no time
        if all(line.state == "done" for line in working):
            return ""
        if self.deadline != float("inf"):
            return f": {_clock(self.deadline - time.monotonic())} left"
        if any(line.total is None for line in working):
            return ""
        whole = sum(line.total or 0 for line in working)
        done = sum(line.total or 0 if line.state == "done" else line.done for line in working)
        passed = time.monotonic() - self._began
        return f": about {_clock(passed / done * (whole - done))} left" if done and passed > 2 else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
