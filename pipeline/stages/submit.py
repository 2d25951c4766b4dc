"""``blend.json``, test predictions, sample submission -> ``submission.csv``, checked before it appears."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.answering.submitting import answer, write_empty_submission, write_submission
from pipeline.core.config import Config
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import Schema
from pipeline.stages.serving import served
from pipeline.stages.summaries import blend_summary, scored

if TYPE_CHECKING:
    from pipeline.answering.ensembles import Ensemble


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.answering.continuations import Continuing
    from pipeline.answering.ensembles import Ensemble
    from pipeline.answering.final_models import FinalModel

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    ensemble = Ensemble.from_json(read_json(paths.blend))
    folders = {model: ModelPaths(name, model).final for model in ensemble.models}
    if not paths.test_rows.exists():
        write_empty_submission(competition, schema, paths.submission)
        told = f"{name}: no test file, so there is nothing to predict; `python -m pipeline predict` answers new rows"
        print(told, file=sys.stderr)  # noqa: T201
        _register_champion(config, name, folders, ensemble)
        return
    if ensemble.together:
        from pipeline.answering.final_models import FinalModel, predict_each

        models = {model: FinalModel.load(folder) for model, folder in folders.items()}
        frames = predict_each(models, ensemble, pd.read_parquet(paths.test_rows))
    else:
        frames = {model: pd.read_parquet(folder / "predictions.parquet") for model, folder in folders.items()}
    target = competition.task.fit_target(
        schema.target_of(pd.read_parquet(paths.train_rows, columns=list(schema.target_names))), schema
    )
    predictions = ensemble.predict(frames, competition.task, target)
    if (continuing := Continuing.of(competition.submission)) is not None:
        models = {model: FinalModel.load(folder) for model, folder in folders.items()}
        rows = pd.read_parquet(paths.test_rows)
        predictions = continuing.added(predictions, rows, models, ensemble.weights, partial(_warn, name))
    write_submission(competition, schema, predictions, paths.submission)
    _register_champion(config, name, folders, ensemble)


def _warn(name: str, told: str) -> None:
    print(f"{name}: {told}", file=sys.stderr)  # noqa: T201


def _register_champion(config: Config, name: str, folders: dict[str, Path], ensemble: Ensemble) -> None:
    """Log the blend of the final models, and make it the competition's champion."""
    from pipeline.tracking import outbox

    competition, paths = config.competition(name), CompetitionPaths(name)
    blend = read_json(paths.blend)
    schema = Schema.from_json(read_json(paths.schema))
    digest = read_json(paths.rows / "facts.json")["digest"]
    with outbox.run(
        competition=name,
        stage="submit",
        model="blend",
        params={"blend": competition.raw["blend"], **{key: blend[key] for key in ("weights", "decision")}},
        tags={"data.digest": digest},
        summary=blend_summary(competition),
    ) as record:
        scores = scored(competition, {key: blend[key] for key in ("valid", "spread")})
        record.metrics({**scores, **blend["steps"]})
        record.summary.metrics({**scores, "decided": blend["decided"]})
        record.summary.tags(
            {f"weight.{model}": f"{weight:.4f}" for model, weight in blend["weights"].items() if weight}
        )
        record.metrics(
            {f"{model}.{key}": one[key] for model, one in blend["models"].items() for key in ("valid", "decided")}
        )
        record.artifact(paths.submission)
        with tempfile.TemporaryDirectory() as aside:
            told = served(competition, schema, "blend", blend)
            described = Path(aside) / "answer.json"
            write_json(described, answer(competition, schema, {model: model for model in folders}, ensemble))
            files = {"answer.json": described, **folders}
            record.model(files, name="blend", register=name, alias="champion", served=told)
