"""Columns as text, and how they write numbers and dates, all values of all files together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.features import values
from pipeline.features.dates import date_format, day_first, either_way, mixed_format, own_format, the_other_way
from pipeline.features.missing_marks import marks_among
from pipeline.features.number_formats import DECIMAL_COMMAS, NumberFormat, number_format

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 100
"""Levels of which two differ, unless all are one."""


@dataclass(frozen=True)
class Words:
    """A column as text: train alone, with test, and what in them stands for a missing value."""

    train: pd.Series
    every: pd.Series
    marks: tuple[str, ...]

    @classmethod
    def of(cls, seen: Sequence[pd.Series], missing: Sequence[str]) -> Words:
        import pandas as pd

        parts = [values.text(one, missing) for one in seen]
        every = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
        found = cls(parts[0], every, ())
        distinct = found.every_level
        marks = marks_among(distinct)
        lone = lone_word(distinct[~distinct.str.strip().isin(list(marks))] if marks else distinct)
        if lone and parts[0].str.strip().eq(lone[0]).any():  # in the test file alone it is rather a slip of the pen
            marks += lone
        if not marks:
            return found
        train, every = (part.mask(part.str.strip().isin(list(marks))) for part in (parts[0], every))
        return cls(train, every, marks)

    @cached_property
    def train_level(self) -> pd.Series:
        """Each present value of train once."""
        return _each_once(self.train)

    @cached_property
    def every_level(self) -> pd.Series:
        """The same with test, whose new values come last."""
        import pandas as pd

        if len(self.every) == len(self.train):
            return self.train_level
        return _each_once(pd.concat([self.train_level, _each_once(self.test)], ignore_index=True))

    @property
    def repeats(self) -> bool:
        """Whether train has two levels at least, and some value twice."""
        some = {values.level_name(one) for one in self.train_level.iloc[:LOOKED_AT]}
        return len(some) > 1 and len(self.train_level) < self.train.count()

    @property
    def whole(self) -> bool:
        """Whether there is more than one value besides the marks, so that these may stand for none."""
        return not self.marks or len(self.every_level) > 1

    @cached_property
    def _own_format(self) -> NumberFormat | None:
        if not self.whole or self.train.isna().all():
            return None
        return number_format(self.every_level) or number_format(self.train_level)

    def number_format(self, likely: str | None = None) -> NumberFormat | None:
        """likely: what decides where its own values do not."""
        own = self._own_format
        if own is None or not own.doubtful or likely is None:
            return own
        return number_format(self.every_level, likely) or number_format(self.train_level, likely)

    @cached_property
    def date_format(self) -> str | None:
        if not self.whole:
            return None
        if (form := date_format(self.every_level)) is not None:
            return form
        form = date_format(self.train_level)
        # Each file in its own way: what the training values leave open, the test file's may not.
        theirs = None if form is None else own_format(self.test, form)
        if form is not None and theirs is not None and either_way(self.train_level, form) and day_first(theirs):
            return the_other_way(form)
        if form is not None and theirs is not None:
            return form
        mixed = mixed_format(self.every_level)
        # What one file leaves open, where the other is no such mixture, is not settled by what is usual.
        return form if mixed is None or (form is not None and either_way(self.every_level, mixed)) else mixed

    @property
    def test(self) -> pd.Series:
        return self.every.iloc[len(self.train) :]


def _each_once(words: pd.Series) -> pd.Series:
    """The present values, each where it stands first."""
    import pandas as pd

    return pd.Series(words.unique(), dtype="str").dropna()


FEW_NUMBERS = 10
"""Different numbers or dates from which on one word among them stands for none of them."""


def lone_word(distinct: pd.Series) -> tuple[str, ...]:
    """The one value without a digit among numbers or dates, which is none of them: a mark that nobody knows.

    distinct: the values of a column of text, without known marks.
    """
    digits = distinct.str.contains(r"\d", regex=True)
    words, others = distinct[~digits].str.strip().unique(), distinct[digits]
    if len(words) != 1 or len(others) < FEW_NUMBERS or (number_format(others) or date_format(others)) is None:
        return ()
    return (str(words[0]),)


def all_numeric(seen: Sequence[pd.Series]) -> bool:
    from pandas.api import types

    return all(values.is_numeric(one) or types.is_datetime64_any_dtype(one.dtype) for one in seen)


def likely_format(words: Any, train: Sequence[pd.Series]) -> str | None:
    """How the file writes numbers where a column's own values leave that open: with decimal commas, where another
    column surely does and none has decimal points."""
    found = [form for one in words if (form := one.number_format()) and not form.doubtful]
    commas = [form.written for form in found if form.written in DECIMAL_COMMAS]
    points = bool(commas) and any(one.dtype.kind == "f" and bool((one.dropna() % 1 != 0).any()) for one in train)
    return commas[0] if commas and not points else None


def as_the_others(form: NumberFormat, train: pd.Series, others: Sequence[pd.Series]) -> NumberFormat:
    """The format of a file's text beside another's plain numbers: of two that fit, the one of these numbers' size."""
    import pandas as pd

    text = pd.concat([one for one in others if not values.is_numeric(one)], ignore_index=True)
    sizes = {}
    for written in dict.fromkeys((form.written, "1.234,5")):  # the first where both read alike
        read = np.abs(replace(form, written=written).read(text))
        if np.isnan(read[text.notna().to_numpy()]).any() or not (read > 0).any():
            continue
        sizes[written] = abs(np.log(np.nanmedian(read[read > 0])) - np.log(train.abs()[train.abs() > 0].median()))
    return replace(form, written=min(sizes, key=lambda written: sizes[written]), doubtful=False) if sizes else form
