"""K-fold cross-validation of one model: a job a fold, one out-of-fold prediction a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.core.config import ModelConfig
from pipeline.core.errors import Diverged
from pipeline.core.files import write_json
from pipeline.core.paths import EXPLANATION, LOOK, SHIFT, TRACE
from pipeline.core.types import FOLD, ROW, WEIGHT
from pipeline.training.costs import cost_of_folds
from pipeline.training.data import TrainingData
from pipeline.training.explaining import gathered
from pipeline.training.folds import FoldJob, FoldResult, fit_folds
from pipeline.training.jobs import Job
from pipeline.training.pool import Work, gather
from pipeline.training.stacking import split

if TYPE_CHECKING:
    import pandas as pd


J = TypeVar("J", bound="HasConfig")
T = TypeVar("T")


class HasConfig(Protocol):
    """A job of one model. reads, writes: files and folders of its own."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def reads(self) -> tuple[Path, ...]: ...

    @property
    def writes(self) -> tuple[Path, ...]: ...


def cross_validation(
    data: TrainingData,
    config: ModelConfig,
    workers: int,
    *,
    checkpoint: Path | None = None,
    predictors: Path | None = None,
    answers_test: bool = False,
    fitted: Path | None = None,
    explains: bool = True,
) -> Work[CrossValidation]:
    """A work that fits every fold.

    workers: jobs that may run side by side, for whom stacks are cut.
    checkpoint: finished folds are kept there, for a rerun after a kill.
    predictors: folder for the folds' own predictors, ``<predictors>/<fold>``.
    answers_test: whether each fold predicts the test rows too.
    fitted: folder of the folds' predictors from before, which answer anew; nothing is fitted then.
    explains: whether each fold says what its model looks at.
    Raises Diverged.
    """
    places = [predictors / str(k) if predictors else None for k in data.folds]
    jobs = [
        FoldJob(config, k, checkpoint, place, answers_test, explains, None if fitted is None else fitted / str(k))
        for k, place in zip(data.folds, places, strict=True)
    ]
    results = yield from together(data, jobs, workers, fit_folds, config.name)
    for result in results:
        if isinstance(result, Diverged):
            raise result
    finished = [result for result in results if isinstance(result, FoldResult)]
    return CrossValidation(finished, data.told)


