"""All models' out-of-fold predictions -> ``blend.json``: weights, and the blend's honest score."""

from __future__ import annotations

from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from pipeline.blends.cross_fitting import cross_fitted
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def run(config: Config, name: str) -> None:
    import pandas as pd

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    rows = pd.read_parquet(paths.train_rows)
    names = [model.name for model in config.models_of(name)]
    tables = {model: pd.read_parquet(ModelPaths(name, model).tuned / "predictions.parquet") for model in names}
    row = common_rows(tables)
    fold = rows[FOLD].to_numpy()[row]
    target = rows[schema.target].iloc[row].reset_index(drop=True)
    frames = [table.drop(columns=["row", "fold"]) for table in tables.values()]
    task, metric = competition.task, competition.metric
    codec = task.fit_target(rows[schema.target], schema)

    def average(parts, weights):
        return task.average(parts, weights, codec)

    def score(frame: pd.DataFrame, truth: pd.Series) -> float:
        return metric.score(truth, frame)

    weights = competition.blend.weights(
        frames, target, lambda frame: score(frame, target), average, metric.higher_is_better
    )
    honest = cross_fitted(frames, target, fold, competition.blend, score, average, metric.higher_is_better)
    folds = fold_scores(honest, target, fold, score)
    write_json(
        paths.blend,
        {
            "weights": dict(zip(names, weights, strict=True)),
            "folds": folds,
            "valid": fmean(folds),
            "spread": pstdev(folds),
            "models": {model: read_json(ModelPaths(name, model).tuned / "scores.json")["valid"] for model in names},
        },
    )


def common_rows(tables: dict[str, pd.DataFrame]) -> np.ndarray:
    """Positions [rows] that every model has predicted; they must be the same for all."""
    first_name, first = next(iter(tables.items()))
    for name, table in tables.items():
        if not table["row"].equals(first["row"]):
            raise UserError(f"{name}: its out-of-fold rows differ from those of {first_name}; run `dvc repro`")
    return first["row"].to_numpy()


def fold_scores(frame: pd.DataFrame, target: pd.Series, fold: np.ndarray, score) -> list[float]:
    """The metric of each fold's rows alone, in the folds' order."""
    scores = []
    for k in sorted(set(fold.tolist())):
        mask = fold == k
        scores.append(score(frame[mask].reset_index(drop=True), target[mask].reset_index(drop=True)))
    return scores
