"""Fold scores, blend, solution -> the table of models a person reads at the end."""

from __future__ import annotations

import sys
from typing import Any

from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths, project_root
from pipeline.stages.project import load_project
from pipeline.stages.score import solution_score


def run(name: str | None) -> None:
    config = load_project()
    for competition in [config.competition(name)] if name else config.competitions.values():
        paths = CompetitionPaths(competition.name)
        rows = leaderboard_rows(config, competition)
        lines = [
            "",
            f"{competition.name}: {competition.metric.name}, "
            f"{'higher' if competition.metric.higher_is_better else 'lower'} is better",
            *_table(rows),
            f"submission: {paths.submission.relative_to(project_root())}",
            f"report:     {(paths.report / 'index.html').relative_to(project_root())}",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.write("every run, fold and trial: python -m pipeline ui\n")


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


def leaderboard_rows(config: Config, competition: CompetitionConfig) -> list[dict[str, Any]]:
    """The blend first, then each model from best to worst."""
    paths = CompetitionPaths(competition.name)
    blend = read_json(paths.blend)
    rows = []
    for model in config.models_of(competition.name):
        tuned = ModelPaths(competition.name, model.name).tuned
        scores = read_json(tuned / "scores.json")
        rows.append(
            {
                "model": model.name,
                "features": model.features,
                "train": scores["train"],
                "valid": scores["valid"],
                "spread": scores["spread"],
                "folds": [fold["valid"] for fold in scores["folds"]],
                "trials": read_json(tuned / "trials.json")["count"] if (tuned / "trials.json").exists() else 1,
                "weight": blend["weights"][model.name],
                "test": solution_score(competition, ModelPaths(competition.name, model.name).final / "submission.csv"),
            }
        )
    rows.sort(key=lambda row: row["valid"], reverse=competition.metric.higher_is_better)
    first = {
        "model": "blend",
        "features": "",
        "train": None,
        "valid": blend["valid"],
        "spread": blend["spread"],
        "folds": blend["folds"],
        "trials": None,
        "weight": None,
        "test": solution_score(competition, paths.submission),
    }
    return [first, *rows]
