"""What the page says in tables: where answers err, the worst rows, what words do, what models cost and are set to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.reporting.findings import short

Show = Callable[[float | None], str]
FAINT = 0.04
"""Part of a text's largest effect below which a word is not marked."""
SETTINGS = ("model", "fit", "retrain")


def errors(data: Mapping[str, Any], show: Show) -> dict[str, Any]:
    """``slices``: rows of cells; ``worst`` and ``best``: rows of what was wanted, said and held."""
    found = data["slices"]["found"]
    rows = [
        {
            "column": one["column"],
            "slice": one["slice"],
            "harder": one["harder"],
            "cells": [f"{one['rows']:,}", show(one["inside"]), show(one["outside"]), probable(one["p"])],
        }
        for one in sorted(found, key=lambda one: not one["harder"])
    ]
    worst = data["worst"] or {"columns": [], "rows": []}
    return {
        "slices": rows,
        "slices_asked": data["slices"]["asked"],
        "worst": worst["rows"],
        "worst_best": worst.get("best", []),
        "worst_columns": worst["columns"],
    }


def probable(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def marked(words: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Texts with each word's class (up: it speaks for what was said; down: against it) and how strongly, 0 to 1."""
    texts = []
    for one in words:
        largest = max((abs(effect) for effect in one["effects"]), default=0.0) or 1.0
        parts = []
        for word, effect in zip(one["words"], one["effects"], strict=True):
            strength = abs(effect) / largest
            side = "" if strength < FAINT else "up" if effect > 0 else "down"
            parts.append({"word": word, "side": side, "strength": f"{strength:.2f}"})
        texts.append({"told": one["told"], "words": parts})
    return texts


def costs(data: Mapping[str, Any]) -> dict[str, Any]:
    """``cost_columns`` and ``cost_rows``, of columns that are known of some model; ``cost_figure`` or None."""
    columns: list[tuple[str, str, Callable[[Any], str]]] = [
        ("seconds", "Folds", seconds),
        ("search", "Search", seconds),
        ("final", "Fit on all rows", seconds),
        ("memory", "Peak memory", size),
        ("trained", "Trained rows/s", count),
        ("tokens", "Tokens/s", count),
        ("answered", "Answered rows/s", count),
        ("parameters", "Parameters", count),
        ("bytes", "On disk", size),
    ]
    rows = [row for row in data["leaderboard"] if row["model"] in data["costs"]]
    if not any((row["trials"] or 1) > 1 for row in rows):
        columns = [one for one in columns if one[0] != "search"]  # which gave up before its first trial
    known = [one for one in columns if any(data["costs"][row["model"]][one[0]] is not None for row in rows)]
    table = []
    for row in rows:
        cost = data["costs"][row["model"]]
        cells = ["" if cost[key] is None else told(cost[key]) for key, _, told in known]
        table.append({"model": short(row["model"], data["competition"]), "cells": cells})
    points = [
        {
            "name": short(row["model"], data["competition"]),
            "seconds": data["costs"][row["model"]]["seconds"],
            "valid": row["valid"],
        }
        for row in rows
        if data["costs"][row["model"]]["seconds"]
    ]
    figure = {"models": points, "metric": data["metric"], "higher_is_better": data["higher_is_better"]}
    drawn = ("cost", figure) if len(points) > 1 else None
    return {"cost_columns": [name for _, name, _ in known], "cost_rows": table if known else [], "cost_figure": drawn}


def seconds(value: float) -> str:
    if value < 90:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def size(value: float) -> str:
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= bytes_:
            return f"{value / bytes_:.3g} {unit}"
    return f"{value:.0f} B"


def count(value: float) -> str:
    for unit, many in (("M", 1e6), ("k", 1e3)):
        if value >= 10 * many:
            return f"{value / many:,.0f}{unit}"
    return f"{value:,.0f}"


def settings(raw: Mapping[str, Any]) -> list[str]:
    """``key: value`` of what a model was set to."""
    found = []
    for section in SETTINGS:
        body = raw.get(section)
        parts = list(body.items()) if isinstance(body, Mapping) else [("name", body)] if body else []
        parts.sort(key=lambda part: part[0] != "name")
        for key, value in parts:
            found.append(f"{section if key == 'name' else key}: {_set_to(value)}")
    return found


def _set_to(value: Any) -> str:
    """As ``params.yaml`` would have it; a part by its name, its settings behind it."""
    if isinstance(value, Mapping):
        name = value.get("name", "")
        inner = ", ".join(f"{key}: {_set_to(one)}" for key, one in value.items() if key != "name")
        return f"{name} ({inner})" if name and inner else name or f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_set_to, value))}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
