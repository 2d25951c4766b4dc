"""A worker: tries trials of a model's study, which the project began elsewhere, in the database that both name."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING

from pipeline.core.config import ModelConfig
from pipeline.core.errors import UserError
from pipeline.core.files import Held, lock, read_json
from pipeline.core.paths import CompetitionPaths, ModelPaths

if TYPE_CHECKING:
    from pipeline.stages.searching import Searching
    from pipeline.training.pool import Work
    from pipeline.tuning.trial import StudyResult


def run(name: str, *, minutes: float | None = None, wait: float = 0.0) -> None:
    """Ask, try and tell until the study's total is reached; nothing is written under ``data/``.

    name: of the model. minutes: leave after so many. wait: seconds, for a study that has not begun.
    Raises UserError where no database is named or reached, or the study is of other code, settings or data.
    """
    from pipeline.core.seeds import fix_threads

    fix_threads(1)  # before numpy loads, as a stage has it
    from pipeline.stages.budget import Budget
    from pipeline.stages.runner import by_hand, warn_of_tracking
    from pipeline.stages.searching import Searching
    from pipeline.stages.snapshot import read, verify_code
    from pipeline.stages.view import Line, View
    from pipeline.training.data import Rows
    from pipeline.training.executors import make_executor
    from pipeline.training.pool import Pool, Task
    from pipeline.tuning.joining import wait_for_study

    competition, _ = by_hand("tune", name)
    config, body = read(competition, "tune")
    budget = Budget(config, competition, "tune")
    model = _searched(config.models_of(competition), name, endless=budget.minutes is not None, minutes=minutes)
    verify_code(config, competition, "tune", body)
    ends = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    with _place(model) as place:
        line = Line(model.name, "trials")
        rows = Rows(config.competition(competition), CompetitionPaths(competition).cv)
        searching = Searching(model, rows, budget, line, ends=ends, worker=place)
        study = searching.study
        wait_for_study(study.path, study.whole_name, study.facts, wait)
        with View(f"{model.name}: worker", [line], ends) as searching.view:
            searching.task = task = Task(model.name, _work(searching))
            Pool(make_executor(config.execution), ends, searching.view.refresh).run([task])
    if isinstance(task.error, ImportError):
        raise UserError(f"worker {name}: {task.error}; install what its model needs, the study goes on without it")
    if task.error is not None:
        raise task.error
    shutil.rmtree(searching.trials, ignore_errors=True)
    if task.result is not None:
        _tell(searching, task.result)
    warn_of_tracking()


def _searched(models: list[ModelConfig], name: str, *, endless: bool, minutes: float | None) -> ModelConfig:
    """The model that is named. Raises UserError where there is nothing that a worker could do for it."""
    from pipeline.tuning.storage import VARIABLE, shared

    searched = {model.name: model for model in models if model.tune is not None}
    if name not in searched:
        raise UserError(f"worker: needs a model that is searched, one of {', '.join(searched) or 'none'}, got {name}")
    if not shared():
        raise UserError(f"{VARIABLE}: a worker needs the database that the project's studies are in, got none")
    if endless and minutes is None:
        raise UserError(f"worker {name}: a budget ends its search, and no total; say with --minutes how long to help")
    return searched[name]


def _work(searching: Searching) -> Work[StudyResult]:
    from pipeline.stages.kept import IDENTITY
    from pipeline.stages.records import model_record

    folds = read_json(searching.paths.cv / IDENTITY)["identity"]
    with model_record(searching.data, searching.model, "worker", folds) as searching.record:
        searching.line.state = "runs"
        result = yield from searching.searching.work()
        searching.record.metrics({"trials": len(searching.gained)})
    searching.line.state = "done"
    return result


def _tell(searching: Searching, result: StudyResult) -> None:
    total = searching.study.trials
    done = f"{len(result.trials)}" if total is None else f"{len(result.trials)} of {total}"
    best = f"{result.best.number} with {searching.metric.name} {result.best.value:.5f}"
    told = f"{len(searching.gained)} trials here, {done} in all; the best is {best}"
    sys.stderr.write(f"{searching.model.name}: {told}\n")


@contextmanager
def _place(model: ModelConfig) -> Iterator[str]:
    """A name for this worker, the first that no living one of this project has. What a dead one that had it left
    running is failed at once, and its folds are gone on with."""
    studies = ModelPaths(model.competition, model.name).study.parent
    for number in count():
        name = f"worker-{number}"
        with ExitStack() as held:
            try:
                held.enter_context(lock(studies / f"{model.name}.{name}.place", wait=0, held=name))
            except Held:
                continue
            yield name
            return
