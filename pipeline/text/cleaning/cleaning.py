"""Steps in their order -> cleaned columns of texts, with what each step changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.cleaning import Cleaner

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 50_000
"""Rows that are Python's own strings at once; of equal texts among them one is cleaned."""
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

    def show(self, column: str, step: int, before: str, after: str) -> None:
        """Keep an example, if it is not like the ones there are."""
        kept = self._examples[column][step]
        if len(kept) < EXAMPLES and (one := excerpt(before, after)) not in kept:
            kept.append(one)

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

    name, changes = str(texts.name), Changes() if changes is None else changes
    changes.begin(name, steps, int(texts.notna().sum()))
    blocks, touched = [], False
    for begin in range(0, len(texts), BLOCK):
        block = texts.iloc[begin : begin + BLOCK]
        known: dict[str, tuple[str, list[int]]] = {}
        cleaned: list[str | None] = []
        for text in block.array:
            if not isinstance(text, str):
                cleaned.append(None)
                continue
            if text not in known:
                known[text] = _cleaned(text, steps, name, changes)
            after, by = known[text]
            for step in by:
                changes.add(name, step, 1)
            cleaned.append(after)
        if any(by for _, by in known.values()):
            block, touched = pd.Series(cleaned, index=block.index, dtype="str", name=texts.name), True
        blocks.append(block)
    return pd.concat(blocks) if touched else texts


def _cleaned(text: str, steps: Sequence[Cleaner], column: str, changes: Changes) -> tuple[str, list[int]]:
    """The text after all steps, and which of them changed it."""
    by = []
    for i, step in enumerate(steps):
        if not step.ascii and text.isascii():
            continue
        after = step.clean(text)
        if after != text:
            by.append(i)
            changes.show(column, i, text, after)
            text = after
    return text, by


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
