"""Linear regression with an L2 penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.linear import LinearEstimator


@models.register("ridge")
@settings
class Ridge(Model):
    """scikit-learn's Ridge: least squares plus ``alpha`` times the squared norm of the weights."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    or_needs: ClassVar[frozenset[str]] = frozenset({"tokens", "weights"})
    learner: ClassVar[str] = "estimator"

    alpha: float = Field(default=1.0, ge=0)

    def build(self, spec: Spec, task: Task, seed: int) -> LinearEstimator:
        from pipeline.models.estimators.linear import LinearEstimator

        return LinearEstimator(self.name, spec, task, seed, self.solver)

    def solver(self, seed: int) -> Any:
        from sklearn.linear_model import Ridge

        return Ridge(alpha=self.alpha)
