"""Linear regression with an L1 and an L2 penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.linear import LinearEstimator


@models.register("elastic_net")
@settings
class ElasticNet(Model):
    """scikit-learn's ElasticNet; ``l1_ratio`` 1 is the lasso, towards 0 it becomes ridge.

    ``alpha`` is in the encoded target's units, as with the lasso.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "estimator"

    alpha: float = Field(default=1e-3, gt=0)
    l1_ratio: float = Field(default=0.5, gt=0, le=1)
    max_iter: int = Field(default=10_000, ge=1)

    def build(self, spec: Spec, task: Task, seed: int) -> LinearEstimator:
        from pipeline.models.estimators.linear import LinearEstimator

        return LinearEstimator(self.name, spec, task, seed, self.solver)

    def solver(self, seed: int) -> Any:
        from sklearn.linear_model import ElasticNet

        return ElasticNet(alpha=self.alpha, l1_ratio=self.l1_ratio, max_iter=self.max_iter)
