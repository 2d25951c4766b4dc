"""Everything a competition has -> ``report/index.html``, self-contained."""

from __future__ import annotations

from typing import Any

from pipeline.core.config import Config
from pipeline.core.files import read_json, whole_folder
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import Schema
from pipeline.stages.leaderboard import leaderboard_rows
from pipeline.stages.records import diagnostic_figure


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.reporting.page import build_page

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    facts = read_json(paths.rows / "facts.json")
    target = pd.read_parquet(paths.train_rows, columns=[schema.target])[schema.target]
    models = []
    for model in config.models_of(name):
        tuned = ModelPaths(name, model.name).tuned
        table = pd.read_parquet(tuned / "predictions.parquet")
        diagnostic = diagnostic_figure(target.iloc[table["row"]], table.drop(columns=["row", "fold"]))
        curves = read_json(tuned / "curves.json")
        models.append(
            {
                "model": model.name,
                "curves": {"folds": curves} if any(curves) else None,
                "diagnostic": {"name": diagnostic[0], "data": diagnostic[1]} if diagnostic else None,
                "importance": read_json(tuned / "importance.json"),
            }
        )
    blend = read_json(paths.blend)
    notes = [
        f"Feature set '{key}' takes its statistics from training and test rows together."
        for key, value in facts["statistics"].items()
        if value == "train_and_test"
    ]
    page: dict[str, Any] = {
        "competition": name,
        "task": competition.task.name,
        "metric": competition.metric.name,
        "higher_is_better": competition.metric.higher_is_better,
        "rows": {"train": facts["train_rows"], "test": facts["test_rows"], "folds": facts["folds"]},
        "leaderboard": leaderboard_rows(config, competition),
        "models": models,
        "blend": blend,
        "dropped": dict(schema.dropped),
        "notes": notes,
    }
    with whole_folder(paths.report) as folder:
        (folder / "index.html").write_text(build_page(page), encoding="utf-8")
