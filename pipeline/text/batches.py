"""Many texts a few at a time, on as many threads as the job has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pipeline.core.errors import UserError
from pipeline.core.seeds import threads

CHARACTERS = 4 << 20
"""Of a batch: few enough for any machine's memory, and enough to hide what it costs to begin."""

FEW = 64
"""Texts that are looked at together, since a look costs as much as a short text."""

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """first: row of its first text."""

    first: int
    texts: list[str]


def batches(texts: Iterable[str], characters: int = CHARACTERS) -> Iterator[Batch]:
    """Whole texts in order, a few more each time until there are so many characters."""
    first, size = 0, 0
    held: list[str] = []
    rest = iter(texts)
    while few := list(islice(rest, FEW)):
        held += few
        size += sum(map(len, few)) + len(few)
        if size >= characters:
            yield Batch(first, held)
            first, size, held = first + len(held), 0, []
    if held:
        yield Batch(first, held)


def in_order(work: Callable[[Batch], T], given: Iterable[Batch]) -> Iterator[T]:
    """``work`` of each batch, in their order whatever the number of threads; few batches are held at a time.

    For work that is done in numpy and Arrow, which let other threads run meanwhile: no text and no result has to
    go through a pipe, as it would to another process.
    Raises UserError with the row of a text that is no text.
    """
    if threads() == 1:
        yield from (checked(work, batch) for batch in given)
        return
    with ThreadPoolExecutor(threads()) as pool:
        waiting: deque[Future[T]] = deque()
        for batch in given:
            waiting.append(pool.submit(checked, work, batch))
            if len(waiting) > threads():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def checked(work: Callable[[Batch], T], batch: Batch) -> T:
    try:
        return work(batch)
    except UnicodeEncodeError:
        for i, text in enumerate(batch.texts):
            if half := next((c for c in text if "\ud800" <= c <= "\udfff"), None):
                raise UserError(
                    f"text {batch.first + i} (counted from 0) holds U+{ord(half):04X}, half of a surrogate pair, which "
                    "is no character: read its file in its own encoding, or replace it"
                ) from None
        raise
