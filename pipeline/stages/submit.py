"""``blend.json``, test predictions, sample submission -> ``submission.csv``, checked before it appears."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from pipeline.answering.submitting import answer, read_sample, submission_settings, test_ids, write_submission
from pipeline.core.config import CompetitionConfig, Config
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, Schema

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.answering.ensembles import Ensemble


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.answering.ensembles import Ensemble

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    ensemble = Ensemble.from_json(read_json(paths.blend))
    folders = {model: ModelPaths(name, model).final for model in ensemble.models}
    frames = {model: pd.read_parquet(folder / "predictions.parquet") for model, folder in folders.items()}
    target = competition.task.fit_target(pd.read_parquet(paths.train_rows)[schema.target], schema)
    write_submission(competition, schema, ensemble.predict(frames, competition.task, target), paths.submission)
    _register_champion(config, name, folders, ensemble)


def write_own_answer(
    competition: CompetitionConfig, schema: Schema, model: str, predictions: pd.DataFrame, folder: Path
) -> None:
    """A lone model's ``submission.csv`` and ``answer.json``, decided as its out-of-fold predictions say.

    predictions: of the test rows. folder: of the final model. Where a decision is kept, ``answer.json``
    holds the model's scores with it, which are those that its submission may expect.
    """
    import pandas as pd

    from pipeline.answering.ensembles import Ensemble, fit_decision_of
    from pipeline.answering.out_of_fold import guarded

    rows = pd.read_parquet(CompetitionPaths(competition.name).train_rows, columns=[schema.target, FOLD])
    table = pd.read_parquet(ModelPaths(competition.name, model).tuned / "predictions.parquet")
    fold = rows[FOLD].to_numpy()
    row, frames = guarded({model: table}, fold)
    decision, folds = fit_decision_of(frames[0], rows[schema.target].iloc[row], fold[row], competition.metric)
    described = answer(competition, schema, {model: "."}, Ensemble({model: 1.0}, decision=decision))
    if decision is not None:
        predictions = decision.apply(predictions)
        described["scores"] = {"folds": folds, "valid": fmean(folds), "spread": pstdev(folds)}
    write_submission(competition, schema, predictions, folder / "submission.csv")
    write_json(folder / "answer.json", described)


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
    ) as record:
        record.metrics({"valid": blend["valid"], "spread": blend["spread"], **blend["steps"]})
        record.artifact(paths.submission)
        with tempfile.TemporaryDirectory() as aside:
            described = Path(aside) / "answer.json"
            write_json(described, answer(competition, schema, {model: model for model in folders}, ensemble))
            record.model({"answer.json": described, **folders}, name="blend", register=name, alias="champion")


def send_to_kaggle(name: str, message: str) -> None:
    """Send ``submission.csv`` to the competition's page on Kaggle, once it is checked again."""
    from pipeline.answering.submissions import check_submission
    from pipeline.sources.kaggle import submit_to_kaggle
    from pipeline.sources.tables import read_table
    from pipeline.stages.project import load_project

    competition = load_project().competition(name)
    slug = competition.source.slug
    if slug is None:
        raise UserError(f"{name}: its source is '{competition.source.name}'; only a kaggle source can be submitted to")
    path = CompetitionPaths(name).submission
    if not path.exists():
        raise UserError(f"{name}: no submission.csv yet; run `dvc repro`")
    schema = Schema.from_json(read_json(CompetitionPaths(name).schema))
    ids, sample = test_ids(competition, schema), read_sample(competition)
    check_submission(read_table(path, missing=()), sample, ids, **submission_settings(competition, schema))
    sys.stdout.write(f"{submit_to_kaggle(slug, path, message)}\n")
