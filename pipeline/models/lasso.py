"""Linear regression with an L1 penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.linear import LinearEstimator


@models.register("lasso")
@settings
class Lasso(Model):
    """scikit-learn's Lasso: half the mean squared error plus ``alpha`` times the weights' L1 norm.

    ``alpha`` is in the encoded target's units: on a logarithmic one of spread 0.4 good values
    lie about 0.0005, on a standardised one about 0.001.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "estimator"

    alpha: float = Field(default=1e-3, gt=0)
    max_iter: int = Field(default=10_000, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> LinearEstimator:
        from pipeline.models.estimators.linear import LinearEstimator

        return LinearEstimator(self.name, spec, task, seed, self.solver)

    def solver(self, seed: int) -> Any:
        from sklearn.linear_model import Lasso

        return Lasso(alpha=self.alpha, max_iter=self.max_iter)
