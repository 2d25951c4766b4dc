"""Rows and encoders -> ``cv/``: of every model out-of-fold predictions, fold scores, curves."""

from __future__ import annotations

import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from pipeline.answering.gains import told_gain
from pipeline.answering.left_out import LEFT_OUT
from pipeline.answering.out_of_fold import fold_scores
from pipeline.answering.pseudo_labels import write_pseudo_labels
from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import UserError, counted
from pipeline.core.files import read_json, write_json
from pipeline.core.memory import no_memory
from pipeline.core.paths import SHIFT, CompetitionPaths, ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.core.types import FOLD, ROW, WEIGHT
from pipeline.stages.budget import Budget
from pipeline.stages.costs import note_cost
from pipeline.stages.kept import KeptModels, link_tree
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures
from pipeline.stages.summaries import scored
from pipeline.stages.view import Line, View
from pipeline.training import encoded
from pipeline.training.cross_validation import cross_validation, test_file
from pipeline.training.data import Rows, TrainingData
from pipeline.training.executors import make_executor
from pipeline.training.folds import keeps_members
from pipeline.training.identity import fit_identity, identity
from pipeline.training.pool import OutOfTime, Pool, Task, Work
from pipeline.training.pseudo_rows import PSEUDO

FITS = "fits.json"
"""Names what the predictors in a model's folder came of, whatever they answer by."""


def run(config: Config, name: str, *, model: str | None = None, again: bool = False) -> None:
    """Cross-validate every model of the competition that is not kept, all on one pool, in the list's order.

    model: this one alone, after those that it learns from where they are not kept. again: whatever is kept. A model
    that fails, diverges or is not done in time is left out; raises UserError where all of them are.
    """
    stage = _Stage(config, name)
    chosen = [one for one in config.models_of(name) if model in (None, one.name)]
    later = [one for one in chosen if one.pseudo is not None]
    if later == chosen:  # what they say now, not what they said under other settings
        stage.run([config.model(one) for one in teachers(config.models_of(name), later)], again=False)
    else:
        stage.run([one for one in chosen if one.pseudo is None], again)
    stage.label(later)
    stage.run([one for one in later if one.name not in stage.left_out], again)
    stage.tell_left_out()
    stage.tell_gains(chosen)
    if model is None:
        stage.kept.tidy(one.name for one in config.models_of(name))
    encoded.tidy()


