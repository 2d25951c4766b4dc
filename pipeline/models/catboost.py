"""Gradient boosted trees: CatBoost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.class_weights import ClassWeights
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from pipeline.models.estimators.catboost import CatBoostEstimator


@models.register("catboost")
@settings
class CatBoost(Model):
    """CatBoost (Prokhorenkova et al. 2018), with its own names and its ordered statistics of
    native categories; needs the extra ``boosters``.

    How long it trains and what for stands under ``fit``: iterations, early_stopping, loss.

    l2_leaf_reg: L2 penalty on the leaves. random_strength: noise on a split's score.
    subsample: share of rows for each tree (MVS). rsm: share of features for each split.
    one_hot_max_size: categories up to this many levels are split off one by one.
    max_ctr_complexity: how many categories may be combined; CatBoost's own 4 is much slower.
    class_weights: none, balanced or ``{class: weight}``; probabilities are shifted as the weights say.
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"numbers"})
    may_read: ClassVar[frozenset[str]] = frozenset({"categories"})
    learner: ClassVar[str] = "boosting"

    learning_rate: float = Field(default=0.05, gt=0)
    depth: int = Field(default=6, ge=1, le=16)
    l2_leaf_reg: float = Field(default=3.0, ge=0)
    random_strength: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    rsm: float = Field(default=1.0, gt=0, le=1)
    border_count: int = Field(default=254, ge=1, le=65535)
    one_hot_max_size: int = Field(default=2, ge=2, le=65535)
    max_ctr_complexity: int = Field(default=1, ge=1, le=15)
    class_weights: ClassWeights = "none"

    def build(self, spec: Spec, task: Task, seed: int) -> CatBoostEstimator:
        from pipeline.models.estimators.base import require

        require("catboost", extra="boosters")
        from pipeline.models.estimators.catboost import CatBoostEstimator

        return CatBoostEstimator(self, spec, task, seed)
