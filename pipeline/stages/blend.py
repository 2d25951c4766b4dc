"""All models' out-of-fold predictions -> ``blend.json``: weights, calibration, thresholds, the honest score."""

from __future__ import annotations

from statistics import fmean, pstdev

from pipeline.core.config import Config
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, Schema
from pipeline.stages.budget import kept_models


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.answering.ensembles import fit_ensemble
    from pipeline.answering.out_of_fold import guarded

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    rows = pd.read_parquet(paths.train_rows, columns=[schema.target, FOLD])
    names = [model.name for model in kept_models(config, name)]
    tables = {model: pd.read_parquet(ModelPaths(name, model).tuned / "predictions.parquet") for model in names}
    fold = rows[FOLD].to_numpy()
    row, frames = guarded(tables, fold)
    found = fit_ensemble(
        dict(zip(names, frames, strict=True)),
        rows[schema.target].iloc[row],
        fold[row],
        blend=competition.blend,
        task=competition.task,
        target_codec=competition.task.fit_target(rows[schema.target], schema),
        metric=competition.metric,
    )
    write_json(
        paths.blend,
        {
            **found.ensemble.to_json(),
            "folds": found.folds,
            "valid": fmean(found.folds),
            "spread": pstdev(found.folds),
            "steps": found.steps,
            "models": {model: read_json(ModelPaths(name, model).tuned / "scores.json")["valid"] for model in names},
        },
    )
