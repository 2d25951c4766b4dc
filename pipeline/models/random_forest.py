"""A random forest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.forest import ForestEstimator


@models.register("random_forest")
@settings
class RandomForest:
    """scikit-learn's RandomForest (Breiman 2001): each tree on rows drawn with replacement, each split
    the best of some features.

    Categories are read as the codes they come with; ``tabular`` with ``categories: ordinal`` or
    ``target`` also goes. Numbers are read as float32, missing ones as they are. A forest grows
    with the rows (about 25 bytes a row and tree, divided by ``min_samples_leaf``).

    n_estimators: trees. max_depth: none is any depth.
    max_features: share of the features tried for each split, or sqrt, log2 of their number.
    min_samples_leaf: training rows a leaf must have.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "estimator"

    n_estimators: int = Field(default=300, ge=1)
    max_depth: int | None = Field(default=None, ge=1)
    max_features: Literal["sqrt", "log2"] | Annotated[float, Field(gt=0, le=1)] = 0.5
    min_samples_leaf: int = Field(default=2, ge=1)
    class_weights: ClassWeights = "none"

    def build(self, spec: Spec, task: Task, seed: int) -> ForestEstimator:
        from pipeline.models.estimators.forest import ForestEstimator

        return ForestEstimator(self, spec, task, seed)

    def forest(self, classes: bool, threads: int, seed: int) -> Any:
        """The unfitted scikit-learn forest."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return (RandomForestClassifier if classes else RandomForestRegressor)(
            n_estimators=self.n_estimators,
            max_depth=self.max_depth,
            max_features=self.max_features,
            min_samples_leaf=self.min_samples_leaf,
            bootstrap=True,
            n_jobs=threads,
            random_state=seed,
        )
