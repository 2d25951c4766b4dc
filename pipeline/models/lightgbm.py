"""Gradient boosted trees: LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.lightgbm import LightGBMEstimator


@models.register("lightgbm")
@settings
class LightGBM(Model):
    """LightGBM (Ke et al. 2017), with its own names and categories taken as they are.

    How long it trains and what for stands under ``fit``: iterations, early_stopping, loss.

    num_leaves, max_depth: size of a tree; -1 is any depth.
    min_child_samples: training rows a leaf must have.
    subsample, colsample_bytree: share of rows (drawn anew for each tree) and of features.
    reg_alpha, reg_lambda: L1 and L2 penalty on the leaves.
    extra_trees: draw thresholds at random.
    path_smooth: pull a leaf's answer towards its parents', the more the fewer rows it has.
    linear_tree: a leaf answers with a linear model of the numbers split on above it (Shi et al. 2019,
        Gradient Boosting With Piece-Wise Linear Regression Trees), whose L2 penalty is
        ``linear_lambda``; small trees do. It keeps a float32 copy of the numbers.
    cat_smooth, cat_l2, min_data_per_group, max_cat_to_onehot: splits on native categories.
    class_weights: none, balanced or ``{class: weight}``; probabilities are shifted as the weights say.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "boosting"

    learning_rate: float = Field(default=0.05, gt=0)
    num_leaves: int = Field(default=31, ge=2, le=131072)
    max_depth: int = Field(default=-1, ge=-1)
    min_child_samples: int = Field(default=20, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=0.0, ge=0)
    extra_trees: bool = False
    path_smooth: float = Field(default=0.0, ge=0)
    linear_tree: bool = False
    linear_lambda: float = Field(default=1.0, ge=0)
    max_bin: int = Field(default=255, ge=2)
    cat_smooth: float = Field(default=10.0, ge=0)
    cat_l2: float = Field(default=10.0, ge=0)
    min_data_per_group: int = Field(default=100, ge=1)
    max_cat_to_onehot: int = Field(default=4, ge=1)
    class_weights: ClassWeights = "none"

    def build(self, spec: Spec, task: Task, seed: int) -> LightGBMEstimator:
        from pipeline.models.estimators.base import require

        require("lightgbm")
        from pipeline.models.estimators.lightgbm import LightGBMEstimator

        return LightGBMEstimator(self, spec, task, seed)
