"""Model ``naive_bayes_logistic``: terms by their log-count ratios, then logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.naive_bayes import NaiveBayesEstimator


@models.register("naive_bayes_logistic")
@settings
class NaiveBayesLogistic(Model):
    """Wang and Manning 2012, Baselines and Bigrams, with a logistic regression in place of their support vectors, so
    that it gives probabilities. More than two classes: each against the rest.

    C: inverse of the penalty's strength. smoothing: added to the count of every term in every class.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "weights"})
    learner: ClassVar[str] = "estimator"

    C: float = Field(default=1.0, gt=0)
    smoothing: float = Field(default=1.0, gt=0)
    max_iter: int = Field(default=1000, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> NaiveBayesEstimator:
        from pipeline.models.estimators.naive_bayes import NaiveBayesEstimator

        return NaiveBayesEstimator(self.name, spec, task, seed, self.solver, self.smoothing)

    def solver(self, seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.C, max_iter=self.max_iter, random_state=seed)
