"""Progress bars for people; a plain line now and then where nobody watches a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

QUIET_SECONDS = 10.0


class progress_callback:
    """Call it with the number done. Use it as a context manager around the work."""

    def __init__(self, total: int | None, label: str):
        self.total, self.label = total, label
        self._stack = ExitStack()
        self._last = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> progress_callback:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = self._stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
            self._task = self._bar.add_task(self.label, total=self.total)
        return self

    def __call__(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._last > QUIET_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"{self.label} {done}/{'?' if self.total is None else self.total}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def progress_bar(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    """Yield the items, telling how many are done."""
    with progress_callback(total, label) as advance:
        for done, item in enumerate(items, start=1):
            advance(done)
            yield item
