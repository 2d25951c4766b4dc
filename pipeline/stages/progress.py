"""Progress bars for people; a plain line now and then where nobody watches a terminal.

``PODIUM_PROGRESS=off`` in the environment silences both.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

QUIET_SECONDS = 10.0


class progress_callback:
    """Call it with the number done, which may have fractions. Use it as a context manager around the work.

    total: None where nobody knows it.
    """

    def __init__(self, total: int | None, label: str):
        self.total, self.label = total, label
        self._off = os.environ.get("PODIUM_PROGRESS") == "off"
        self._stack = ExitStack()
        self._last = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> progress_callback:
        if sys.stderr.isatty() and not self._off:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
            )
            self._bar = self._stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
            count = "" if self.total is None else self._count(0)
            self._task = self._bar.add_task(self.label, total=self.total, count=count)
        return self

    def __call__(self, done: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, count=self._count(done))
        elif time.monotonic() - self._last > QUIET_SECONDS and not self._off:
            self._last = time.monotonic()
            sys.stderr.write(f"{self.label} {self._count(done)}\n")

    def _count(self, done: float) -> str:
        return f"{done:.1f}".removesuffix(".0") + ("" if self.total is None else f"/{self.total}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
