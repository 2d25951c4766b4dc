"""Tuned settings, all training rows -> ``final/``: predictors, test predictions, own submission."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.core.config import Config, ModelConfig
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.seeds import derive_seed
from pipeline.stages.progress import progress_callback
from pipeline.stages.records import model_record
from pipeline.stages.submit import answer, write_submission
from pipeline.stages.tune import tuned_config
from pipeline.training.cross_validation import fit, load_libraries, make_predictor
from pipeline.training.data import TrainingData
from pipeline.training.executors import Serial, make_executor
from pipeline.training.identity import identity
from pipeline.training.predictor import FinalModel


@dataclass(frozen=True)
class FinalJob:
    config: ModelConfig
    rounds: int
    number: int
    folder: Path
    checkpoint: Path
    """Folder where the fit, and then its predictor, waits for a run that was killed before the last one."""


def fit_member(data: TrainingData, job: FinalJob) -> dict[str, list[float]]:
    """Fit one seed on every training row, or go on where a killed run was; save its predictor.

    Gives its curves, none where a killed run had finished it.
    """
    done = job.checkpoint / "predictor"
    curves: dict[str, list[float]] = {}
    if not done.exists():
        fold = data.fold(None)
        seed = derive_seed(job.config.seed, "final", job.number)
        fitted = fit(data, job.config, fold, seed=seed, rounds=job.rounds, checkpoint=job.checkpoint / "fit")
        curves = fitted.curves
        with whole_folder(done) as aside:
            make_predictor(data, job.config, fold, fitted).save(aside)
    shutil.copytree(done, job.folder)
    return curves


def run(config: Config, name: str) -> None:
    declared = config.model(name)
    competition = config.competition(declared.competition)
    paths = ModelPaths(competition.name, name)
    tuned = tuned_config(competition, declared)
    data = TrainingData(competition, tuned.features)
    rounds = read_json(paths.tuned / "scores.json")["rounds"]
    checkpoints = paths.checkpoints / "final"
    mine = checkpoints / digest(identity(data, tuned, config.execution.threads), rounds)
    with model_record(data, tuned, "retrain") as record, whole_folder(paths.final) as folder:
        if tuned.retrain.mode == "folds":
            members = len(data.folds)
            copy_members(paths.tuned / "members", folder / "members", members)
        else:
            members = tuned.retrain.seeds
            jobs = [FinalJob(tuned, rounds, i, folder / "members" / str(i), mine / str(i)) for i in range(members)]
            load_libraries(data, tuned)
            with progress_callback(members, f"{name}: final") as advance:
                # A lone fit needs no process of its own, and leaves its library loaded for the prediction.
                executor = make_executor(config.execution) if members > 1 else Serial(config.execution.threads)
                fits = executor.map(partial(fit_member, data), jobs, advance)
                for number, curves in enumerate(fits):
                    with record.child(f"seed {number}") as child:
                        child.curves(curves)
        write_json(folder / "final.json", {"members": members, "rounds": rounds, "mode": tuned.retrain.mode})
        predictions = FinalModel.load(folder).predict(read_test_rows(competition.name))
        predictions.to_parquet(folder / "predictions.parquet", index=False)
        write_submission(competition, data.schema, predictions, folder / "submission.csv")
        write_json(folder / "answer.json", answer(competition, data.schema, {name: "."}, {name: 1.0}))
        record.metrics({"rounds": rounds, "members": members})
        record.model(folder, name=name, register=competition.name, alias=None)
    shutil.rmtree(checkpoints, ignore_errors=True)


def copy_members(source: Path, target: Path, members: int) -> None:
    """Take over the folds' predictors of the best trial."""
    for i in range(members):
        shutil.copytree(source / str(i), target / str(i))


def read_test_rows(competition: str):
    import pandas as pd

    return pd.read_parquet(CompetitionPaths(competition).test_rows)
