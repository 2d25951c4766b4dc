"""Learners ``estimator`` and ``boosting``: models that a library fits (``pipeline.models.estimators``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipeline.core.errors import Diverged
from pipeline.core.registry import PartOf, settings
from pipeline.core.types import FitJob, Learner, Loss, Model, Spec, Task
from pipeline.tasks.losses import losses
from pipeline.training import learners
from pipeline.training.several_targets import SeveralFitted, fit_each_target


def _load(folder: Path, learner: Learner, model: Model, task: Task, spec: Spec) -> Any:
    if task.one is not None:
        return SeveralFitted.load(folder, learner, model, task, spec)
    estimator = model.build(spec, task, seed=0)  # the seed matters to fitting alone
    estimator.load(folder)
    return estimator


@learners.register("estimator")
@settings
class SolvedEstimator(Learner):
    """Fits a model whose library solves it outright; everything else there is to set is the model's.

    threads: that it computes with, in place of ``execution.threads``, where the library uses several.
    """

    threads: int | None = Field(default=None, ge=1, le=1024)

    def fit(self, job: FitJob) -> Any:
        if job.task.one is not None:
            return fit_each_target(self, job)
        from pipeline.models.estimators.base import Plan

        estimator = job.model.build(job.spec, job.task, job.seed)
        estimator.fit(job.train, job.valid, Plan(inner_folds=job.inner_folds))
        job.progress(1, 1)
        return estimator

    def load(self, folder: Path, model: Model, task: Task, spec: Spec) -> Any:
        return _load(folder, self, model, task, spec)


def _refuse_divergence(curves: Mapping[str, Sequence[float]], learning_rate: float) -> None:
    """Raises Diverged where a loss is no finite number any more, since each tree added more than it mended."""
    for name, values in curves.items():
        for iteration, value in zip(curves["iteration"], values, strict=True):
            if not math.isfinite(value):
                what, by = name.replace("_", " "), f"by iteration {iteration:g}"
                raise Diverged(f"the {what} became {value} {by}: lower model.learning_rate ({learning_rate:g})")


def _for_boosting(loss: Loss | None) -> Loss | None:
    if loss is not None and loss.label_smoothing:
        raise ValueError("gradient boosting has no label smoothing")
    if loss is not None and loss.class_weights != "none":
        raise ValueError("class_weights of gradient boosting stand under model")
    return loss


@learners.register("boosting")
@settings
class Boosting(Learner):
    """Fits gradient boosted trees.

    iterations: trees (for each class, with more than two) at most.
    early_stopping: iterations without a better validation loss (the library's own: root mean
        squared, absolute or Huber error, log loss) after which to stop; the best iteration's
        model is kept. None trains all iterations, as does fitting without validation rows.
    loss: squared, absolute, or ``{name: huber, delta: 1.0}``; cross_entropy for classes. The
        task's own where it is not given.
    threads: that it computes with, in place of ``execution.threads``.
    """

    iterations: int = Field(default=2000, ge=1)
    early_stopping: int | None = Field(default=100, ge=1)
    loss: Annotated[Any, PartOf(losses), AfterValidator(_for_boosting)] | None = None
    threads: int | None = Field(default=None, ge=1, le=1024)

    def fit(self, job: FitJob) -> Any:
        """Fit the trees. Raises Diverged."""
        if job.task.one is not None:
            return fit_each_target(self, job)
        from pipeline.models.estimators.base import Plan

        model: Any = job.model
        estimator = model.build(job.spec, job.task, job.seed)
        plan = Plan(
            iterations=job.rounds or self.iterations,
            early_stopping=None if job.rounds else self.early_stopping,
            loss=self.loss.name if self.loss else None,
            delta=self.loss.delta if self.loss else 1.0,
            progress=job.progress,
        )
        estimator.fit(job.train, job.valid, plan)
        _refuse_divergence(estimator.curves, model.learning_rate)
        return estimator

    def load(self, folder: Path, model: Model, task: Task, spec: Spec) -> Any:
        return _load(folder, self, model, task, spec)
