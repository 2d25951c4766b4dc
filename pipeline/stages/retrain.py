"""``blend.json``, tuned settings, all training rows -> ``final/``: predictors, test predictions, own submissions.

Models without weight in the blend are not fitted, but where ``retrain.always`` asks for it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.answering.continuations import Continuing
from pipeline.answering.final_models import FinalModel
from pipeline.answering.left_out import kept_models
from pipeline.answering.submitting import write_own_answer
from pipeline.core.code import code_digest
from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import Diverged, UserError, counted
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.core.seeds import derive_seed
from pipeline.images.rows import read_rows
from pipeline.sources.tables import find_table
from pipeline.stages.budget import Budget
from pipeline.stages.costs import note_cost
from pipeline.stages.kept import IDENTITY, KeptModels, link_tree
from pipeline.stages.records import final_figures, model_record
from pipeline.stages.serving import served
from pipeline.stages.snapshot import stage_files
from pipeline.stages.tune import tuned_config
from pipeline.stages.view import Line, View
from pipeline.training.cross_validation import together
from pipeline.training.data import Rows, TrainingData
from pipeline.training.executors import make_executor
from pipeline.training.folds import make_fit_job, make_predictor
from pipeline.training.identity import fit_identity
from pipeline.training.jobs import Job
from pipeline.training.pool import Pool, Task, Work, gather
from pipeline.training.predictor import answer_by
from pipeline.training.pseudo_rows import PSEUDO
from pipeline.training.stacking import fit_together

MOST_SEEDS = 16
"""Fits of one model that a budget with time left over may add up to, where it declares several."""


@dataclass(frozen=True)
class FinalJob:
    config: ModelConfig
    rounds: int
    number: int
    checkpoint: Path
    """Folder where the fit, and then its predictor, waits for a run that was killed before the last one."""

    @property
    def reads(self) -> tuple[Path, ...]:
        return ()

    @property
    def writes(self) -> tuple[Path, ...]:
        return (self.checkpoint,)


def fit_members(data: TrainingData, jobs: Sequence[FinalJob]) -> list[dict[str, list[float]] | Diverged]:
    """Fit seeds on every training row, or go on where a killed run was; their predictors lie in
    ``<checkpoint>/predictor``.

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
    return [curves.get(job.number, {}) for job in jobs]


def answer_test_rows(data: TrainingData, model: str, folder: Path, decision: Any) -> None:
    """The final model's predictions of the test rows, and its own submission, into its folder."""
    predictions = None
    if data.paths.test_rows.exists():
        final, rows = FinalModel.load(folder), read_rows(data.paths.test_rows, data.schema)
        predictions = final.predict(rows)
        predictions.to_parquet(folder / "predictions.parquet", index=False)
        if (continuing := Continuing.of(data.competition.submission)) is not None:
            # Which tokens are unknown ``submit`` tells once.
            predictions = continuing.added(predictions, rows, {model: final}, {model: 1.0}, lambda told: None)
    write_own_answer(data.competition, data.schema, model, predictions, decision, folder)


def run(config: Config, name: str, *, model: str | None = None, again: bool = False) -> None:
    """Fit every model that the blend gives weight, all on one pool.

    model: this one alone, with weight or without. again: whatever is kept. Raises UserError where a fit diverged.
    """
    stage = _Stage(config, name, again)
    kept = kept_models(config, name)
    wanted = [one for one in kept if stage.blend["weights"].get(one.name) or one.retrain.always]
    stage.run([one for one in kept if one.name == model] if model is not None else wanted)
    if model is None:
        stage.kept.tidy(one.name for one in wanted)


