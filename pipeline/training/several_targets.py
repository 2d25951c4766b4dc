"""Several targets for learners of one: a fit for each target, behind the name of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from pipeline.core.columns import take
from pipeline.core.files import read_json, write_json
from pipeline.core.seeds import derive_seed
from pipeline.core.types import Encoded, FitJob, Fitted, Learner, Model, Spec, Task
from pipeline.training.curves import mean_curves

RATE = "rate.json"
"""What stands in place of a fit where the training rows have one class of a target alone."""


@dataclass
class Rate:
    """A target that all training rows agree on: the same log-probabilities [classes] for every row."""

    logs: Sequence[float]

    @property
    def curves(self) -> dict[str, list[float]]:
        return {}

    @property
    def trace(self) -> dict[str, Any]:
        return {}

    def raw(self, inputs: Encoded) -> np.ndarray:
        return np.tile(np.array(self.logs), (len(next(iter(inputs.values()))), 1))  # [rows, classes]

    def importance(self) -> dict[str, float] | None:
        return None

    def contributions(self, inputs: Encoded) -> None:
        return None

    def saliency(self, inputs: Encoded) -> None:
        return None

    def feature_maps(self, inputs: Encoded) -> None:
        return None

    def save(self, folder: Path) -> None:
        write_json(folder / RATE, {"logs": list(self.logs)})


@dataclass
class SeveralFitted:
    """A fitted model a target."""

    parts: Sequence[Any]
    task: Task

    @property
    def rounds(self) -> int:
        """The targets' mean; a rate is fitted in none, and says nothing of how many the others need."""
        fitted = [part.rounds for part in self.parts if not isinstance(part, Rate)]
        return round(fmean(fitted)) if fitted else 1

    @property
    def curves(self) -> dict[str, list[float]]:
        """The targets' mean, as far as all go."""
        return mean_curves([part.curves for part in self.parts])

    @property
    def trace(self) -> dict[str, Any]:
        return {}

    def raw(self, inputs: Encoded) -> np.ndarray:
        """[rows, outputs] of the task with several targets."""
        return self.task.joined([part.raw(inputs) for part in self.parts])

    def steps(self) -> Any:
        raise NotImplementedError

    def importance(self) -> dict[str, float] | None:
        known = [found for part in self.parts if (found := part.importance())]
        names = sorted({name for one in known for name in one})
        return {name: fmean(one.get(name, 0.0) for one in known) for name in names} if known else None

    def contributions(self, inputs: Encoded) -> None:
        return None

    def saliency(self, inputs: Encoded) -> None:
        return None

    def feature_maps(self, inputs: Encoded) -> None:
        return None

    def save(self, folder: Path) -> None:
        for number, part in enumerate(self.parts):
            (folder / str(number)).mkdir()
            part.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, learner: Learner, model: Model, task: Task, spec: Spec) -> SeveralFitted:
        parts: list[Any] = []
        for number, (one, changes) in enumerate(task.singles(spec)):
            place = folder / str(number)
            if (place / RATE).exists():
                parts.append(Rate(**read_json(place / RATE)))
            else:
                parts.append(learner.load(place, model, one, replace(spec, **changes)))
        return cls(parts, task)


def fit_each_target(learner: Learner, job: FitJob) -> SeveralFitted:
    """Fit the job's model on each target alone, on the rows that have it."""
    singles = job.task.singles(job.spec)
    parts: list[Fitted | Rate] = []
    for number, (one, changes) in enumerate(singles):
        train, spec = _of(job.train, number, one), replace(job.spec, **changes)
        if one.target_kind == "class" and len(np.unique(train["target"])) < 2:
            parts.append(_rate(train["target"], spec.outputs))
            continue
        valid = None if job.valid is None else _of(job.valid, number, one)

        def progress(done: int, total: int, before: int = number) -> None:
            job.progress(before * total + done, len(singles) * total)

        parts.append(
            learner.fit(
                replace(
                    job,
                    task=one,
                    spec=spec,
                    train=train,
                    valid=valid if valid is not None and len(valid["target"]) else None,
                    seed=derive_seed(job.seed, "target", number),
                    score=None,
                    progress=progress,
                    inner_folds=None,
                )
            )
        )
    return SeveralFitted(parts, job.task)


def _of(encoded: Encoded, number: int, task: Task) -> Encoded:
    """The rows that have this target, with it alone."""
    target = encoded["target"][:, number]  # [rows, targets] -> [rows]
    known = np.isfinite(target)
    columns = {name: column for name, column in encoded.items() if name != "target"}
    rows = columns if known.all() else {name: take(column, known) for name, column in columns.items()}
    mine = target[known]
    return {**rows, "target": mine.astype(np.int64) if task.target_kind == "class" else mine[:, None]}


def _rate(target: np.ndarray, classes: int) -> Rate:
    """target: int64 [rows], of one class at most."""
    counts = np.bincount(target, minlength=classes) + 0.5
    return Rate(np.log(counts / counts.sum()).tolist())