class _Stage:
    def __init__(self, config: Config, name: str) -> None:
        self.config, self.name = config, name
        self.competition, self.paths = config.competition(name), CompetitionPaths(name)
        self.kept = KeptModels(self.paths.cv)
        self.executor = make_executor(config.execution)
        self.budget = Budget(config, name, "train")
        self.rows = Rows(self.competition)
        self.teachers = (
            teachers(config.models_of(name), config.models_of(name)) if self.paths.test_rows.exists() else []
        )
        self.left_out: dict[str, str] = {}
        self.late: set[str] = set()
        self.any_done = False

    def label(self, models: list[ModelConfig]) -> None:
        """Pseudo-labels for each of these, of the others' folds."""
        for model in models:
            pseudo = model.pseudo
            if pseudo is None:
                continue
            named = [one.name for one in self.config.models_of(self.name) if one.pseudo is None]
            named = named if pseudo.models == "blend" else [name for name in named if name in pseudo.models]
            folders = {name: ModelPaths(self.name, name).cv for name in named if name not in self.left_out}
            place = ModelPaths(self.name, model.name).checkpoints / PSEUDO
            try:
                if not self.paths.test_rows.exists():
                    raise UserError("fit.pseudo: there is no test file whose rows to learn from")
                lacking = [name for name, cv in folders.items() if not (cv / "scores.json").exists()]
                if lacking or not folders:
                    raise UserError(f"fit.pseudo: there are no folds of {', '.join(lacking or named)} to learn from")
                told = write_pseudo_labels(self.competition, self.rows.schema, pseudo, folders, place)
            except UserError as reason:
                self.left_out[model.name] = str(reason)
                continue
            print(f"{model.name} learns from {told}, by {', '.join(folders)}", file=sys.stderr)  # noqa: T201
            self.rows.pseudo[model.name] = place

    def run(self, models: list[ModelConfig], again: bool) -> None:
        self.kept.again = again
        if not models:
            return
        lines, tasks = [], []
        for model in models:
            data = self.rows.of(model)
            mine = identity(data, model, self.config.execution.threads)
            line = Line(model.name, "folds", len(data.folds))
            lines.append(line)
            if self.kept.has(model.name, mine) and self._answered(model):
                line.state = "kept"
                line.score = read_json(ModelPaths(self.name, model.name).cv / "scores.json")["valid"]
                continue
            tasks.append(Task(model.name, self._work(data, model, mine, line)))
        with View(f"{self.name}: cross-validation", lines, self.budget.ends) as self.view:
            by_name = {task.name: (task, line) for task in tasks for line in lines if line.name == task.name}

            def heard() -> None:
                # Until a model is there the budget stops none: a submission needs one.
                self.any_done |= any(line.state in ("done", "kept") for line in lines)
                self.pool.deadline = self.budget.ends if self.any_done else float("inf")
                self.budget.clock.note()
                for task, line in by_name.values():
                    if not task.over and line.state == "runs":
                        line.done = task.finished + task.part
                self.view.refresh()

            self.pool = Pool(self.executor, heard=heard)
            self.pool.run(tasks)
        for task in tasks:
            if task.error is not None:
                raise task.error

    def _answered(self, model: ModelConfig) -> bool:
        """Whether the test rows are answered too, where another model learns from these answers."""
        return model.name not in self.teachers or test_file(ModelPaths(self.name, model.name).cv, 0).exists()

    def _work(self, data: TrainingData, model: ModelConfig, mine: str, line: Line) -> Work[None]:
        """The model's folds, written and recorded; left out where that cannot be."""
        paths = ModelPaths(self.name, model.name)
        checkpoint = paths.checkpoints / "cv" / mine
        try:
            if (why := self.budget.no_time_for(model)) is not None:
                raise OutOfTime(why)
            line.state = "runs"
            began = time.monotonic()
            if self.kept.again:
                shutil.rmtree(checkpoint, ignore_errors=True)
            with model_record(data, model, "train", mine) as record, self.kept.replace(model.name, mine) as folder:
                members = folder / "members" if keeps_members(model, self.competition.task) else None
                fits = fit_identity(data, model, self.config.execution.threads)
                done = yield from cross_validation(
                    data,
                    model,
                    self.executor.workers,
                    checkpoint=checkpoint,
                    predictors=members,
                    answers_test=model.name in self.teachers,
                    fitted=self._fitted(model.name, fits),
                )
                done.write(folder)
                if members is not None:
                    write_json(folder / FITS, {"identity": fits})
                if data.pseudo is not None:
                    link_tree(data.pseudo.folder, folder / PSEUDO)
                for fold in done.folds:
                    fold_record(record, fold, self.competition)
                scores, cost = scored(self.competition, done.scores()), done.cost()
                record.metrics(scores)
                record.summary.metrics({**scores, "seconds": cost["seconds"], "memory_mb": cost["memory"] / 1e6})
                out_of_fold_figures(record, data, done, model)
        except (OutOfTime, UserError) as reason:
            if isinstance(reason, OutOfTime):
                self.late.add(model.name)
            self._leave_out(model, str(reason), line)
            return
        except OSError:
            raise  # a full disk is nobody's fault among the models
        except Exception as fault:
            why = no_memory(fault)
            if why is None:
                traceback.print_exc()
            self._leave_out(model, why or f"{type(fault).__name__}: {fault}", line)
            return
        cores = self.executor.places(model.fit.threads)
        self.budget.trained(model.name, cores * sum(fold.seconds for fold in done.folds))
        note_cost(paths.cv, done.cost())
        line.state, line.done, line.score = "done", len(done.folds), done.score
        took = time.monotonic() - began
        self.view.tell(
            model.name,
            f"{counted(len(done.folds), 'fold')}, {self.competition.metric.name} {done.score:.5f}, {took:.1f} s",
        )
        # These folds stay: a change of the search alone finds them done.
        for stale in checkpoint.parent.glob("*"):  # which may not be there: short folds are not kept
            if stale != checkpoint:
                shutil.rmtree(stale, ignore_errors=True)

    def _fitted(self, model: str, fits: str) -> Path | None:
        """The predictors of the model's folds, where they are kept and came of these very fits: only their answers
        are asked for in another way."""
        folder = self.paths.cv / model
        if self.kept.again or not (folder / FITS).exists() or not self.kept.is_whole(model):
            return None
        return folder / "members" if read_json(folder / FITS)["identity"] == fits else None

    def _leave_out(self, model: ModelConfig, why: str, line: Line) -> None:
        line.state = "left out"
        self.left_out[model.name] = why

    def tell_left_out(self) -> None:
        """A note in place of the folds of each model that is left out, and a line. Raises UserError, with nothing
        noted, where no model is left."""
        names = [model.name for model in self.config.models_of(self.name)]
        self.left_out = {name: self.left_out[name] for name in names if name in self.left_out}  # not as they ended
        if self.left_out and len(self.left_out) == len(names):
            told = "; ".join(f"{model}: {why}" for model, why in self.left_out.items())
            raise UserError(f"{self.name}: no model is left: {told}")
        for model, why in self.left_out.items():
            with self.kept.replace(model, None) as folder:
                write_json(folder / LEFT_OUT, {"why": why})
            print(f"warning: {model} is left out: {why}", file=sys.stderr)  # noqa: T201
        if any(model in self.late for model in self.left_out):
            then = f"`python -m pipeline train {self.name}`, then `dvc repro report@{self.name}`"
            gone = f"{self.budget.clock.before:.0f} s were gone before {self.name} trained"
            print(f"  {gone}; {then}, goes on with these for as long again", file=sys.stderr)  # noqa: T201

    def tell_gains(self, models: list[ModelConfig]) -> None:
        """Of models with pseudo-labels, and with weights, whether these helped: against the same model without, on the
        same folds, which weights count as they themselves do."""
        for model in models:
            for what, key, score in (("pseudo-labels", "pseudo", "valid"), ("weights", "weights", "weighted")):
                other = _without(key, model, self.config.models_of(self.name))
                if other is None or {model.name, other.name} & set(self.left_out):
                    continue
                mine, theirs = (ModelPaths(self.name, one.name).cv for one in (model, other))
                if not all((cv / "scores.json").exists() for cv in (mine, theirs)):
                    continue  # left out by an earlier run, where this one is of one model alone
                with_them = [fold[score] for fold in read_json(mine / "scores.json")["folds"]]
                if key == "weights":
                    without = self._weighted(theirs, mine / SHIFT)
                else:
                    without = [fold[score] for fold in read_json(theirs / "scores.json")["folds"]]
                told = told_gain(f"{what} of {model.name}", self.competition.metric, with_them, without)
                print(f"  {told}", file=sys.stderr)  # noqa: T201

    def _weighted(self, cv: Path, shift: Path) -> list[float]:
        """A model's scores with the rows of each fold counting as another's weights say."""
        import pandas as pd

        table, weights = pd.read_parquet(cv / "predictions.parquet"), pd.read_parquet(shift)[WEIGHT]
        target = self.rows.schema.target_of(self.rows.table).iloc[table[ROW]]
        predictions = table.drop(columns=[ROW, FOLD])
        score = self.competition.metric.score
        return fold_scores(score, target, predictions, table[FOLD].to_numpy(), weights.to_numpy())


def _without(key: str, model: ModelConfig, models: list[ModelConfig]) -> ModelConfig | None:
    """The model that is the same but for its ``pseudo``, or ``weights``, if there is one."""

    def rest(one: ModelConfig) -> list[Any]:
        parts = [settings_dict(one.model), settings_dict(one.fit), one.features, one.seed]
        return [*parts, *(part for name, part in _beside(one).items() if name != key)]

    if _beside(model)[key] is None:
        return None
    return next((one for one in models if _beside(one)[key] is None and rest(one) == rest(model)), None)


def _beside(model: ModelConfig) -> dict[str, Any]:
    return {"pseudo": model.pseudo, "weights": model.weights}


def teachers(models: list[ModelConfig], of: list[ModelConfig]) -> list[str]:
    """Those whose answers for the test rows some of these learn from, in the list's order."""
    asked = [model.pseudo.models for model in of if model.pseudo is not None]
    firsts = [model.name for model in models if model.pseudo is None]
    return [name for name in firsts if any(some == "blend" or name in some for some in asked)]
