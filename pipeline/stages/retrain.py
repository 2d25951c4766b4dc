"""Tuned settings, all training rows -> ``final/``: predictors, test predictions, own submission."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.answering.final_models import FinalModel
from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import Diverged
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.seeds import derive_seed
from pipeline.stages.budget import LEFT_OUT, left_out
from pipeline.stages.progress import progress_callback
from pipeline.stages.records import model_record
from pipeline.stages.submit import write_own_answer
from pipeline.stages.tune import tuned_config
from pipeline.training.cross_validation import make_fit_job, make_predictor, run_together
from pipeline.training.data import TrainingData
from pipeline.training.executors import Serial, make_executor
from pipeline.training.identity import identity
from pipeline.training.stacking import fit_together


@dataclass(frozen=True)
class FinalJob:
    config: ModelConfig
    rounds: int
    number: int
    folder: Path
    checkpoint: Path
    """Folder where the fit, and then its predictor, waits for a run that was killed before the last one."""


def fit_members(data: TrainingData, jobs: Sequence[FinalJob]) -> list[dict[str, list[float]] | Diverged]:
    """Fit seeds on every training row, or go on where a killed run was; save their predictors.

    Gives each one's curves, none where a killed run had finished it.
    """
    fold = data.fold(None)
    curves: dict[int, dict[str, list[float]] | Diverged] = {}
    waiting = [job for job in jobs if not (job.checkpoint / "predictor").exists()]
    todo = [
        make_fit_job(
            data,
            job.config,
            fold,
            seed=derive_seed(job.config.seed, "final", job.number),
            rounds=job.rounds,
            checkpoint=job.checkpoint / "fit",
        )
        for job in waiting
    ]
    fits = fit_together([job.config.fit for job in waiting], todo, fold.spec) if waiting else []
    for job, fitted in zip(waiting, fits, strict=True):
        if isinstance(fitted, Diverged):
            curves[job.number] = fitted
            continue
        curves[job.number] = fitted.curves
        with whole_folder(job.checkpoint / "predictor") as aside:
            make_predictor(data, job.config, fold, fitted).save(aside)
    for job in jobs:
        if not isinstance(curves.get(job.number), Diverged):
            shutil.copytree(job.checkpoint / "predictor", job.folder)
    return [curves.get(job.number, {}) for job in jobs]


def run(config: Config, name: str) -> None:
    declared = config.model(name)
    competition = config.competition(declared.competition)
    paths = ModelPaths(competition.name, name)
    if (why := left_out(paths.tuned)) is not None:
        with whole_folder(paths.final) as folder:
            write_json(folder / LEFT_OUT, {"why": why})
        return
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
            with progress_callback(members, f"{name}: final") as advance:
                # A lone fit needs no process of its own, and leaves its library loaded for the prediction.
                executor = make_executor(config.execution) if members > 1 else Serial(config.execution.threads)
                for number, curves in enumerate(run_together(data, jobs, executor, fit_members, advance)):
                    if isinstance(curves, Diverged):
                        raise curves
                    with record.child(f"seed {number}") as child:
                        child.curves(curves)
        write_json(folder / "final.json", {"members": members, "rounds": rounds, "mode": tuned.retrain.mode})
        predictions = FinalModel.load(folder).predict(read_test_rows(competition.name))
        predictions.to_parquet(folder / "predictions.parquet", index=False)
        write_own_answer(competition, data.schema, name, predictions, folder)
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
