"""Folds of one model: what is fitted, scored and kept of each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.columns import take
from pipeline.core.config import ModelConfig
from pipeline.core.errors import Diverged
from pipeline.core.files import read_json, whole_folder, write_json
from pipeline.core.seeds import derive_seed
from pipeline.core.types import ROW, WEIGHT, Encoded, FitJob, Fitted, Task
from pipeline.core.weighting.importance import weighted_score
from pipeline.images.rows import read_rows
from pipeline.training.costs import cost_of
from pipeline.training.data import FoldData, TrainingData
from pipeline.training.explaining import Asked, explain
from pipeline.training.jobs import tell
from pipeline.training.predictor import WEIGHTS, Predictor
from pipeline.training.samples import Samples, Watch, unwatched
from pipeline.training.stacking import fit_together

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


TEST = "test.parquet"
MOST_SCORED = 20_000
"""Training rows that are answered for the training score: it is compared with that of new rows, and more tell no more.
The 40,000 images of a fold of MNIST, five views each, took as long as four epochs."""
MOST_SEARCHED = 500
"""The same, where each answer is searched for."""
KEEP_SECONDS = 1.0
"""A fold fitted sooner is not kept for a rerun after a kill: fitting it again costs no more."""


@dataclass(frozen=True)
class FoldJob:
    """A fold to fit: its settings, and where to keep it (None: nowhere)."""

    config: ModelConfig
    fold: int
    checkpoint: Path | None = None
    """Folder where a finished fold waits for a run that was killed before the last one."""
    predictor: Path | None = None
    """Folder for the fold's own predictor, where that is kept, see ``keeps_members``."""
    answers_test: bool = False
    """Whether the test rows are predicted too, for models that learn from such answers."""
    explains: bool = False
    """Whether it is asked what its model looks at."""
    fitted: Path | None = None
    """Folder of the fold's predictor from before, which is to answer anew without being fitted again."""

    @property
    def reads(self) -> tuple[Path, ...]:
        return () if self.fitted is None else (self.fitted,)

    @property
    def writes(self) -> tuple[Path, ...]:
        kept = None if self.checkpoint is None else self.checkpoint / f"fold-{self.fold}"
        return tuple(place for place in (kept, self.predictor) if place is not None)


@dataclass
class FoldResult:
    """What one fold gave. Scores are the competition's metric, in the target's own units."""

    fold: int
    train: float
    valid: float
    rounds: int
    seconds: float
    curves: dict[str, list[float]]
    importance: dict[str, float] | None
    index: np.ndarray
    """Positions [validation rows] in the training table."""
    predictions: pd.DataFrame
    look: Sequence[Any] | None = None
    """Name and data of a figure of one row, see ``Task.look``."""
    test: pd.DataFrame | None = None
    """Predictions of the test rows, where they are asked for."""
    trace: dict[str, Any] = field(default_factory=dict)
    """What was watched of its training, see ``watching.py``."""
    samples: str = ""
    """What a language model wrote while it learned."""
    explanation: dict[str, Any] | None = None
    """What its model looks at, see ``explaining``; None where nobody asked."""
    cost: dict[str, float] | None = None
    """What fitting it took, see ``costs``: measured, and so no part of any output."""
    weighted: float | None = None
    """The validation score with the rows counting as the test rows ask (``fit.weights``); None where all count alike.
    By it training stops and searches choose."""
    weights: np.ndarray | None = None
    """How much they count, [validation rows]."""

    @property
    def chosen_by(self) -> float:
        """The score that settings are chosen by."""
        return self.valid if self.weighted is None else self.weighted


def fit_folds(data: TrainingData, jobs: Sequence[FoldJob]) -> list[FoldResult | Diverged]:
    """Fit folds that train together, or read back what an earlier, killed run has finished.

    A fit without finite numbers gives its Diverged, which the others do not notice.
    """
    results: dict[int, FoldResult | Diverged] = {i: kept for i, job in enumerate(jobs) if (kept := _kept(job))}
    waiting = [i for i in range(len(jobs)) if i not in results]
    if waiting:
        began = time.perf_counter()
        folds = {k: data.fold(k) for k in sorted({jobs[i].fold for i in waiting})}
        config, task = jobs[0].config, data.competition.task
        samples = [Samples(task, folds[jobs[i].fold].encoder, jobs[i].config.fit.joined) for i in waiting]
        todo = [fold_fit_job(data, jobs[i], folds[jobs[i].fold], one.take) for i, one in zip(waiting, samples)]
        stacked = config.fit.stack_key(config.model, task) is not None
        widest = data.widest if stacked else todo[0].spec  # which only a stack looks at
        if jobs[0].fitted is not None:
            fits: list[Fitted | Diverged] = [_fitted(data, jobs[i], folds[jobs[i].fold]) for i in waiting]
        else:
            fits = fit_together([jobs[i].config.fit for i in waiting], todo, widest)
        share = (time.perf_counter() - began) / len(waiting)
        for i, fitted, one in zip(waiting, fits, samples, strict=True):
            if isinstance(fitted, Diverged):
                results[i] = fitted
            else:
                results[i] = _conclude(data, jobs[i], folds[jobs[i].fold], fitted, share, one.text)
    return [results[i] for i in range(len(jobs))]


