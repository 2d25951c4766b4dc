"""The nearest neighbours' mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.neighbors import NeighborsEstimator


@models.register("k_nearest_neighbors")
@settings
class KNearestNeighbors(Model):
    """The mean target, or the shares of the classes, of the training rows nearest to a row, found by
    scikit-learn's NearestNeighbors (Fix and Hodges 1951).

    Numbers must be of one scale (``tabular`` standardises them). The whole training table is kept
    and every row is held against every row of it: time grows with the square of the rows.

    n_neighbors: how many; all of them where there are fewer training rows.
    weights: of the neighbours: ``uniform``, or ``distance`` for one over the distance; rows at
        distance 0 then answer alone.
    p: distance: 2 is Euclid's, 1 is the sum of absolute differences.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    learner: ClassVar[str] = "estimator"

    n_neighbors: int = Field(default=15, ge=1)
    weights: Literal["uniform", "distance"] = "distance"
    p: Literal[1, 2] = 2

    def build(self, spec: Spec, task: Task, seed: int) -> NeighborsEstimator:
        from pipeline.models.estimators.neighbors import NeighborsEstimator

        return NeighborsEstimator(self, spec, task, seed)
