"""Logistic regression, multinomial where there are more than two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.linear import LinearEstimator


@models.register("logistic_regression")
@settings
class LogisticRegression(Model):
    """scikit-learn's LogisticRegression.

    C: inverse of the penalty's strength.
    l1_ratio: 0 is the L2 penalty, 1 the L1, between them the elastic net (slower: solver saga).
    class_weights: what a class's rows count: ``none``, ``balanced``, or a weight a class; other
        than none shifts the probabilities.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    or_needs: ClassVar[frozenset[str]] = frozenset({"tokens", "weights"})
    learner: ClassVar[str] = "estimator"

    C: float = Field(default=1.0, gt=0)
    l1_ratio: float = Field(default=0.0, ge=0, le=1)
    class_weights: ClassWeights = "none"
    max_iter: int = Field(default=1000, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> LinearEstimator:
        from pipeline.models.estimators.linear import LinearEstimator

        return LinearEstimator(self.name, spec, task, seed, self.solver, self.class_weights)

    def solver(self, seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(
            C=self.C,
            l1_ratio=self.l1_ratio,
            max_iter=self.max_iter,
            solver="saga" if self.l1_ratio else "lbfgs",
            random_state=seed,
        )
