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

RATE = "rate.json"
"""What stands in place of a fit where the training rows have one class of a label alone."""


@dataclass
class Rate:
    """A label that all training rows agree on: the same logit for every row."""

    logit: float
    rounds: int = 1

    @property
    def curves(self) -> dict[str, list[float]]:
        return {}

    @property
    def trace(self) -> dict[str, Any]:
        return {}

    def raw(self, inputs: Encoded) -> np.ndarray:
        return np.tile([0.0, self.logit], (len(next(iter(inputs.values()))), 1))  # [rows, 2]

    def importance(self) -> dict[str, float] | None:
        return None

    def contributions(self, inputs: Encoded) -> None:
        return None

    def saliency(self, inputs: Encoded) -> None:
        return None

    def feature_maps(self, inputs: Encoded) -> None:
        return None

    def save(self, folder: Path) -> None:
        write_json(folder / RATE, {"logit": self.logit})


@dataclass
class SeveralFitted:
    """A fitted model a target."""

    parts: Sequence[Any]

    @property
    def rounds(self) -> int:
        return round(fmean(part.rounds for part in self.parts))

    @property
    def curves(self) -> dict[str, list[float]]:
        """The targets' mean, as far as all go."""
        curves = [part.curves for part in self.parts]
        names = [name for name in curves[0] if all(name in one for one in curves)]
        return {name: [fmean(values) for values in zip(*(one[name] for one in curves), strict=False)] for name in names}

    @property
    def trace(self) -> dict[str, Any]:
        return {}

    def raw(self, inputs: Encoded) -> np.ndarray:
        """[rows, targets]: numbers in units of the loss, or logits of labels."""
        return np.stack([_one_column(part.raw(inputs)) for part in self.parts], axis=1)

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
        one, changes = task.single()
        parts: list[Any] = []
        for number in range(spec.outputs):
            place = folder / str(number)
            if (place / RATE).exists():
                parts.append(Rate(**read_json(place / RATE)))
            else:
                parts.append(learner.load(place, model, one, replace(spec, **changes)))
        return cls(parts)


def fit_each_target(learner: Learner, job: FitJob) -> SeveralFitted:
    """Fit the job's model on each target alone, on the rows that have it."""
    one, changes = job.task.single()
    spec, targets = replace(job.spec, **changes), job.spec.outputs
    parts: list[Fitted | Rate] = []
    for number in range(targets):
        train = _of(job.train, number, one)
        if one.target_kind == "class" and len(np.unique(train["target"])) < 2:
            parts.append(_rate(train["target"]))
            continue

        def progress(done: int, total: int, before: int = number) -> None:
            job.progress(before * total + done, targets * total)

        parts.append(
            learner.fit(
                replace(
                    job,
                    task=one,
                    spec=spec,
                    train=train,
                    valid=None if job.valid is None else _of(job.valid, number, one),
                    seed=derive_seed(job.seed, "target", number),
                    score=None,
                    progress=progress,
                    inner_folds=None,
                )
            )
        )
    return SeveralFitted(parts)


def _of(encoded: Encoded, number: int, task: Task) -> Encoded:
    """The rows that have this target, with it alone."""
    target = encoded["target"][:, number]  # [rows, targets] -> [rows]
    known = np.isfinite(target)
    columns = {name: column for name, column in encoded.items() if name != "target"}
    rows = columns if known.all() else {name: take(column, known) for name, column in columns.items()}
    mine = target[known]
    return {**rows, "target": mine.astype(np.int64) if task.target_kind == "class" else mine[:, None]}


def _rate(target: np.ndarray) -> Rate:
    share = (float(target.sum()) + 0.5) / (len(target) + 1)
    return Rate(float(np.log(share / (1 - share))))


def _one_column(raw: np.ndarray) -> np.ndarray:
    """[rows] of [rows, 1], or of log-probabilities [rows, 2] the logit of the second class."""
    return raw[:, 1] - raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 2 else raw.reshape(-1)
