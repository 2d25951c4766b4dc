"""Steps in their order -> cleaned columns of texts, with what each step changed."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.cleaning import SEPARATOR, Cleaner
from pipeline.text.batches import CHARACTERS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BLOCK = 50_000
"""Rows that are cleaned at once."""
EXAMPLES = 3
AROUND, LONGEST = 24, 72
"""Characters of an example on either side of its change, and in all."""


class Changes:
    """How many texts each step changed, with a few examples; the report shows it.

    Filled by ``clean_column``; the tables of a competition (train, test, extra) add up.
    """

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._changed: dict[str, list[int]] = {}
        self._examples: dict[str, list[list[tuple[str, str]]]] = {}
        self._names: dict[str, list[str]] = {}

    def begin(self, column: str, steps: Sequence[Cleaner], texts: int) -> None:
        self._names[column] = [step.name for step in steps]
        self._texts[column] = self._texts.get(column, 0) + texts
        self._changed.setdefault(column, [0] * len(steps))
        self._examples.setdefault(column, [[] for _ in steps])

    def add(self, column: str, step: int, texts: int) -> None:
        self._changed[column][step] += texts

    def show(self, column: str, step: int, before: str, after: str) -> bool:
        """Keep an example, if it is not like the ones there are; whether more would be kept."""
        kept = self._examples[column][step]
        if len(kept) < EXAMPLES and (one := excerpt(before, after)) not in kept:
            kept.append(one)
        return len(kept) < EXAMPLES

    def to_json(self) -> list[dict[str, Any]]:
        """A line a column and step, in their order: column, step, texts, changed, examples [[before, after], ...]."""
        return [
            {
                "column": column,
                "step": name,
                "texts": self._texts[column],
                "changed": self._changed[column][i],
                "examples": [list(example) for example in self._examples[column][i]],
            }
            for column, names in self._names.items()
            for i, name in enumerate(names)
        ]


def built(settings: Iterable[Mapping[str, Any]]) -> list[Cleaner]:
    """The steps that a schema names, with all their settings."""
    from pipeline.text.cleaning import cleaners

    return [cleaners.build(step, "schema.json: clean") for step in settings]


def clean_text(text: str, steps: Sequence[Cleaner]) -> str:
    for step in steps:
        if step.ascii or not text.isascii():
            text = step.clean(text)
    return text


def clean_column(texts: pd.Series, steps: Sequence[Cleaner], changes: Changes | None = None) -> pd.Series:
    """A column (``str``) cleaned. Missing stays missing; a text of which nothing is left is an empty one."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    name, changes = str(texts.name), Changes() if changes is None else changes
    changes.begin(name, steps, int(texts.notna().sum()))
    blocks, touched = [], False
    for begin in range(0, len(texts), BLOCK):
        block = texts.iloc[begin : begin + BLOCK]
        words = pa.array(block, pa.large_string())
        words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
        before = _pieces(words.drop_null())
        after = [_cleaned(piece, steps, name, changes) for piece in before]
        if any(one is not piece for one, piece in zip(after, before, strict=True)):
            words = pc.replace_with_mask(words, words.is_valid(), pa.concat_arrays(after))
            block, touched = pd.Series(pd.array(words, dtype="str"), index=block.index, name=texts.name), True
        blocks.append(block)
    return pd.concat(blocks) if touched else texts


def _pieces(texts: pa.Array) -> list[pa.Array]:
    """Some texts each, of about ``CHARACTERS`` bytes together."""
    import pyarrow.compute as pc

    ends = np.cumsum(np.asarray(pc.binary_length(texts)))  # [texts]
    places = np.arange(CHARACTERS, ends[-1], CHARACTERS) if len(ends) else ()
    cuts = np.unique([0, *np.searchsorted(ends, places, side="right").tolist(), len(ends)])
    return [texts.slice(first, end - first) for first, end in pairwise(cuts.tolist())]