class _Stage:
    def __init__(self, config: Config, name: str, again: bool) -> None:
        self.config, self.name = config, name
        self.competition, self.paths = config.competition(name), CompetitionPaths(name)
        self.blend = read_json(self.paths.blend)
        self.kept = KeptModels(self.paths.final, again=again)
        self.executor = make_executor(config.execution)
        self.budget = Budget(config, name, "retrain")
        self.rows = Rows(self.competition, self.paths.tuned)

    def run(self, models: list[ModelConfig]) -> None:
        lines, tasks, tuned = [], [], {}
        for declared in models:
            tuned[declared.name] = tuned_config(self.competition, declared)
            line = Line(declared.name, "fits", declared.retrain.seeds if declared.retrain.mode == "all_rows" else None)
            lines.append(line)
            mine = self._identity(tuned[declared.name])
            if self.kept.has(declared.name, mine):
                line.state = "kept"
                continue
            tasks.append(Task(declared.name, self._work(tuned[declared.name], mine, line)))
        with View(f"{self.name}: fits on all rows", lines, self.budget.ends) as self.view:
            by_name = {line.name: line for line in lines}

            def heard() -> None:
                for task in tasks:
                    by_name[task.name].done = task.finished + task.part
                self.budget.clock.note()
                self.view.refresh()

            Pool(self.executor, heard=heard).run(tasks)
        for task in tasks:
            if task.error is None:
                note_cost(self.paths.final / task.name, {"seconds": task.seconds})
            if isinstance(task.error, Diverged):
                raise UserError(
                    f"{task.name}: its fit on all rows: {task.error}; mend it, take the model out, or set its "
                    "retrain.mode to folds, whose fits went well"
                )
            if task.error is not None:
                raise task.error

    def _fit_identity(self, tuned: ModelConfig) -> str:
        """Of all that its fits on all rows hang on: the settings and rounds that were found best, how it is fitted
        again, and what the folds hand on."""
        folder, data = ModelPaths(self.name, tuned.name).tuned, self.rows.of(tuned)
        handed = ("settings.json", PSEUDO, *(["members"] if tuned.retrain.mode == "folds" else []))
        files = read_json(folder / IDENTITY)["files"]
        found = {name: one for name, one in files.items() if name.split("/")[0] in handed}
        rounds = read_json(folder / "scores.json")["rounds"]
        mine = fit_identity(data, tuned, self.config.execution.threads)
        return digest("fits", found, rounds, mine, tuned.retrain.mode, tuned.retrain.seeds)

    def _identity(self, tuned: ModelConfig) -> str:
        """Of all that the final model hangs on: its fits, what its own submission looks like, and the code that
        answers."""
        data, raw = self.rows.of(tuned), self.competition.raw
        decision = self.blend["models"][tuned.name]["decision"]
        named = [self.name, tuned.name]  # the answer holds them
        code = code_digest(stage_files("retrain", self.config, self.name))
        fits, answers = self._fit_identity(tuned), settings_dict(self.competition.task)
        return digest("final", named, fits, answers, decision, raw["submission"], data.facts["digest"], code)

    def _work(self, tuned: ModelConfig, mine: str, line: Line) -> Work[None]:
        paths = ModelPaths(self.name, tuned.name)
        data, rounds = self.rows.of(tuned), read_json(paths.tuned / "scores.json")["rounds"]
        fits = self._fit_identity(tuned)
        checkpoints = paths.checkpoints / "final" / fits
        line.state = "runs"
        if self.kept.again:
            shutil.rmtree(checkpoints, ignore_errors=True)
        declared = read_json(paths.cv / IDENTITY)["identity"]
        with model_record(data, tuned, "retrain", declared) as record, self.kept.replace(tuned.name, mine) as folder:
            if (before := self._fitted(tuned.name, fits)) is not None:  # only what answers is another
                link_tree(before / "members", folder / "members")
                members = int(read_json(before / "final.json")["members"])
                for number in range(members):
                    answer_by(folder / "members" / str(number), self.competition.task)
            elif tuned.retrain.mode == "folds":
                link_tree(paths.tuned / "members", folder / "members")
                members = len(data.folds)
            else:
                members = yield from self._fit(data, tuned, rounds, checkpoints, folder, record)
            facts = {"members": members, "rounds": rounds, "mode": tuned.retrain.mode, "fits": fits}
            write_json(folder / "final.json", facts)
            # In a job of its own: to compute with several threads would spoil this process for forks.
            answers = (data, tuned.name, folder, self.blend["models"][tuned.name]["decision"])
            sample = find_table(self.paths.raw, "sample_submission")
            reads = (*data.files, *([] if sample is None else [sample]), folder / "final.json", folder / "members")
            writes = tuple(folder / name for name in ("predictions.parquet", "submission.csv", "answer.json"))
            name, threads = f"{tuned.name}: test rows", tuned.fit.threads
            yield from gather([Job(name, answer_test_rows, answers, 0, threads, reads, writes)])
            record.metrics({"rounds": rounds, "members": members})
            final_figures(record, data, tuned, folder)
            files = sorted(file for file in (folder / "members").rglob("*") if file.is_file())
            size = sum(file.stat().st_size for file in files) / 1e6
            record.summary.metrics({"rounds": rounds, "members": members, "size_mb": size})
            told = served(self.competition, data.schema, tuned.name, read_json(paths.tuned / "scores.json"))
            record.model(folder, name=tuned.name, register=self.name, alias=None, served=told)
        shutil.rmtree(checkpoints.parent, ignore_errors=True)
        line.state, line.done, line.total = "done", members, members
        on = "of the folds" if tuned.retrain.mode == "folds" else "on all rows"
        self.view.tell(tuned.name, f"{counted(members, 'fit')} {on}")

    def _fitted(self, model: str, fits: str) -> Path | None:
        """The model's folder, where it holds these very fits."""
        folder = self.paths.final / model
        if self.kept.again or not self.kept.is_whole(model):
            return None
        return folder if read_json(folder / "final.json").get("fits") == fits else None

    def _fit(
        self, data: TrainingData, tuned: ModelConfig, rounds: int, checkpoints: Path, folder: Path, record: Any
    ) -> Work[int]:
        """The declared seeds, and within a budget as many of them, or more, as there is time for; gives how many
        there are. One always is: without it there is no submission."""

        def jobs(numbers: range) -> list[FinalJob]:
            return [FinalJob(tuned, rounds, number, checkpoints / str(number)) for number in numbers]

        workers, declared = self.executor.workers, tuned.retrain.seeds
        side_by_side = max(workers // (tuned.fit.threads or 1), 1)
        endless = self.budget.minutes is None
        most = max(MOST_SEEDS, declared) if declared > 1 and not endless else declared
        members, step = 0, declared if endless else 1
        while members < most:
            began = time.monotonic()
            some = range(members, min(members + step, most))
            fits = yield from together(data, jobs(some), workers, fit_members, tuned.name)
            for number, curves in zip(some, fits, strict=True):
                if isinstance(curves, Diverged):
                    raise curves
                with record.child(f"seed {number}") as child:
                    child.curves(curves)
            members, took = some.stop, time.monotonic() - began
            step = side_by_side  # more at once take no longer
            if not endless and time.monotonic() + took > self.budget.ends:
                break
        for number in range(members):
            source = checkpoints / str(number) / "predictor"
            link_tree(source, folder / "members" / str(number))
        return members
