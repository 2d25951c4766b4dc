"""Raw values to typed values: what counts as missing, a number, a truth, a date, a level.

A raw column may come as any dtype a reader gives (text throughout, or inferred per file); the
functions here give the same typed values either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from pipeline.core.errors import UserError
from pipeline.features.missing_marks import INFINITE
from pipeline.features.number_formats import NumberFormat

if TYPE_CHECKING:
    import pandas as pd

TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0}
"""Words a column is recognised as boolean by, when both of a pair occur."""
TRUTH_WORDS = (("false", "true"), ("no", "yes"), ("off", "on"), ("f", "t"), ("n", "y"))
"""Words that false and true are written as."""
DECLARED_TRUTHS = {
    word: float(truth) for pair in (*TRUTH_WORDS, ("0", "1"), ("0.0", "1.0")) for truth, word in enumerate(pair)
}
"""Words taken in a column that is (or was declared) boolean."""

_WHOLE = re.compile(r"-?\d+\.0+")


def is_numeric(series: pd.Series) -> bool:
    """Whether the dtype itself is numeric (booleans are not)."""
    from pandas.api import types

    return types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(series.dtype)


def text(series: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Any column as ``str`` dtype, NaN where missing (NaN, or a token of ``missing``)."""
    from pandas.api import types

    if types.is_numeric_dtype(series.dtype) or types.is_bool_dtype(series.dtype):
        return levels(series, missing)
    if not types.is_string_dtype(series.dtype) or types.is_object_dtype(series.dtype):
        try:
            series = series.map(str, na_action="ignore").astype("str")
        except UnicodeEncodeError:
            series = series.map(_encodable, na_action="ignore")
    series = series.astype("str")
    absent = series.str.strip().isin(list(missing))
    return series.mask(absent) if absent.any() else series


def _encodable(value: Any) -> str:
    """Text whose surrogates, which JSON can hold and no column of text, are joined in pairs; lone ones are U+FFFD."""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def levels(series: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Discrete values as text, NaN where missing.

    Text is stripped, and whole numbers read '3' whether the file made them 3, 3.0 or '3.0'.
    """
    import pandas as pd

    known = set(missing)
    if pd.api.types.is_integer_dtype(series.dtype):  # as ids are, of which each is another
        words = series.astype("str")
        return words.mask(words.isin(list(known)))
    codes, values = pd.factorize(series, use_na_sentinel=True)
    names = [level_name(value) for value in values]
    if series.dtype == "str" and known.isdisjoint(names) and names == list(values):
        return series
    table = pd.array([None if name in known else name for name in names], dtype="str")
    return pd.Series(table.take(codes, allow_fill=True), index=series.index, name=series.name)


def level_name(value: Any) -> str:
    """One discrete value as text: '3' for 3, 3.0 and '3.0'; text without outer spaces."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    name = str(value).strip()
    return str(int(name.partition(".")[0])) if _WHOLE.fullmatch(name) else name


LARGEST = 1e150
"""Size of a number above which its square, and so a deviation, is infinite: as good as infinite itself."""


SMALLEST = 1 / LARGEST
"""Size of a number below which its square, and with differences of such their quotients, are none: as good as 0."""


def too_large(value: object) -> bool:
    """Whether a value is a finite number above ``LARGEST``."""
    try:
        return LARGEST < abs(float(str(value))) < np.inf
    except ValueError:
        return False


def numbers(series: pd.Series, missing: Sequence[str], form: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """float64 [rows] with NaN where missing and 0 below ``SMALLEST``, and bool [rows]: present and not a finite number,
    or one whose square would not be.

    form: how text writes 1234.5, as a ``NumberFormat`` tells it; ``1,234.5`` where it is not given.
    """
    import pandas as pd
    from pandas.api import types

    if types.is_numeric_dtype(series.dtype) or types.is_bool_dtype(series.dtype):
        values = series.to_numpy(dtype="float64", na_value=np.nan)
        return _without_tiny(values), np.abs(values) > LARGEST
    words = text(series, missing)
    present = words.notna().to_numpy()
    if form is not None:
        values = NumberFormat.parse(form).read(words)
        if types.is_object_dtype(series.dtype):  # numbers among them are no text that is written in some way
            known = series.map(lambda value: isinstance(value, float | int)).to_numpy(dtype=bool)
            values = np.where(known, pd.to_numeric(series.where(known), errors="coerce"), values)
        return _without_tiny(values), present & ~(np.abs(values) <= LARGEST)
    codes, distinct = pd.factorize(words, use_na_sentinel=True)
    level = pd.Series(distinct)
    # A copy: what pandas gives may share the column's memory and refuse to be written.
    read = np.array(pd.to_numeric(level, errors="coerce"), dtype="float64")
    odd = np.isnan(read)
    if odd.any():
        read[odd] = NumberFormat().read(level[odd])
    values = np.append(_without_tiny(read), np.nan)[codes]
    return values, present & ~(np.abs(values) <= LARGEST)


def _without_tiny(values: np.ndarray) -> np.ndarray:
    tiny = (np.abs(values) < SMALLEST) & (values != 0)
    return np.where(tiny, 0.0, values) if tiny.any() else values


def without_infinite(series: pd.Series) -> tuple[pd.Series, int]:
    """A column with NaN for numbers beyond ``LARGEST``, and how many these were; text as it is."""
    if series.dtype.kind != "f" or not (float(series.max()) > LARGEST or float(series.min()) < -LARGEST):
        return series, 0
    beyond = series.abs() > LARGEST
    return series.mask(beyond), int(beyond.sum())


def feature_numbers(series: pd.Series, missing: Sequence[str], form: str | None) -> tuple[np.ndarray, np.ndarray]:
    """As ``numbers``, what is infinite being missing as well."""
    number, bad = numbers(series, missing, form)
    if not bad.any():
        return number, bad
    infinite = np.abs(number) > LARGEST
    if not is_numeric(series):
        infinite |= text(series, missing).str.strip().str.lower().isin(INFINITE).to_numpy()
    return np.where(infinite, np.nan, number), bad & ~infinite


def truths(series: pd.Series, missing: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [rows] of 1 and 0 with NaN where missing, and bool [rows]: present and neither."""
    words = text(series, missing).str.strip().str.lower()
    values = words.map(DECLARED_TRUTHS).to_numpy(dtype="float64")
    return values, words.notna().to_numpy() & np.isnan(values)


def are_truths(words: pd.Series) -> bool:
    """Whether text holds both words of one pair (true/false, yes/no, t/f) and nothing else but their letters."""
    seen = lower_of(words.dropna().unique(), TRUTHS.keys() | {"y", "n"})
    if seen == {"t", "f"}:
        return True
    for true, false in (("true", "false"), ("yes", "no")):
        if seen <= {true, false, true[0], false[0]} and seen & {true, false}:
            return bool(seen & {true, true[0]}) and bool(seen & {false, false[0]})
    return False


def lower_of(words: Iterable[Any], known: Set[str]) -> set[str]:
    """Words in lower case, without outer spaces, where all are known ones; else none, which is mostly soon seen."""
    seen = set()
    for word in words:
        if (lower := str(word).strip().lower()) not in known:
            return set()
        seen.add(lower)
    return seen


def raise_at(where: str, series: pd.Series, row: int, rule: str) -> NoReturn:
    """Raise a UserError naming file, column and line (the header is line 1)."""
    raise UserError(f"{where}: column '{series.name}', row {row + 2}: {rule}")


def got(series: pd.Series, row: int) -> str:
    """One value for a message, as a person would write it."""
    value = series.iloc[row]
    return repr(value.item() if isinstance(value, np.generic) else value)