def _cleaned(texts: pa.Array, steps: Sequence[Cleaner], column: str, changes: Changes) -> pa.Array:
    """The texts after all steps, ASCII apart from others, which most steps do not look at and the rest do faster. The
    same array where none changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = np.asarray(pc.string_is_ascii(texts))
    rows = [one for one in (np.flatnonzero(plain), np.flatnonzero(~plain)) if len(one)]
    groups = [Joined(texts.take(some)) for some in rows]
    touched = False
    for i, step in enumerate(steps):
        changed: list[Iterator[tuple[int, str, str]]] = []
        for some, group in zip(rows, groups, strict=True):
            before = group.texts
            if (step.ascii or not group.joined.isascii()) and group.clean(step):
                places = np.flatnonzero(np.asarray(pc.not_equal(before, group.texts)))
                changes.add(column, i, len(places))
                changed.append(_pairs(some, places, before, group.texts))
                touched = True
        for _, one, cleaned in heapq.merge(*changed):
            if not changes.show(column, i, one, cleaned):
                break
    order = np.argsort(np.concatenate(rows)) if touched else ()
    return pa.concat_arrays([group.texts for group in groups]).take(order) if touched else texts


def _pairs(rows: np.ndarray, places: np.ndarray, before: pa.Array, after: pa.Array) -> Iterator[tuple[int, str, str]]:
    for k in places.tolist():
        yield int(rows[k]), before[k].as_py(), after[k].as_py()


class Joined:
    """Texts side by side in one string, so that a step looks at many as fast as at one."""

    texts: pa.Array
    joined: str
    separable: bool
    """Whether ``SEPARATOR``'s first character is there as part of it alone."""

    def __init__(self, texts: pa.Array) -> None:
        self._set(texts)

    def clean(self, step: Cleaner) -> bool:
        """As ``clean`` of the step does with each; whether it changed any, else ``texts`` is the same array."""
        signs, every = step.signs(), np.arange(len(self.texts))
        if not self.separable:
            return self._alone(step, every)
        if signs is not None and signs.search(self.joined) is None:
            return False
        if not step.together():
            return self._alone(step, every if signs is None else self._with(signs))
        after = step.clean(self.joined)
        if after.count(SEPARATOR[0]) != len(every) - 1:  # the step's own mark has it
            return self._alone(step, every)
        if after == self.joined:
            return False
        self.texts, self.joined = _split(after), after
        return True

    def _set(self, texts: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.texts = texts
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)
        self.joined = pc.binary_join(whole, pa.scalar(SEPARATOR, pa.large_string()))[0].as_py()
        self.separable = self.joined.count(SEPARATOR[0]) == max(len(texts) - 1, 0)

    def _with(self, signs: re.Pattern[str]) -> np.ndarray:
        """The places of texts that have such signs."""
        import pyarrow.compute as pc

        ends = np.cumsum(np.asarray(pc.utf8_length(self.texts)) + len(SEPARATOR)).tolist()
        places: set[int] = set()
        position = 0
        while (found := signs.search(self.joined, position)) is not None:
            first, last = bisect_right(ends, found.start()), bisect_right(ends, found.end() - 1)
            places |= {first, last}
            position = max(ends[last] - len(SEPARATOR), found.end())  # the separator may be part of the next
        return np.array(sorted(places))

    def _alone(self, step: Cleaner, places: np.ndarray) -> bool:
        """Each text at these places by itself, equal ones once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        before = self.texts.take(places).to_pylist()
        known = {text: step.clean(text) for text in dict.fromkeys(before)}
        if all(text == cleaned for text, cleaned in known.items()):
            return False
        mask = np.zeros(len(self.texts), dtype=bool)
        mask[places] = True
        cleaned = pa.array([known[text] for text in before], pa.large_string())
        self._set(pc.replace_with_mask(self.texts, pa.array(mask), cleaned))
        return True


def _split(joined: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.split_pattern(pa.array([joined], pa.large_string()), pattern=SEPARATOR).flatten()


def excerpt(before: str, after: str) -> tuple[str, str]:
    """Both texts cut short around their first change.

    >>> excerpt("x" * 100 + "\\xa0y", "x" * 100 + " y")
    ('…xxxxxxxxxxxxxxxxxxxxxxxx\\xa0y', '…xxxxxxxxxxxxxxxxxxxxxxxx y')
    """
    shorter = min(len(before), len(after))
    first = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    same = next((i for i in range(shorter - first) if before[-1 - i] != after[-1 - i]), shorter - first)
    begin = max(0, first - AROUND)
    return _cut(before, begin, len(before) - same), _cut(after, begin, len(after) - same)


def _cut(text: str, begin: int, changed: int) -> str:
    end = min(len(text), changed + AROUND, begin + LONGEST)
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")
