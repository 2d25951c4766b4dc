"""An n-gram model as a learner's model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.core.types import Encoded, Spec, Task
from pipeline.decoding.steps import Steps
from pipeline.models.estimators.base import Estimator, Plan
from pipeline.text.n_grams.base import Estimator as OfCounts
from pipeline.text.n_grams.counts import count
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.vocabulary import Vocabulary


class NGramEstimator(Estimator):
    """Counts the rows' ``labels``; answers the log-probability of each. Contexts do not reach beyond a row."""

    def __init__(self, name: str, spec: Spec, task: Task, seed: int, order: int, estimator: OfCounts) -> None:
        super().__init__(name, spec, task, seed)
        self.order, self.estimator = order, estimator
        self.model: NGramModel | None = None

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        if "row_weight" in train:
            raise UserError(f"model '{self.name}': counts all rows alike; take out columns.weight or extra_weight")
        vocabulary = Vocabulary(self.spec.vocabularies["tokens"])
        self.model = self.estimator.fit(count(_without_end(train), len(vocabulary), self.order), vocabulary)
        for told in self.model.told:
            print(f"warning: {self.name}: {told}", file=sys.stderr)  # noqa: T201

    def raw(self, inputs: Encoded) -> Any:
        """``Ragged`` [rows] of float32."""
        if self.model is None:
            raise ValueError("neither fitted nor loaded")
        found = self.model.score(_without_end(inputs))
        return Ragged(found.values.astype(np.float32), found.begins, found.ends)

    def steps(self) -> NGramSteps:
        if self.model is None:
            raise ValueError("neither fitted nor loaded")
        return NGramSteps(self.model)

    def importance(self) -> None:
        return None

    def save(self, folder: Path) -> None:
        if self.model is None:
            raise ValueError("nothing is fitted")
        self.model.save(folder)

    def load(self, folder: Path) -> None:
        self.model = NGramModel.load(folder)


class NGramSteps(Steps):
    """Contexts do not reach beyond a begin mark."""

    def __init__(self, model: NGramModel) -> None:
        self.model = model

    def start(self, of: int) -> np.ndarray:
        return self.model.start(of)

    def take(self, state: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        return state[lanes]

    def step(self, tokens: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.model.step(tokens, state)


def _without_end(encoded: Encoded) -> Ragged:
    """The rows' own tokens."""
    labels = encoded["labels"]
    return Ragged(labels.values, labels.begins, labels.ends - 1)