def keeps_members(config: ModelConfig, task: Task) -> bool:
    """Whether the folds' own predictors are kept: where retraining averages them, and where answers are searched for,
    so that another search answers without another fit."""
    return config.retrain.mode == "folds" or task.search is not None


def _fitted(data: TrainingData, job: FoldJob, fold: FoldData) -> Fitted:
    if job.fitted is None:
        raise ValueError("there is no predictor to answer anew")
    return job.config.fit.load(job.fitted / WEIGHTS, job.config.model, data.competition.task, fold.spec)


def _kept(job: FoldJob) -> FoldResult | None:
    place = job.checkpoint / f"fold-{job.fold}" / "result" if job.checkpoint else None
    if place is None or not place.exists() or (job.answers_test and not (place / TEST).exists()):
        return None
    if job.predictor is not None:
        shutil.copytree(place / "predictor", job.predictor, dirs_exist_ok=True)
    return _read_result(place)


def fold_fit_job(data: TrainingData, job: FoldJob, fold: FoldData, watch: Watch = unwatched) -> FitJob:
    """What a learner is given for one fold."""
    task, valid_target = data.competition.task, fold.valid_target
    if fold.valid is None or valid_target is None:
        raise ValueError("cross-validation needs validation rows")

    def score(raw: np.ndarray) -> float:
        plain, weighted = _scores(data, fold, fold.predictions(task, raw))
        return plain if weighted is None else weighted

    return make_fit_job(
        data,
        job.config,
        fold,
        seed=derive_seed(job.config.seed, "fold", job.fold),
        score=score,
        checkpoint=job.checkpoint / f"fold-{job.fold}" / "fit" if job.checkpoint is not None else None,
        watch=watch,
    )


def _scores(data: TrainingData, fold: FoldData, predictions: pd.DataFrame) -> tuple[float, float | None]:
    """Of the validation rows: the metric with all counting alike, and as they count, where they do not."""
    score = data.competition.metric.score
    if fold.weights is None:
        return score(fold.valid_target, predictions), None
    weighted = weighted_score(score, fold.valid_target, predictions, fold.weights)
    return score(fold.valid_target, predictions), weighted


def _conclude(
    data: TrainingData, job: FoldJob, fold: FoldData, fitted: Fitted, fitting: float, samples: str
) -> FoldResult:
    """Score a fitted fold, and keep it where it was worth the time. fitting: seconds."""
    if fold.valid is None or fold.valid_index is None or fold.valid_target is None:
        raise ValueError("cross-validation needs validation rows")
    began = time.perf_counter()
    task, metric = data.competition.task, data.competition.metric
    raw = fitted.raw(fold.valid)
    answering = time.perf_counter() - began
    predictions = _predicted(task, fold, fitted, fold.valid, raw)
    valid, weighted = _scores(data, fold, predictions)
    train, train_target = _scored_training(task, fold)
    on_train = _predicted(task, fold, fitted, train, fitted.raw(train))
    result = FoldResult(
        fold=job.fold,
        train=metric.score(train_target, on_train),
        valid=valid,
        weighted=weighted,
        weights=fold.weights,
        rounds=fitted.rounds,
        seconds=fitting + time.perf_counter() - began,
        curves=fitted.curves,
        trace=fitted.trace,
        importance=fitted.importance(),
        index=fold.valid_index,
        predictions=predictions,
        samples=samples,
        look=task.look(fitted, fold.valid, raw, fold.spec),
    )
    passes = len(fitted.curves.get("train_loss", [0])) if job.config.model.learner == "neural" else 1
    result.cost = cost_of(fold.train, fold.valid, result.seconds, answering, passes)
    predictor = make_predictor(data, job.config, fold, fitted)
    if job.explains and (job.fold == 0 or not task.of_tokens):  # one sample of a language model will do
        result.explanation = _explained(data, job, fold.valid_index, fold.valid_target, predictor, predictions)
    if job.answers_test:
        result.test = predictor.predict(read_rows(data.paths.test_rows, data.schema))
    if job.predictor is not None:
        shutil.rmtree(job.predictor, ignore_errors=True)  # what a process that died in the middle of it left
        predictor.save(job.predictor)
    place = job.checkpoint / f"fold-{job.fold}" if job.checkpoint else None
    if place is not None and (result.seconds >= KEEP_SECONDS or (place / "fit").exists()):
        with whole_folder(place / "result") as aside:
            _write_result(aside, result)
            if keeps_members(job.config, task):
                predictor.save(aside / "predictor")
        shutil.rmtree(place / "fit", ignore_errors=True)
    return result


