"""Linear models fitted by scikit-learn, kept as coefficients (so reading one back needs no scikit-learn)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.class_weights import ClassWeights
from pipeline.core.ragged import Ragged
from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import (
    ArrayEstimator,
    Plan,
    log_binary,
    log_softmax,
    numbers_only,
    spread_classes,
)

if TYPE_CHECKING:
    import scipy.sparse

MOST_TERMS = 200
"""Terms whose importance is told; a vocabulary has tens of thousands."""


class LinearEstimator(ArrayEstimator):
    """Any scikit-learn model with ``coef_`` and ``intercept_``, on ``numbers``, or on the sparse
    matrix that ``tokens`` and ``weights`` (ragged, of the same lengths) are, or on both side by side.

    solver: makes the unfitted scikit-learn model; called in ``fit`` only.
    """

    file = "linear.safetensors"
    arrays = ("coefficients", "intercept", "deviations", "seen")

    def __init__(
        self,
        name: str,
        spec: Spec,
        task: Task,
        seed: int,
        solver: Callable[[int], Any],
        class_weights: ClassWeights = "none",
    ) -> None:
        numbers_only(name, spec)
        super().__init__(name, spec, task, seed, class_weights)
        self.solver = solver

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        matrix, target = self.matrix(train), self.targets(train)
        weights = self.row_weights(train, target)
        fitted = self.solver(self.seed).fit(matrix, target, **({} if weights is None else {"sample_weight": weights}))
        self.coefficients = np.atleast_2d(fitted.coef_).T.copy()  # [outputs, p] -> [p, outputs]
        self.intercept = np.atleast_1d(fitted.intercept_).astype(np.float64)  # [outputs]
        self.deviations = deviations(matrix)  # [p]
        self.seen = np.unique(target) if self.classes else np.zeros(0, np.int64)  # [seen classes]

    def matrix(self, inputs: Encoded) -> np.ndarray | scipy.sparse.csr_matrix:
        """float64 [rows, p]: numbers, then terms. Where texts give no term, a column of zeros: scikit-learn refuses
        none at all, and so it fits the intercept, which is the base rate."""
        if "tokens" not in inputs:
            return self.finite_numbers(inputs)
        from scipy.sparse import csr_matrix, hstack

        terms = _sparse(inputs["tokens"], inputs["weights"], self.spec.sizes["tokens"])
        blocks = [csr_matrix(self.finite_numbers(inputs)), terms] if "numbers" in inputs else [terms]
        if not sum(block.shape[1] for block in blocks):
            blocks = [csr_matrix((terms.shape[0], 1))]
        return hstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]

    def raw(self, inputs: Encoded) -> np.ndarray:
        scores = self.matrix(inputs) @ self.coefficients + self.intercept  # [rows, p] -> [rows, outputs]
        if self.classes is None:
            return scores
        # Of two classes scikit-learn keeps the second one's log-odds alone.
        known = log_binary(scores[:, 0]) if scores.shape[1] == 1 else self.of_several(scores)
        return spread_classes(known, self.seen, self.classes)

    def of_several(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities of more than two classes: [rows, classes] -> [rows, classes]."""
        return log_softmax(scores)

    def importance(self) -> dict[str, float] | None:
        """How far one standard deviation of a feature moves the raw output; with several
        outputs the mean of the distances. Of terms only the ``MOST_TERMS`` that move it most."""
        moves = self.coefficients * self.deviations[:, None]  # [p, outputs]
        moves = moves[:, 0] if moves.shape[1] == 1 else np.abs(moves).mean(axis=1)  # [p, outputs] -> [p]
        numbers = self.spec.names.get("numbers", [])
        terms = self.spec.vocabularies.get("tokens", [])[1:]
        most = len(numbers) + np.sort(np.argsort(-np.abs(moves[len(numbers) :]), kind="stable")[:MOST_TERMS])
        names = [*numbers, *terms]
        return {names[j]: float(moves[j]) for j in [*range(len(numbers)), *most.tolist()]} if names else {}


def _sparse(tokens: Ragged, weights: Ragged, size: int) -> scipy.sparse.csr_matrix:
    """Terms of each row and their weights -> float64 [rows, size - 1]: token 0 is padding, token 1 the first column."""
    from scipy.sparse import csr_matrix

    tokens, weights = tokens.compact(), weights.compact()
    columns = tokens.values.astype(np.int32) - 1  # row by row
    starts = np.append(0, tokens.ends)  # [rows + 1]
    return csr_matrix((weights.values.astype(np.float64), columns, starts), shape=(len(tokens), size - 1))


def deviations(matrix: np.ndarray | scipy.sparse.csr_matrix) -> np.ndarray:
    """Standard deviation of each column: [rows, p] -> [p]."""
    if isinstance(matrix, np.ndarray):
        return matrix.std(axis=0)
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    of_squares = np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel()
    return np.sqrt(np.maximum(of_squares - mean**2, 0))
