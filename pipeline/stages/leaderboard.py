"""Fold scores, blend, solution -> the table of models a person reads at the end."""

from __future__ import annotations

from typing import Any

from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.stages.project import load_project
from pipeline.stages.score import solution_score


def run(name: str | None) -> None:
    from rich.console import Console

    config = load_project()
    console = Console()
    for competition in [config.competition(name)] if name else config.competitions.values():
        console.print(_table(config, competition))
        paths = CompetitionPaths(competition.name)
        console.print(f"submission: {paths.submission.relative_to(paths.root.parents[1])}")
        console.print(f"report:     {(paths.report / 'index.html').relative_to(paths.root.parents[1])}")
    console.print("every run, fold and trial: python -m pipeline ui")


def _table(config: Config, competition: CompetitionConfig):
    from rich.table import Table

    rows = leaderboard_rows(config, competition)
    better = "higher" if competition.metric.higher_is_better else "lower"
    tested = any(row["test"] is not None for row in rows)
    table = Table(title=f"{competition.name}: {competition.metric.name}, {better} is better", title_justify="left")
    for column in ("model", "features", "train", "validation", "spread", *(["test"] if tested else [])):
        table.add_column(column, justify="left" if column in ("model", "features") else "right")
    for row in rows:
        numbers = [row["train"], row["valid"], row["spread"], *([row["test"]] if tested else [])]
        cells = ["" if value is None else f"{value:.5g}" for value in numbers]
        table.add_row(row["model"], row["features"], *cells, style="bold" if row["model"] == "blend" else "")
    return table


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