def _predicted(task: Task, fold: FoldData, fitted: Fitted, inputs: Encoded, raw: Any) -> pd.DataFrame:
    """Of encoded rows with their target."""
    return fold.predictions(task, raw).assign(**task.target_logs(fitted, inputs))


def _explained(
    data: TrainingData, job: FoldJob, index: np.ndarray, target: Any, predictor: Predictor, predictions: pd.DataFrame
) -> dict[str, Any]:
    """What the fold's model looks at. index, target: of its validation rows."""
    rows = data.rows.iloc[index].reset_index(drop=True)
    seed = derive_seed(job.config.seed, "explained", job.fold)
    asked = Asked(predictor, rows, target, predictions, data.rows, data.competition.metric, seed)
    try:
        return explain(asked)
    except Exception as fault:  # a model that nobody can explain is worth more than none
        return {"failed": f"{type(fault).__name__}: {fault}"}


def _scored_training(task: Task, fold: FoldData) -> tuple[Encoded, pd.Series]:
    """The training rows that are scored, and their targets: all, or, of many, evenly chosen ones."""
    rows, most = len(fold.train_target), MOST_SCORED if task.search is None else MOST_SEARCHED
    if rows <= most:
        return fold.train, fold.train_target
    import numpy as np

    some = np.arange(most) * rows // most
    return {name: take(column, some) for name, column in fold.train.items()}, fold.train_target.iloc[some].reset_index(
        drop=True
    )


def make_fit_job(
    data: TrainingData,
    config: ModelConfig,
    fold: FoldData,
    *,
    seed: int,
    rounds: int | None = None,
    score: Callable[[np.ndarray], float] | None = None,
    checkpoint: Path | None = None,
    watch: Watch = unwatched,
) -> FitJob:
    return FitJob(
        model=config.model,
        task=data.competition.task,
        spec=fold.spec,
        train=fold.train,
        valid=fold.valid,
        seed=seed,
        rounds=rounds,
        score=score,
        higher_is_better=data.competition.metric.higher_is_better,
        checkpoint=checkpoint,
        progress=tell,
        inner_folds=fold.inner_folds,
        watch=watch,
    )


def make_predictor(data: TrainingData, config: ModelConfig, fold: FoldData, fitted: Fitted) -> Predictor:
    """Put together what answers raw rows."""
    return Predictor(
        schema=data.schema,
        features=data.competition.features[config.features],
        encoder=fold.encoder,
        task=data.competition.task,
        target=fold.target,
        model=config.model,
        learner=config.fit,
        spec=fold.spec,
        fitted=fitted,
        ratios=None if fold.ratios is None else tuple(fold.ratios.tolist()),
    )


def _write_result(place: Path, result: FoldResult) -> None:
    beside = {ROW: result.index, **({} if result.weights is None else {WEIGHT: result.weights})}
    result.predictions.assign(**beside).to_parquet(place / "predictions.parquet", index=False)
    measured = ("fold", "train", "valid", "weighted", "rounds", "seconds", "cost", "curves", "trace")
    told = ("importance", "look", "samples", "explanation")
    facts = {name: getattr(result, name) for name in (*measured, *told)}
    if result.test is not None:
        result.test.to_parquet(place / TEST, index=False)
    write_json(place / "done.json", facts)


def _read_result(place: Path) -> FoldResult:
    import pandas as pd

    predictions = pd.read_parquet(place / "predictions.parquet")
    index = predictions.pop(ROW).to_numpy()
    weights = predictions.pop(WEIGHT).to_numpy() if WEIGHT in predictions else None
    test = pd.read_parquet(place / TEST) if (place / TEST).exists() else None
    done = read_json(place / "done.json")
    return FoldResult(**done, index=index, predictions=predictions, test=test, weights=weights)
