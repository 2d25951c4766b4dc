"""Fold scores, blend, solution -> the rows of the table of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.answering.left_out import kept_models
from pipeline.answering.submitting import solution_score
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.shares import percent


def metric_label(competition: CompetitionConfig) -> str:
    """A metric's name as people know it."""
    return competition.metric.label


def pending(config: Config, competition: CompetitionConfig) -> list[str]:
    """Models that have no score yet."""
    names = [model.name for model in kept_models(config, competition.name)]
    return [name for name in names if not (ModelPaths(competition.name, name).tuned / "scores.json").exists()]


def leaderboard_rows(config: Config, competition: CompetitionConfig) -> list[dict[str, Any]]:
    """The blend first, then each model from best to worst; what is not there yet is left out.

    Scores are of predictions as they are, the most probable class where classes are scored: ``train``, ``valid``
    and what the figures show. ``decided`` is the validation score with the thresholds that a submission takes,
    ``weighted`` that with the rows counting as the test rows ask, where a model's ``fit.weights`` says how. ``test`` is
    the score against the source's own solution, where one is known; ``untested`` why it has none all the same.
    """
    paths = CompetitionPaths(competition.name)
    blend = read_json(paths.blend) if paths.blend.exists() else None
    unfinished = pending(config, competition)
    rows = []
    for model in kept_models(config, competition.name):
        if model.name in unfinished:
            continue
        place = ModelPaths(competition.name, model.name)
        scores, trials = read_json(place.tuned / "scores.json"), place.tuned / "trials.json"
        known = blend["models"].get(model.name, {}) if blend else {}
        rows.append(
            {
                "model": model.name,
                "features": read_json(place.tuned / "settings.json").get("features", model.features),
                "train": scores["train"],
                "valid": scores["valid"],
                "spread": spread(scores["spread"], len(scores["folds"])),
                "folds": [fold["valid"] for fold in scores["folds"]],
                "trials": read_json(trials)["count"] if trials.exists() else 1,
                "weighted": known.get("weighted"),
                "decided": known.get("decided"),
                "weight": blend["weights"].get(model.name) if blend else None,
                **_tested(competition, place.final / "submission.csv"),
            }
        )
    rows.sort(key=lambda row: row["valid"], reverse=competition.metric.higher_is_better)
    if blend is None:
        return rows
    first = {
        "model": "blend",
        "features": "",
        "train": None,
        "valid": blend["valid"],
        "spread": spread(blend["spread"], len(blend["folds"])),
        "folds": blend["folds"],
        "trials": None,
        "weighted": blend.get("weighted"),
        "decided": blend["decided"],
        "weight": None,
        **_tested(competition, paths.submission),
    }
    return [first, *rows]


def spread(value: float, folds: int) -> float | None:
    """None of one fold, whose score has no spread: a 0 would pass for certainty."""
    return value if folds > 1 else None


def calibrated(blend: dict[str, Any]) -> list[str]:
    """What was done to the blend's probabilities beyond averaging, and its validation score without it."""
    calibration = blend["calibration"]
    if calibration is None:
        return []
    without = blend["steps"]["blended"]
    kinds = sorted({one["kind"] for one in calibration.get("parts", {"": calibration}).values()})
    return [f"probabilities calibrated ({', '.join(kinds)}); validation {without:.5f} without"]


def answered(blend: dict[str, Any]) -> list[str]:
    """The same, and what its classes are decided by."""
    lines = calibrated(blend)
    decision, steps = blend["decision"], blend["steps"]
    if decision is not None:
        parts = decision.get("parts", {"": decision})
        kinds = sorted({one["kind"].replace("_", " ") for one in parts.values()})
        told = "; ".join(f"{target} {_limits(one)}".strip() for target, one in parts.items())
        before, after = steps.get("calibrated", steps["blended"]), steps["decided"]
        lines.append(
            f"{', '.join(kinds)} {told}; validation {before:.5f} without, {after:.5f} with, and the submission takes it"
        )
    return lines


def _limits(decision: dict[str, Any]) -> str:
    named = decision.get("thresholds") or {str(i + 1): cut for i, cut in enumerate(decision["cuts"])}
    limits = list(named.items())[1:] if decision["kind"] == "thresholds" and len(named) == 2 else named.items()
    return ", ".join(f"{name}: {limit:.3f}" for name, limit in limits)


def weighted_by(blend: dict[str, Any]) -> str | None:
    """What the weighted scores are weighted by; None where there are none."""
    if (shift := blend.get("shift")) is None:
        return None
    if "classes" in shift:
        moved = sorted(shift["classes"].items(), key=lambda one: (-abs(one[1]["test"] - one[1]["train"]), one[0]))
        told = ", ".join(f"{level} {percent(one['train'])} and {percent(one['test'])}" for level, one in moved[:5])
        what = f"each class as its share in the test file is to that in train: {told}"
    else:
        what = (
            f"each row as rows like it are more frequent in the test file (told apart with an AUC of "
            f"{shift['auc']:.3f}): the rows count as {percent(shift['effective'], 0)} of them would alike, the largest "
            f"weight is {shift['largest']:.1f} times the mean"
        )
    return f"weighted scores count {what} (fit.weights of {shift['model']})"


def _tested(competition: CompetitionConfig, submission: Path) -> dict[str, Any]:
    """A solution that this submission cannot be held against, such as one with a class that training never saw, must
    not take the table along with it."""
    try:
        return {"test": solution_score(competition, submission) if submission.exists() else None, "untested": None}
    except UserError as why:
        return {"test": None, "untested": str(why)}


def untested(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why submissions have no score against the solution, each reason once. rows: see ``leaderboard_rows``."""
    return [f"no test score: {why}" for why in dict.fromkeys(row["untested"] for row in rows) if why]


def table_lines(
    rows: Sequence[Mapping[str, Any]], baseline: Mapping[str, Any] | None, seconds: Mapping[str, float | None]
) -> list[str]:
    """Aligned text, as wide as it needs; it goes to terminals, logs and pipes alike.

    baseline: the best answer that learns nothing. seconds: what each model's folds took, where that is known.
    """
    heads = {
        "train": "train",
        "valid": "validation",
        "spread": "± folds",
        "weighted": "weighted",
        "decided": "decided",
        "weight": "weight",
        "test": "test",
        "seconds": "folds, s",
    }
    every: list[dict[str, Any]] = [{**row, "seconds": seconds.get(row["model"])} for row in rows]
    if baseline is not None:
        nothing = dict.fromkeys(("features", "trials", *heads))
        told = {"model": f"baseline: {baseline['what']}", "features": "", "valid": baseline["valid"]}
        every.append({**nothing, **told})
    shown = [key for key in heads if any(row.get(key) is not None for row in every)]
    cells = [["model", "features", "trials", *(heads[key] for key in shown)]]
    for row in every:
        numbers = ["" if row.get(key) is None else _cell(key, row[key]) for key in shown]
        cells.append([row["model"], row["features"], "" if row["trials"] is None else str(row["trials"]), *numbers])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = []
    for line in cells:
        text = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(text).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def _cell(key: str, value: float) -> str:
    return f"{value:.1f}" if key == "seconds" else f"{value:.5f}"[:9]
