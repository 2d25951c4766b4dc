"""What comes next made ready while the last is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")

DEPTH = 2
"""How many are made ready."""
SECONDS = 0.2
"""Between two looks at whether they are still wanted."""


def made_ahead(make: Callable[[S], T], items: Iterable[S]) -> Iterator[tuple[S, T]]:
    """Each item with what ``make`` makes of it, in order, some made ready ahead in a thread. An error of ``make`` is
    raised where its item would have come. The thread ends with the iterator."""
    ready: Queue[tuple[str, Any]] = Queue(DEPTH)
    over = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not over.is_set():
            try:
                ready.put((kind, value), timeout=SECONDS)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", (item, make(item)))
                if over.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="made-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, value = ready.get(timeout=SECONDS)
            except Empty:
                continue
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        over.set()
        thread.join()
