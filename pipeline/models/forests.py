"""Forests of trees grown each for itself: extremely randomised trees and the random forest."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.forest import ForestEstimator


@settings
class Forest(Model):
    """What both forests have.

    Categories are read as the codes they come with; ``tabular`` with ``categories: ordinal`` or
    ``target`` also goes. Numbers are read as float32, missing ones as they are. A forest grows
    with the rows (about 25 bytes a row and tree, divided by ``min_samples_leaf``).

    n_estimators: trees. max_depth: none is any depth.
    max_features: share of the features tried for each split, or sqrt, log2 of their number.
    min_samples_leaf: training rows a leaf must have.
    """

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

    @abstractmethod
    def forest(self, classes: bool, threads: int, seed: int) -> Any:
        """The unfitted scikit-learn forest."""

    def _settings(self, threads: int, seed: int) -> dict[str, Any]:
        names = ("n_estimators", "max_depth", "max_features", "min_samples_leaf")
        return {**{name: getattr(self, name) for name in names}, "n_jobs": threads, "random_state": seed}


@models.register("extra_trees")
@settings
class ExtraTrees(Forest):
    """scikit-learn's ExtraTrees (Geurts, Ernst and Wehenkel 2006): each split the best of as many
    thresholds drawn at random as there are features tried.

    bootstrap: each tree gets as many rows drawn with replacement, rather than all.
    """

    bootstrap: bool = False

    def forest(self, classes: bool, threads: int, seed: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        kind = ExtraTreesClassifier if classes else ExtraTreesRegressor
        return kind(**self._settings(threads, seed), bootstrap=self.bootstrap)


@models.register("random_forest")
@settings
class RandomForest(Forest):
    """scikit-learn's RandomForest (Breiman 2001): each tree on rows drawn with replacement, each split
    the best of some features."""

    def forest(self, classes: bool, threads: int, seed: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return (RandomForestClassifier if classes else RandomForestRegressor)(**self._settings(threads, seed))
