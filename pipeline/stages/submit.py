"""``blend.json``, test predictions, sample submission -> ``submission.csv``, checked before it appears."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.files import read_json, whole_file, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import Schema

if TYPE_CHECKING:
    import pandas as pd


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.training.predictor import blend_predictions

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    weights = read_json(paths.blend)["weights"]
    frames = {
        model: pd.read_parquet(ModelPaths(name, model).final / "predictions.parquet")
        for model, weight in weights.items()
        if weight > 0
    }
    target = competition.task.fit_target(pd.read_parquet(paths.train_rows)[schema.target], schema)
    predictions = blend_predictions(frames, weights, competition.task, target)
    submission = competition_submission(competition, schema, predictions)
    with whole_file(paths.submission) as aside:
        submission.to_csv(aside, index=False, lineterminator="\n")
        check_written(competition, schema, aside)


def read_sample(competition: CompetitionConfig) -> pd.DataFrame | None:
    from pipeline.sources.tables import find_table, read_table

    path = find_table(CompetitionPaths(competition.name).raw, "sample_submission")
    return None if path is None else read_table(path, missing=())


def competition_submission(
    competition: CompetitionConfig, schema: Schema, predictions: pd.DataFrame
) -> pd.DataFrame:
    raise SystemExit


def check_written(competition: CompetitionConfig, schema: Schema, path: Path) -> None:
    raise SystemExit


def write_answer(
    competition: CompetitionConfig, folder: Path, models: dict[str, str], weights: dict[str, float]
) -> None:
    """Write ``answer.json``, which makes a folder of final models answer raw rows."""
    answer: dict[str, Any] = {"models": models, "weights": weights}
    write_json(folder / "answer.json", answer)
