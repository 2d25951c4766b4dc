"""``cv/`` as trial 0, search spaces -> ``tuned/``: of every model the best trial's settings and predictions."""

from __future__ import annotations

import shutil
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.answering.left_out import LEFT_OUT, left_out
from pipeline.core.config import CompetitionConfig, Config, ModelConfig
from pipeline.core.errors import UserError, counted
from pipeline.core.files import digest, link_or_copy, read_json, write_json
from pipeline.core.memory import no_memory
from pipeline.core.paths import EXPLANATION, LOOK, SHIFT, TRACE, CompetitionPaths, ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.stages.budget import Budget
from pipeline.stages.costs import note_cost
from pipeline.stages.kept import IDENTITY, KeptModels, link_tree
from pipeline.stages.project import rebuild_model
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures, trial_record
from pipeline.stages.searching import Searching, search_code
from pipeline.stages.summaries import scored
from pipeline.stages.view import Line, View
from pipeline.training.data import Rows
from pipeline.training.executors import make_executor
from pipeline.training.folds import keeps_members
from pipeline.training.pool import Pool, Task, Work
from pipeline.training.pseudo_rows import PSEUDO

FILES = ("predictions.parquet", "scores.json", "curves.json", "importance.json", SHIFT, TRACE, EXPLANATION, LOOK)
PASSED_ON = (*FILES, "members", PSEUDO, LEFT_OUT)


def run(config: Config, name: str, *, model: str | None = None, again: bool = False) -> None:
    """Search for every model that declares it, all studies on one pool; the others' folds are passed on.

    model: this one alone. again: whatever is kept (a study still goes on with the trials that it has).
    """
    models = [one for one in config.models_of(name) if model in (None, one.name)]
    stage = _Stage(config, name, again)
    stage.run(models)
    if model is None:
        stage.kept.tidy(one.name for one in config.models_of(name))


class _Stage:
    def __init__(self, config: Config, name: str, again: bool) -> None:
        self.config, self.name = config, name
        self.competition, self.paths = config.competition(name), CompetitionPaths(name)
        self.kept = KeptModels(self.paths.tuned, again=again)
        self.executor = make_executor(config.execution)
        self.budget = Budget(config, name, "tune")
        self.rows = Rows(self.competition, self.paths.cv)

    def run(self, models: list[ModelConfig]) -> None:
        lines: list[Line] = []
        searches: list[_Searching] = []
        for model in models:
            line = Line(model.name, "trials")
            cv = ModelPaths(self.name, model.name).cv
            mine = None if left_out(cv) else self._identity(model, cv)
            if mine is not None and self.kept.has(model.name, mine):
                line.state = "kept"
            elif mine is None or model.tune is None:
                self.pass_on(model, cv, mine)
                line.state = "left out" if mine is None else "done"
            else:
                searches.append(_Searching(self, model, mine, line))
            lines.append(line)
        shown = [line for line in lines if line.state in ("waits", "kept")]
        with View(f"{self.name}: search", shown, self.budget.ends) as view:
            tasks = [Task(search.model.name, search.work(view)) for search in searches]
            for search, task in zip(searches, tasks, strict=True):
                search.task = task
                task.worth = partial(_worth, search, searches)

            def heard() -> None:
                self.budget.clock.note()
                view.refresh()

            Pool(self.executor, self.budget.ends, heard).run(tasks)
        for task in tasks:
            if task.error is not None:  # a full disk, or a fault of the stage's own
                raise task.error
        for search in searches:
            if search.fault:
                told = f"warning: {search.model.name}: its search failed, and it stays as declared: {search.fault}"
                print(told, file=sys.stderr)  # noqa: T201

    def _identity(self, model: ModelConfig, cv: Path) -> str:
        """Of all that a model's search hangs on: its folds as declared, the search, and the code of both."""
        folds = read_json(cv / IDENTITY)["identity"]
        if model.tune is None:
            return digest("tuned", self.name, model.name, folds)
        budget = model.budget.minutes if model.budget else None
        searched = [settings_dict(model.tune), budget, search_code(self.competition, model, model.tune)]
        return digest("tuned", self.name, model.name, folds, searched)

    def pass_on(self, model: ModelConfig, cv: Path, mine: str | None) -> None:
        """What was found as declared is the best."""
        with self.kept.replace(model.name, mine) as folder:
            pass_on(cv, folder)
            write_json(folder / "settings.json", model.raw)


