"""What a registered model says of itself: which columns it reads, a few rows, how good it is, how to serve it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import Schema

ROWS = 2
HEAD = 1 << 16
"""Bytes of a raw table that its first rows lie in; of wider ones no example is given."""


def served(competition: CompetitionConfig, schema: Schema, model: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """``inputs``: names of raw columns, None where they are not surely known: MLflow hands on what is named here alone.
    ``example``: column to the texts of a few rows, or None. ``about``: Markdown.

    scores: ``valid``, and ``spread`` where there are folds.
    """
    paths = CompetitionPaths(competition.name)
    example = _first_rows(paths.raw / "test.csv") or _first_rows(paths.raw / "train.csv")
    if example is not None:
        example = {name: values for name, values in example.items() if name not in schema.target_names}
    known = {column.origin or column.name for column in schema.columns if column.kind != "image"}
    if example is not None and not known <= set(example):  # another separator, columns of one's own
        example = None
    digest = read_json(paths.rows / "facts.json")["digest"]
    spread = f" ± {scores['spread']:.5g} over the folds" if scores.get("spread") else ""
    higher = "higher" if competition.metric.higher_is_better else "lower"
    about = (
        f"**{model}** of {competition.name}: {competition.metric.label} {scores['valid']:.5g}{spread} on validation "
        f"rows ({higher} is better). Fitted on data `{digest}`.\n\n"
        "Answers raw rows, as the competition's files have them, with what a submission holds. Serve it: "
        f"`mlflow models serve -m models:/{competition.name}/VERSION --env-manager local`; in Python: "
        f'`mlflow.pyfunc.load_model("models:/{competition.name}/VERSION").predict(rows)`.'
    )
    return {"inputs": example and list(example), "example": example, "about": about}


def _first_rows(path: Path) -> dict[str, list[str]] | None:
    """Of a comma-separated table, as texts; None where it is none, or is too wide."""
    if not path.is_file():
        return None
    with path.open("rb") as opened:
        head = opened.read(HEAD)
    try:
        text = head.decode("utf-8-sig", errors="ignore" if len(head) == HEAD else "strict")
    except UnicodeDecodeError:
        return None
    lines = list(csv.reader(io.StringIO(text, newline="")))
    names, rows = lines[0] if lines else [], lines[1 : 1 + ROWS]
    whole = len(lines) > 1 + ROWS or len(head) < HEAD
    if not whole or not rows or len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        return None
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
