"""Forests of scikit-learn's, kept as what they are: the nodes of all trees in a few arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.seeds import threads
from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import (
    ArrayEstimator,
    Plan,
    matrix,
    matrix_names,
    some_rows,
    spread_classes,
)

if TYPE_CHECKING:
    from pipeline.models.forests import Forest


STEP_ROWS = 4096
"""Rows answered at a time, and ..."""
STEP_WALKS = 1 << 16
"""... walks (a row down a tree) taken side by side: what a step touches stays in the processor's cache."""


class ForestEstimator(ArrayEstimator):
    """Extra trees or a random forest on numbers (float32, missing ones as NaN) and category codes.

    A node's left child is the next node, its right child ``right``. A leaf has the ``feature`` -1,
    and its ``right`` is its place in ``values`` [leaves, outputs].

    Probabilities are the trees' mean, with one training row's worth of the classes' shares mixed
    in, so that no class is impossible where every tree is sure: (rows p + share) / (rows + 1).
    """

    file = "forest.safetensors"
    arrays = ("roots", "feature", "threshold", "right", "missing_left", "values", "prior", "seen", "gains")

    def __init__(self, settings: Forest, spec: Spec, task: Task, seed: int) -> None:
        super().__init__(settings.name, spec, task, seed, settings.class_weights)
        self.settings = settings

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        target = self.targets(train)
        rows = len(target)
        forest = self.settings.forest(self.classes is not None, threads(), self.seed)
        weights = self.row_weights(train, target)
        forest.fit(_single(matrix(train)), target, sample_weight=weights)
        self.seen = np.zeros(0, np.int64) if self.classes is None else np.asarray(forest.classes_, np.int64)
        counts = np.bincount(target, weights=weights)[self.seen] if len(self.seen) else np.zeros(1)
        self.prior = np.append(counts / max(counts.sum(), 1), rows)  # the classes' shares, then the rows
        self.gains = np.asarray(forest.feature_importances_, np.float64)
        self._keep([one.tree_ for one in forest.estimators_])

    def _keep(self, trees: list[Any]) -> None:
        """scikit-learn numbers a tree's nodes depth first, the left child right after its parent."""
        feature, threshold, right, missing_left, values, roots = [], [], [], [], [], []
        nodes = leaves = 0
        for tree in trees:
            leaf = tree.children_left < 0
            if not np.array_equal(tree.children_left[~leaf], np.flatnonzero(~leaf) + 1):
                raise ValueError("the trees' nodes are not numbered depth first")
            places = leaves + np.cumsum(leaf) - 1
            feature.append(np.where(leaf, -1, tree.feature).astype(np.int32))
            threshold.append(_rounded_down(tree.threshold))
            right.append(np.where(leaf, places, tree.children_right + nodes).astype(np.int32))
            missing_left.append(tree.missing_go_to_left.astype(bool))
            values.append(tree.value[leaf, 0].astype(np.float32))  # [leaves, 1, outputs] -> [leaves, outputs]
            roots.append(nodes)
            nodes, leaves = nodes + len(leaf), leaves + int(leaf.sum())
        self.roots = np.array(roots, np.int64)
        self.feature, self.threshold, self.right = map(np.concatenate, (feature, threshold, right))
        self.missing_left, self.values = map(np.concatenate, (missing_left, values))

    def raw(self, inputs: Encoded) -> np.ndarray:
        rows = len(inputs["numbers"])
        mean = np.empty((rows, self.values.shape[1]))
        for start in range(0, rows, STEP_ROWS):
            part = slice(start, start + STEP_ROWS)
            mean[part] = self._mean(_single(matrix(some_rows(inputs, part))))
        if self.classes is None:
            return mean
        shares, count = self.prior[:-1], self.prior[-1]
        mixed = (count * mean + shares) / (count + 1)  # [rows, seen]
        return spread_classes(np.log(mixed), self.seen, self.classes)

    def _mean(self, numbers: np.ndarray) -> np.ndarray:
        """Mean of the trees' leaves: float32 [step, p] -> float64 [step, outputs]."""
        rows, width = numbers.shape
        flat = numbers.ravel()
        holes = bool(np.isnan(flat).any())
        total = np.zeros((rows, self.values.shape[1]))
        together = max(1, STEP_WALKS // rows)
        for first in range(0, len(self.roots), together):
            roots = self.roots[first : first + together]
            node = np.repeat(roots, rows)  # [trees * step], tree by tree
            at = np.tile(np.arange(rows) * width, len(roots))
            place = np.empty(len(node), np.int64)  # of the leaf that each walk ends in
            walk = np.arange(len(node))
            while len(node):
                feature = self.feature.take(node)
                inner = feature >= 0
                if not inner.all():
                    ended = ~inner
                    place[walk[ended]] = self.right[node[ended]]
                    node, at, walk, feature = node[inner], at[inner], walk[inner], feature[inner]
                value = flat.take(at + feature)
                left = value <= self.threshold.take(node)
                if holes:
                    left |= np.isnan(value) & self.missing_left.take(node)
                node = np.where(left, node + 1, self.right.take(node))
            leaves = self.values.take(place, axis=0).reshape(len(roots), rows, -1)  # [trees, step, outputs]
            total += leaves.sum(axis=0, dtype=np.float64)
        return total / len(self.roots)

    def importance(self) -> dict[str, float] | None:
        """Share of what all splits take off the impurity."""
        return dict(zip(matrix_names(self.spec), self.gains.tolist()))

    def load(self, folder: Path) -> None:
        super().load(folder)
        self._check()

    def _check(self) -> None:
        """Every walk must end: children come after their parents, and every index is there.

        Raises UserError otherwise, so that a broken file neither hangs nor answers nonsense.
        """
        nodes, inner = np.arange(len(self.feature)), self.feature >= 0
        fine = (
            len(self.feature) == len(self.threshold) == len(self.right) == len(self.missing_left)
            and (self.right[inner] > nodes[inner]).all()
            and (self.right[inner] < len(nodes)).all()
            and not inner[-1:].any()
            and ((self.right[~inner] >= 0) & (self.right[~inner] < len(self.values))).all()
            and ((self.roots >= 0) & (self.roots < len(nodes))).all()
            and self.feature.max(initial=0) < len(self.gains)
        )
        if not fine:
            raise UserError("forest.safetensors: its trees do not hold together; run `dvc repro` again")


def _single(values: np.ndarray) -> np.ndarray:
    """float32, as scikit-learn's trees read it; what float32 cannot hold is its largest."""
    largest = np.finfo(np.float32).max
    return np.ascontiguousarray(np.clip(values, -largest, largest), np.float32)


def _rounded_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 not above each float64: a float32 is at most the one where it is at most the other."""
    single = threshold.astype(np.float32)
    return np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
