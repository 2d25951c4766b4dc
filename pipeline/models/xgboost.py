"""Gradient boosted trees: XGBoost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.xgboost import XGBoostEstimator


@models.register("xgboost")
@settings
class XGBoost(Model):
    """XGBoost (Chen and Guestrin 2016), histogram trees, with its own names; needs the extra
    ``boosters``. ``loss: huber`` is its pseudo-Huber loss.

    How long it trains and what for stands under ``fit``: iterations, early_stopping, loss.

    min_child_weight: sum of hessians a leaf must have (rows, for the squared loss).
    subsample, colsample_bytree: share of rows and of features drawn for each tree.
    gamma: loss a split must save. reg_alpha, reg_lambda: L1 and L2 penalty on the leaves.
    max_cat_to_onehot: categories up to this many levels are split off one by one.
    class_weights: none, balanced or ``{class: weight}``; probabilities are shifted as the weights say.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "boosting"

    learning_rate: float = Field(default=0.05, gt=0)
    max_depth: int = Field(default=6, ge=0)
    min_child_weight: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    gamma: float = Field(default=0.0, ge=0)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    max_bin: int = Field(default=256, ge=2)
    max_cat_to_onehot: int = Field(default=4, ge=1)
    class_weights: ClassWeights = "none"

    def build(self, spec: Spec, task: Task, seed: int) -> XGBoostEstimator:
        from pipeline.models.estimators.base import require

        require("xgboost", extra="boosters")
        from pipeline.models.estimators.xgboost import XGBoostEstimator

        return XGBoostEstimator(self, spec, task, seed)
