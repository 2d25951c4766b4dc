"""What each raw column became, as lines of a table: column, kind, why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.types import Column, Schema
from pipeline.features.dates import DURATION

MOST = 40
"""Lines beyond which columns of one kind are told together."""
SOURCES = {"as_is": "numbers", "numeric_text": "numbers written as text", "boolean": "one of two truths"}
KINDS = {"text": "texts", "category": "words or codes that repeat", "image": "pixels, in an array on disk"}
SPECIAL = {"id": "names the test rows", "target": "is predicted", "group": "folds keep its values together"}
SPECIAL |= {"time": "folds follow its order", "fold": "says each row's fold", "weight": "says how much a row counts"}


def table(schema: Schema, competition: Mapping[str, Any]) -> list[str]:
    """Lines for a person: the columns that are something special, the features, and what is left out."""
    declared = {**(competition["columns"].get("types") or {}), **(competition["columns"].get("formats") or {})}
    special = []
    for key, why in SPECIAL.items():
        named = competition["columns"].get(key)
        for name in [] if named is None else [named] if isinstance(named, str) else named:
            special.append((str(name), key, "; ".join(filter(None, (why, schema.notes.get(str(name)))))))
    found: dict[str, list[Column]] = {}
    for column in schema.columns:
        found.setdefault(column.origin or column.name, []).append(column)
    features = [(name, *_kind(columns, name in declared, _note(schema, name))) for name, columns in found.items()]
    weight = competition["columns"].get("weight")
    left_out = [(name, "left out", why) for name, why in schema.dropped.items() if name != weight]
    return _lines([*special, *_short(features), *_short(left_out)])


def _note(schema: Schema, name: str) -> str:
    """What is told of a column besides its kind."""
    if name not in schema.images:
        return schema.notes.get(name, "")
    how = schema.images[name]
    colours = {1: "grey", 3: "colour"}.get(how["channels"], f"{how['channels']} channels")
    told = f"{how['size'][0]} x {how['size'][1]} pixels, {colours}"
    return (
        told
        if "files" not in how
        else f"{told}; of files that '{how['files']}' names, resize {how['resize']}, fit {how['fit']}"
    )


def cleaned(schema: Schema) -> list[str]:
    """Lines that say by which steps texts are cleaned."""
    by: dict[str, list[str]] = {}
    for name, steps in schema.clean.items():
        by.setdefault(", ".join(step["name"] for step in steps), []).append(name)
    return [f"cleaned: {', '.join(names)} by {steps}; clean names other steps" for steps, names in by.items()]


def _kind(columns: list[Column], declared: bool, note: str) -> tuple[str, str]:
    first = columns[0]
    if first.origin is not None:
        parts = ", ".join(column.source.removeprefix("date.") for column in columns)
        kind, why = ("time of day", "clock times") if parts == "time" else ("date", f"its {parts}")
        if first.format == DURATION:
            kind, why = "duration", "its hours"
    elif first.kind == "number":
        kind, why = "number", SOURCES[first.source]
    else:
        kind, why = first.kind, KINDS[first.kind]
    return kind, "; ".join(part for part in ("as params.yaml says" if declared else why, note) if part)


def _short(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Rows alike told in one where there are too many."""
    if len(rows) <= MOST:
        return rows
    together: dict[tuple[str, str], list[str]] = {}
    for name, kind, why in rows:
        together.setdefault((kind, why), []).append(name)
    return [
        (names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names)})", kind, why)
        for (kind, why), names in together.items()
    ]


def _lines(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return [f"{name:{widths[0]}}  {kind:{widths[1]}}  {why}" for name, kind, why in rows]
