"""Fold scores, blend, solution -> the table of models a person reads at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths, project_root
from pipeline.stages.budget import kept_models
from pipeline.stages.project import load_project
from pipeline.stages.score import solution_score


def run(name: str | None) -> None:
    config = load_project()
    for competition in [config.competition(name)] if name else config.competitions.values():
        paths = CompetitionPaths(competition.name)
        rows = leaderboard_rows(config, competition)
        if not rows:
            raise UserError(f"{competition.name}: no model has a score yet; run `dvc repro`")
        better = "higher" if competition.metric.higher_is_better else "lower"
        lines = ["", f"{competition.name}: {metric_label(competition)}, {better} is better", *_table(rows)]
        if paths.blend.exists():
            lines += [f"blend: {line}" for line in answered(read_json(paths.blend))]
        kept = kept_models(config, competition.name)
        if gone := [model.name for model in config.models_of(competition.name) if model not in kept]:
            lines.append(f"left out: {', '.join(gone)}; the report says why")
        if unfinished := pending(config, competition):
            lines.append(f"not finished: {', '.join(unfinished)}; run `dvc repro`")
        made = {"submission: ": paths.submission, "report:     ": paths.report / "index.html"}
        lines += [f"{what}{place.relative_to(project_root())}" for what, place in made.items() if place.exists()]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.write("every run, fold and trial: python -m pipeline ui\n")


def metric_label(competition: CompetitionConfig) -> str:
    """A metric's name as people know it."""
    return getattr(competition.metric, "label", competition.metric.name)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Aligned text, as wide as it needs; it goes to terminals, logs and pipes alike."""
    heads = {"train": "train", "valid": "validation", "spread": "± folds", "weight": "weight", "test": "test"}
    shown = [key for key in heads if any(row[key] is not None for row in rows)]
    cells = [["model", "features", "trials", *(heads[key] for key in shown)]]
    for row in rows:
        numbers = ["" if row[key] is None else f"{row[key]:.5f}"[:9] for key in shown]
        cells.append([row["model"], row["features"], "" if row["trials"] is None else str(row["trials"]), *numbers])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = []
    for line in cells:
        text = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(text).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def pending(config: Config, competition: CompetitionConfig) -> list[str]:
    """Models that have no score yet."""
    names = [model.name for model in kept_models(config, competition.name)]
    return [name for name in names if not (ModelPaths(competition.name, name).tuned / "scores.json").exists()]


def leaderboard_rows(config: Config, competition: CompetitionConfig) -> list[dict[str, Any]]:
    """The blend first, then each model from best to worst; what is not there yet is left out."""
    paths = CompetitionPaths(competition.name)
    blend = read_json(paths.blend) if paths.blend.exists() else None
    unfinished = pending(config, competition)
    rows = []
    for model in kept_models(config, competition.name):
        if model.name in unfinished:
            continue
        place = ModelPaths(competition.name, model.name)
        scores = {**read_json(place.tuned / "scores.json"), **own_scores(place)}
        trials = place.tuned / "trials.json"
        rows.append(
            {
                "model": model.name,
                "features": read_json(place.tuned / "settings.json").get("features", model.features),
                "train": scores["train"],
                "valid": scores["valid"],
                "spread": scores["spread"],
                "folds": [fold["valid"] if isinstance(fold, dict) else fold for fold in scores["folds"]],
                "trials": read_json(trials)["count"] if trials.exists() else 1,
                "weight": blend["weights"].get(model.name) if blend else None,
                "test": _tested(competition, place.final / "submission.csv"),
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
        "spread": blend["spread"],
        "folds": blend["folds"],
        "trials": None,
        "weight": None,
        "test": _tested(competition, paths.submission),
    }
    return [first, *rows]


def own_scores(place: ModelPaths) -> dict[str, Any]:
    """Scores with the thresholds that a model's own submission takes; none where it takes none."""
    answer = place.final / "answer.json"
    return read_json(answer).get("scores", {}) if answer.exists() else {}


def answered(blend: dict[str, Any]) -> list[str]:
    """What was done to the blend's predictions beyond averaging, and its validation score without it."""
    lines = []
    calibration, decision, steps = blend["calibration"], blend["decision"], blend["steps"]
    if calibration is not None:
        lines.append(f"probabilities calibrated ({calibration['kind']}); validation {steps['blended']:.5f} without")
    if decision is not None:
        named = decision.get("thresholds") or {str(i + 1): cut for i, cut in enumerate(decision["cuts"])}
        limits = list(named.items())[1:] if decision["kind"] == "thresholds" and len(named) == 2 else named.items()
        told = ", ".join(f"{name}: {limit:.3f}" for name, limit in limits)
        before = steps.get("calibrated", steps["blended"])
        lines.append(f"{decision['kind'].replace('_', ' ')} {told}; validation {before:.5f} without")
    return lines


def _tested(competition: CompetitionConfig, submission: Path) -> float | None:
    return solution_score(competition, submission) if submission.exists() else None