class _Searching(Searching):
    """One model's search in the stage, which ends with the best trial written."""

    fault: str | None = None

    def __init__(self, stage: _Stage, model: ModelConfig, mine: str, line: Line) -> None:
        super().__init__(model, stage.rows, stage.budget, line)
        self.stage, self.mine = stage, mine

    def work(self, view: View) -> Work[None]:
        """The study, then its best trial written: settings, predictions, the table of trials."""
        from pipeline.tuning.space import apply

        self.view, name = view, self.metric.label
        try:
            folds = read_json(self.paths.cv / IDENTITY)["identity"]
            with model_record(self.data, self.model, "tune", folds) as self.record:
                trial_record(self.record, 0, self.start, fmean(self.scores), self.scores, name)
                self.line.state = "runs"
                result = yield from self.searching.work()
                best, settings = result.best.number, apply(self.model.raw, result.best.overrides)
                with self.stage.kept.replace(self.model.name, self.mine) as folder:
                    write_json(folder / "trials.json", result.to_json())
                    write_json(folder / "settings.json", settings)
                    if best == 0:
                        pass_on(self.paths.cv, folder)
                    else:
                        members = folder / "members" if keeps_members(self.model, self.stage.competition.task) else None
                        done = yield from self.searching.conclude(settings, best, members)
                        done.write(folder)
                        if not done.explained:  # folds of a search are not asked
                            (folder / EXPLANATION).unlink()
                            link_or_copy(self.paths.cv / EXPLANATION, folder / EXPLANATION)
                        if self.model.pseudo is not None:
                            link_tree(self.paths.cv / PSEUDO, folder / PSEUDO)
                        for fold in done.folds:
                            fold_record(self.record, fold, self.stage.competition)
                        out_of_fold_figures(self.record, self.data, done, self.model)
                    found = read_json(folder / "scores.json")
                    valid = found["valid"]
                scores = scored(self.stage.competition, found)
                trials = {"trials": len(result.trials), "search_seconds": self.task.seconds}
                self.record.metrics({**scores, **trials, "best_trial": best})
                self.record.summary.metrics({**scores, **trials})
                self.record.summary.tags({f"tuned.{key}": value for key, value in result.best.overrides.items()})
        except OSError:
            raise  # a full disk is nobody's fault among the models
        except Exception as fault:
            why = str(fault) if isinstance(fault, UserError) else no_memory(fault)
            if why is None:
                traceback.print_exc()
            self.fault, self.line.state = why or f"{type(fault).__name__}: {fault}", "left out"
            self.stage.pass_on(self.model, self.paths.cv, None)
            return
        note_cost(self.stage.paths.tuned / self.model.name, {"seconds": self.task.seconds})
        shutil.rmtree(self.trials, ignore_errors=True)
        self.line.state, self.line.score = "done", valid
        which, metric = best or "0, as declared", self.stage.competition.metric.name
        told = f"{counted(len(result.trials), 'trial')}, the best is {which}: {metric} {valid:.5f}"
        view.tell(self.model.name, told)


def _worth(mine: _Searching, all_searches: list[_Searching]) -> float:
    """Which study a free worker goes to.

    Within a budget the one with most to gain for the least time yet: by rank as declared and found so far (the
    second best is worth half of the best, the third a third), twice while its last trials gained something.
    Without one, the study with the longest way to go, so that none is left alone at the end.
    """
    seconds = mine.task.seconds
    if mine.stage.budget.minutes is None:
        trials = max(mine.line.done - 1, 1)
        return (seconds / trials if mine.line.done > 1 else 1.0) * max((mine.tune.trials or 0) - mine.line.done, 0)
    sign = 1 if mine.study.higher_is_better else -1
    rank = 1 + sum(sign * other.best > sign * mine.best for other in all_searches)
    gains = 2.0 if any(mine.gained[-5:]) or len(mine.gained) < 5 else 1.0
    return gains / rank / (1.0 + seconds)


def pass_on(source: Path, folder: Path) -> None:
    """The files of what was found before, linked."""
    for item in PASSED_ON:
        if (source / item).is_dir():
            link_tree(source / item, folder / item)
        elif (source / item).exists():
            link_or_copy(source / item, folder / item)


def tuned_config(competition: CompetitionConfig, declared: ModelConfig) -> ModelConfig:
    """The model as ``tuned/settings.json`` has it, but for how it is retrained; never searched again."""
    settings: Mapping[str, Any] = read_json(ModelPaths(competition.name, declared.name).tuned / "settings.json")
    try:
        built = rebuild_model(competition, declared.name, settings)
    except UserError as error:
        raise UserError(
            f"{declared.name}: its tuned settings do not build any more ({error}); run `dvc repro`"
        ) from None
    return replace(built, tune=None, retrain=declared.retrain, budget=declared.budget)
