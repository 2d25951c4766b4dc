"""Which raw columns the models read, by their fitted encoders, and why none reads the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.types import Encoder, Schema

WHY = {
    "number": "a number, which no feature set of a model reads",
    "category": "categories, which no feature set of a model reads",
    "text": "free text, which no feature set of a model reads",
}


def columns_read(schema: Schema, encoders: Mapping[str, Encoder]) -> dict[str, Any]:
    """``read``: {"sets": feature sets, "columns": the raw columns that just these read}, in the files'
    order; ``dropped``: raw column to the reason that no model reads it.

    encoders: of the feature sets that models use.
    """
    reads = {name: set(encoder.reads) for name, encoder in encoders.items()}
    sets: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    for column in schema.columns:
        raw = column.origin or column.name  # a date becomes several columns
        kinds[raw] = column.kind
        sets.setdefault(raw, set()).update(name for name, read in reads.items() if column.name in read)
    groups: dict[tuple[str, ...], list[str]] = {}
    unread = {name: "no feature: the split goes by it" for name in schema.keep}
    for raw, names in sets.items():
        if names:
            groups.setdefault(tuple(sorted(names)), []).append(raw)
        else:
            unread[raw] = WHY[kinds[raw]]
    read = [{"sets": list(names), "columns": columns} for names, columns in groups.items()]
    return {"read": read, "dropped": {**schema.dropped, **unread}}
