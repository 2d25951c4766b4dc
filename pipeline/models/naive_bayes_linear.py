"""Model ``naive_bayes_linear``: terms by their log-count ratios, then a linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.naive_bayes import NaiveBayesEstimator, RatioMachine


@models.register("naive_bayes_linear")
@settings
class NaiveBayesLinear(Model):
    """Wang and Manning 2012, Baselines and Bigrams. More than two classes: each against the rest.

    loss: logistic regression, or the paper's linear support vectors (``squared_hinge``), whose probabilities are by
        Platt's scaling as of ``support_vectors``.
    C: inverse of the penalty's strength. smoothing: added to the count of every term in every class.
    interpolation: how much of the linear model there is; the rest is multinomial naive Bayes, which is all of it at 0.
        The paper takes 0.25. Below 1 probabilities are by Platt's scaling.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "weights"})
    learner: ClassVar[str] = "estimator"

    loss: Literal["logistic", "squared_hinge"] = "logistic"
    C: float = Field(default=1.0, gt=0)
    smoothing: float = Field(default=1.0, gt=0)
    interpolation: float = Field(default=1.0, ge=0, le=1)
    max_iter: int = Field(default=1000, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> NaiveBayesEstimator:
        from pipeline.models.estimators.naive_bayes import NaiveBayesEstimator

        calibrated = self.loss == "squared_hinge" or self.interpolation < 1
        return NaiveBayesEstimator(self.name, spec, task, seed, self.machine, calibrated)

    def machine(self, seed: int) -> RatioMachine:
        from pipeline.models.estimators.naive_bayes import RatioMachine

        return RatioMachine(self._solver(seed), self.smoothing, self.interpolation)

    def _solver(self, seed: int) -> Any:
        if self.loss == "squared_hinge":
            from sklearn.svm import LinearSVC

            return LinearSVC(C=self.C, max_iter=self.max_iter, random_state=seed)
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.C, max_iter=self.max_iter, random_state=seed)
