"""Ready competitions and portfolios of models, as data in ``pipeline/gallery/``.

A gallery file holds one ``competition`` and its ``models`` (names without the competition's),
and may name a ``portfolio``: feature sets and models for a kind of task, in the order in which a
budget keeps them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.stages.guess import Guess

FOLDER = Path(__file__).parents[1] / "gallery"
TUNING_SHARE = 0.6
"""Part of a budget in minutes that searches get; the rest is for training and fitting anew."""


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def entry(name: str) -> dict[str, Any]:
    """A gallery entry as data of one's own."""
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    return copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8")))


def compose(name: str, described: Mapping[str, Any], minutes: float | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The competition and its models as params.yaml wants them, the portfolio laid in.

    minutes: total time for all searches and fits; models that would not fit are left out from
    the end, and searches get a time in place of a number of trials.
    """
    competition = copy.deepcopy(dict(described["competition"]))
    models: dict[str, Any] = dict(described.get("models") or {})
    if portfolio := described.get("portfolio"):
        parts = _read(FOLDER / "portfolios" / f"{portfolio}.yaml")
        competition["features"] = {**parts["features"], **competition["features"]}
        models = {**parts["models"], **models}
    kept = _within(models, minutes, described.get("thousand_rows", 1.0)) if minutes is not None else models
    used = {body["features"] for body in kept.values()}
    competition["features"] = {key: body for key, body in competition["features"].items() if key in used}
    named = {}
    for key, body in kept.items():
        body = {k: v for k, v in body.items() if k != "seconds"}
        named[f"{name}-{key}"] = {"competition": name, **body}
    return competition, named


def _within(models: Mapping[str, Any], minutes: float, thousand_rows: float) -> dict[str, Any]:
    """The models whose estimated fits take at most the budget's fitting share; the first always."""
    budget, kept = 60 * minutes * (1 - TUNING_SHARE), {}
    for key, body in models.items():
        cost = body.get("seconds", 1.0) * max(thousand_rows, 0.5)
        if kept and cost > budget:
            break
        budget -= cost
        kept[key] = dict(body)
    tuned = [body for body in kept.values() if "tune" in body]
    for body in tuned:
        share = round(minutes * TUNING_SHARE / len(tuned), 2)
        body["tune"] = {**{k: v for k, v in body["tune"].items() if k != "trials"}, "minutes": share}
    return kept


def describe(train: pd.DataFrame, test: pd.DataFrame, found: Guess) -> dict[str, Any]:
    """Which portfolio suits one's own files."""
    task = found.task["name"]
    if not (FOLDER / "portfolios" / f"{task}.yaml").exists():
        raise UserError(f"add: no portfolio for the task '{task}'")
    return {"portfolio": task, "thousand_rows": len(train) / 1000}
