"""What was decided about a column and its values alone may not say: told by ``add`` and ``look``."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.types import Column
from pipeline.features.column_words import Words
from pipeline.features.dates import (
    FROM,
    ISO,
    dates,
    either_way,
    example,
    has_year,
    is_clock,
    own_format,
    the_other_way,
    year_or_day,
)
from pipeline.features.measures import MEASURES
from pipeline.features.missing_marks import INFINITE, MARKS
from pipeline.features.number_formats import NumberFormat
from pipeline.features.plain_text import other_digits, plain_digits


def column_note(words: Words | None, column: Column, *, infinite: int, sure: bool) -> str:
    """About one column.

    words: as text, None where all files hold numbers. infinite: how many of these are. sure: whether the format is
    declared.
    """
    notes = []
    if infinite and column.kind == "number":
        notes.append(f"infinite in {infinite} row{'s' * (infinite > 1)}, taken for missing")
    if words is None:
        return "; ".join(notes)
    if column.kind != "number":
        return _nearly_numbers(words)
    if column.source == "numeric_text" and (form := words.number_format()) is not None:
        told = NumberFormat.parse(column.format) if column.format is not None else form
        if note := format_note(replace(told, doubtful=form.doubtful and not sure)):
            notes.append(note)
        notes += _digits_note(words)
    elif column.origin is not None and column.format is not None:
        notes += _date_notes(words, column.format, sure)
    marks = [*column.missing[:5]]
    if column.origin is not None and column.format is not None:
        marks += _days_for_none(words, column.format)
    if marks and column.kind == "number":
        known = all(mark.casefold() in MARKS | INFINITE for mark in column.missing)
        notes.append(f"{', '.join(map(repr, marks))} taken for missing" + ("" if known else KEPT))
    return "; ".join(notes)


KEPT = " (columns.types: category keeps it as a word)"
NEARLY = 0.9
LOOKED_AT = 10_000


def _nearly_numbers(words: Words) -> str:
    """Which words keep a column from being numbers, where they are few."""
    first = words.train.dropna().iloc[:LOOKED_AT]
    if len(first) < 2 or first.str.fullmatch(_PLAIN).mean() < NEARLY:
        return ""
    odd = words.train_level[~words.train_level.str.fullmatch(_PLAIN)]
    if odd.empty or odd.str.fullmatch(r"\s*\d.*").all():  # 10 and 10A are codes
        return ""
    told = f"{odd.iloc[0]!r}" + (f" and {len(odd) - 1} others" if len(odd) > 1 else "")
    return f"numbers but for {told}; source.missing names what means a missing value"


_PLAIN = r"\s*[-+]?\d+(?:[.,]\d+)?\s*"


_FOR_EVER = r"(?<!\d)(?:9\d{3}|000[01])(?!\d)"


def _days_for_none(words: Words, form: str) -> list[str]:
    """Dates of the column that stand for none, or for ever."""
    level = words.every_level[words.every_level.str.contains(_FOR_EVER)]
    read, bad = dates(level, form, ())
    return level[read.isna().to_numpy() & ~bad].tolist()[:5]


def _date_notes(words: Words, form: str, sure: bool) -> list[str]:
    files = {"training": words.train, "test": words.test}
    own = {file: other for file, part in files.items() if (other := own_format(part, form)) is not None}
    notes = [f"written like {example(form)}"] if form != ISO or own else []
    notes += [f"in the {file} file like {example(other)}" for file, other in own.items()]
    if not has_year(form) and not is_clock(form):
        notes.append("without a year")
    if not sure and (other := year_or_day(words.every_level, form.partition(FROM)[0])) is not None:
        meant = "a month and its year" if has_year(other) else "days of a month"
        notes.append(f"could be {meant} (columns.formats: '{other}')")
    if not own and not sure and either_way(words.every_level, form):
        notes.append(f"day and month could be the other way round (columns.formats: '{the_other_way(form)}')")
    return [", ".join(notes)] * bool(notes) + _digits_note(words)


def _digits_note(words: Words) -> list[str]:
    odd = other_digits(words.every_level)
    return [f"digits of another script, {odd!r} read as {plain_digits(odd)}"] if odd else []


def format_note(form: NumberFormat) -> str:
    if form.doubtful:
        other = "1,234.5" if form.written == "1.234,5" else "1.234,5"
        return f"numbers read as {form}, and could be {other} (columns.formats)"
    if form.unit in MEASURES:
        return MEASURES[form.unit].told
    exact = str(replace(form, inexact=False))
    notes = [f"numbers written {exact}"] if exact != str(NumberFormat()) else []
    return ", ".join([*notes, INEXACTLY] if form.inexact else notes)


INEXACTLY = "some not exact: ~3, >=3 and 3+ are read as 3, <3 as 2.5, >3 as 3.5 (columns.types: category keeps marks)"
