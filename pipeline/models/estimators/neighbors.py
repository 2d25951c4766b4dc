"""Nearest neighbours: the training rows themselves, searched by scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.seeds import threads
from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import ArrayEstimator, Plan, numbers_only, some_rows, spread_classes

if TYPE_CHECKING:
    from pipeline.models.k_nearest_neighbors import KNearestNeighbors

ENTRIES = 1 << 22
"""Numbers, of the answers of all neighbours, that are looked at at a time: 32 MiB of them."""


class NeighborsEstimator(ArrayEstimator):
    """Training rows ``numbers`` float32 [rows, p] and their ``answers`` [rows, outputs]: the target, or
    a 1 in the column of the class, of those ``seen``; ``counts`` [rows] is how much each row counts as a neighbour.

    To the shares of the classes among the neighbours one neighbour's worth of their shares among all
    training rows is added, so that no class is impossible: (k p + share) / (k + 1).
    """

    file = "neighbors.safetensors"
    arrays = ("numbers", "answers", "counts", "seen")

    def __init__(self, settings: KNearestNeighbors, spec: Spec, task: Task, seed: int) -> None:
        numbers_only(settings.name, spec)
        super().__init__(settings.name, spec, task, seed)
        self.settings = settings

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        weights = self.row_weights(train, self.targets(train))
        if weights is not None:  # a row that counts nothing is no neighbour
            train = some_rows(train, weights > 0)
        self.numbers = self.finite_numbers(train).astype(np.float32)
        target = self.targets(train)
        self.counts = np.ones(len(target)) if weights is None else weights[weights > 0]
        if self.classes is None:
            self.answers, self.seen = target[:, None], np.zeros(0, np.int64)  # [rows] -> [rows, 1]
        else:
            self.seen = np.unique(target)
            self.answers = (target[:, None] == self.seen).astype(np.float64)  # [rows] -> [rows, seen]
        self._search()

    def _search(self) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.count = min(self.settings.n_neighbors, len(self.numbers))
        # Brute force is a matrix product, and faster than any tree beyond a dozen columns.
        metric = "euclidean" if self.settings.p == 2 else "manhattan"
        search = NearestNeighbors(n_neighbors=self.count, algorithm="brute", metric=metric, n_jobs=threads())
        self.search = search.fit(self.numbers)

    def raw(self, inputs: Encoded) -> np.ndarray:
        numbers = self.finite_numbers(inputs).astype(np.float32)
        mean = np.empty((len(numbers), self.answers.shape[1]))
        step = max(1, ENTRIES // (self.count * self.answers.shape[1]))  # rows
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            distances, nearest = self.search.kneighbors(numbers[part])  # [step, p] -> [step, k]
            weights = self._weights(distances) * self.counts[nearest]  # [step, k]
            answers = self.answers[nearest]  # [step, k] -> [step, k, outputs]
            mean[part] = np.einsum("sk,sko->so", weights, answers) / weights.sum(axis=1, keepdims=True)
        if self.classes is None:
            return mean
        mixed = (self.count * mean + np.average(self.answers, axis=0, weights=self.counts)) / (
            self.count + 1
        )  # [rows, seen]
        return spread_classes(np.log(mixed), self.seen, self.classes)

    def _weights(self, distances: np.ndarray) -> np.ndarray:
        """[step, k] -> [step, k]."""
        if self.settings.weights == "uniform":
            return np.ones_like(distances)
        same = distances == 0
        with np.errstate(divide="ignore"):
            return np.where(same.any(axis=1, keepdims=True), same, 1 / distances)

    def importance(self) -> dict[str, float] | None:
        return None

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._search()