def together(
    data: TrainingData, jobs: Sequence[J], workers: int, function: Callable[..., list[T]], name: str
) -> Work[list[T]]:
    """A work that does ``function(data, some jobs)`` for stacks of those that may train together; gives a
    result a job, in the jobs' order.

    jobs: each with a ``config``, all of one stack key. name: told in messages, and what the jobs are seeded by.
    """
    load_libraries(data, jobs[0].config)
    data.load()
    stacks = _stacks(data, jobs, max(workers // (jobs[0].config.fit.threads or 1), 1))
    calls = [job_of(f"{name}: {_named(stack)}", function, data, stack) for stack in stacks]
    results = yield from gather(calls)
    return [result for part in results for result in part]


def job_of(name: str, function: Callable[..., list[T]], data: TrainingData, stack: Sequence[HasConfig]) -> Job:
    """What does ``function(data, stack)``."""
    reads = (*data.files, *(place for job in stack for place in job.reads))
    writes = tuple(place for job in stack for place in job.writes)
    return Job(name, function, (data, stack), len(stack), stack[0].config.fit.threads, reads, writes)


def _named(stack: Sequence[Any]) -> str:
    """Which jobs: ``fold 0``, ``seeds 1-3``; what they have a number of."""
    key = next((key for key in ("fold", "number") if hasattr(stack[0], key)), None)
    if key is None:
        return f"{len(stack)} jobs"
    numbers = sorted({getattr(job, key) for job in stack})
    return f"{key} {numbers[0]}" if len(numbers) == 1 else f"{key}s {', '.join(map(str, numbers))}"


def _stacks(data: TrainingData, jobs: Sequence[J], workers: int) -> list[list[J]]:
    config, task = jobs[0].config, data.competition.task
    if config.fit.stack_key(config.model, task) is None:
        return [[job] for job in jobs]
    return split(jobs, config.fit.stack_size(config.model, data.widest, task), workers)


def load_libraries(data: TrainingData, config: ModelConfig) -> None:
    """Build the model once before jobs are forked, so that each does not import its library anew."""
    config.model.build(data.spec, data.competition.task, seed=0)


@dataclass(frozen=True)
class CrossValidation:
    """All folds of one model, put together. shift: what is told of how its rows count (``fit.weights``)."""

    folds: list[FoldResult]
    shift: Mapping[str, Any] | None = None

    @property
    def score(self) -> float:
        """Mean validation score of the folds."""
        return fmean(fold.valid for fold in self.folds)

    def out_of_fold(self) -> pd.DataFrame:
        """One prediction a validated row: ``ROW`` (position), ``FOLD``, then the predictions."""
        import pandas as pd

        frames = [fold.predictions.assign(**{ROW: fold.index}).assign(**{FOLD: fold.fold}) for fold in self.folds]
        table = pd.concat(frames).sort_values(ROW, kind="stable", ignore_index=True)
        return table[[ROW, FOLD, *[name for name in table if name not in (ROW, FOLD)]]]

    def scores(self) -> dict[str, Any]:
        """Those with the rows counting as the test rows ask are ``weighted``, where they do."""
        folds = [{"fold": f.fold, "train": f.train, "valid": f.valid, "rounds": f.rounds} for f in self.folds]
        weighted = [fold.weighted for fold in self.folds if fold.weighted is not None]
        for fold, score in zip(folds, weighted):
            fold["weighted"] = score
        more = {"weighted": fmean(weighted), "shift": self.shift} if weighted else {}
        return {
            "folds": folds,
            "train": fmean(fold.train for fold in self.folds),
            "valid": self.score,
            "spread": pstdev(fold.valid for fold in self.folds),
            "rounds": round(fmean(fold.rounds for fold in self.folds)),
            **more,
        }

    def weights(self) -> pd.DataFrame | None:
        """``ROW`` and ``WEIGHT``: how much each validated row counts among test rows; None where all count alike."""
        import pandas as pd

        known = [{ROW: fold.index, WEIGHT: fold.weights} for fold in self.folds if fold.weights is not None]
        if not known:
            return None
        return pd.concat(map(pd.DataFrame, known)).sort_values(ROW, kind="stable", ignore_index=True)

    def importance(self) -> dict[str, float] | None:
        """Mean importance over the folds, largest first."""
        known = [fold.importance for fold in self.folds if fold.importance]
        if not known:
            return None
        names = sorted({name for part in known for name in part})
        means = {name: fmean(part.get(name, 0.0) for part in known) for name in names}
        return dict(sorted(means.items(), key=lambda item: -abs(item[1])))

    def explanation(self) -> dict[str, Any]:
        """What the folds' models look at, see ``explaining``; empty where nothing was asked."""
        known = [(fold.explanation, fold.index.tolist()) for fold in self.folds if fold.explanation is not None]
        if failed := next((one["failed"] for one, _ in known if "failed" in one), None):
            return {"failed": failed}
        return gathered(known)

    @property
    def explained(self) -> bool:
        return any(fold.explanation is not None for fold in self.folds)

    def cost(self) -> dict[str, float]:
        """See ``costs``."""
        return cost_of_folds([fold.cost for fold in self.folds])

    def look(self) -> Sequence[Any] | None:
        """Of the first fold that has one."""
        return next((fold.look for fold in self.folds if fold.look), None)

    def write(self, folder: Path) -> None:
        """Write ``predictions.parquet``, ``scores.json``, ``curves.json``, ``importance.json``, ``explanation.json``,
        ``trace.json``, ``look.json`` and ``shift.parquet`` where there is one, and the folds' predictions of the test
        rows where there are any."""
        self.out_of_fold().to_parquet(folder / "predictions.parquet", index=False)
        write_json(folder / "scores.json", self.scores())
        write_json(folder / "curves.json", [fold.curves for fold in self.folds])
        write_json(folder / "importance.json", self.importance())
        if (weights := self.weights()) is not None:
            weights.to_parquet(folder / SHIFT, index=False)
        if any(fold.trace for fold in self.folds):
            write_json(folder / TRACE, [fold.trace for fold in self.folds])
        write_json(folder / EXPLANATION, self.explanation())
        if (look := self.look()) is not None:
            write_json(folder / LOOK, look)
        for fold in self.folds:
            if fold.test is not None:
                test_file(folder, fold.fold).parent.mkdir(exist_ok=True)
                fold.test.to_parquet(test_file(folder, fold.fold), index=False)


def test_file(folder: Path, fold: int) -> Path:
    """Where a cross-validation keeps what a fold's model says of the test rows."""
    return folder / "test" / f"fold-{fold}.parquet"
