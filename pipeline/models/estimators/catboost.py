"""CatBoost behind the protocol of an estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np

from pipeline.core.seeds import threads
from pipeline.core.types import Encoded
from pipeline.models.estimators.base import Plan
from pipeline.models.estimators.boosting import BoostingEstimator, now_and_then, thinned

OBJECTIVES = {
    "squared": "RMSE",
    "absolute": "MAE",
    "huber": "Huber:delta={delta!r}",
    "binary": "Logloss",
    "multiclass": "MultiClass",
}


class _Report:
    def __init__(self, plan: Plan) -> None:
        self.report = now_and_then(plan)

    def after_iteration(self, information: Any) -> bool:
        self.report(information.iteration)
        return True


class CatBoostEstimator(BoostingEstimator):
    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        loss = self.objective(plan, OBJECTIVES).format(delta=plan.delta)
        stop = plan.early_stopping if valid is not None else None
        fitted = catboost.CatBoost(
            {
                **self._parameters(),
                "loss_function": loss,
                "eval_metric": loss,
                "iterations": plan.iterations,
                # Said either way: given validation rows, CatBoost keeps the best iteration unless told not to.
                "use_best_model": stop is not None,
                **({"od_type": "Iter", "od_wait": stop} if stop is not None else {}),
            }
        )
        pools = [self._pool(*part) for part in self.labels(train, valid)]
        fitted.fit(pools[0], eval_set=pools[1] if valid is not None else None, callbacks=[_Report(plan)])
        curves = fitted.get_evals_result()
        self.curves = thinned(curves["learn"][loss], curves.get("validation", {}).get(loss))
        # Nothing of the time or the run stays in the file.
        for fact in ("train_finish_time", "model_guid"):
            fitted.get_metadata()[fact] = ""
        self.booster = fitted
        self.rounds = fitted.tree_count_

    def _pool(
        self, encoded: Encoded, target: np.ndarray | None = None, weights: np.ndarray | None = None
    ) -> catboost.Pool:
        codes = self.categorical(encoded)
        if not codes:
            return catboost.Pool(encoded["numbers"], target, weight=weights, thread_count=threads())
        # The only form that takes numbers and categories apart without a copy as text objects.
        import pandas as pd

        frames = [pd.DataFrame(encoded[name]) for name in ("numbers", "categories")]
        table = pd.concat(frames, axis=1, ignore_index=True)
        return catboost.Pool(table, target, weight=weights, cat_features=codes, thread_count=threads())

    def _parameters(self) -> dict[str, Any]:
        own = self.settings
        return {
            "learning_rate": own.learning_rate,
            "depth": own.depth,
            "l2_leaf_reg": own.l2_leaf_reg,
            "random_strength": own.random_strength,
            "bootstrap_type": "MVS" if own.subsample < 1 else "No",
            **({"subsample": own.subsample} if own.subsample < 1 else {}),
            "rsm": own.rsm,
            "border_count": own.border_count,
            "one_hot_max_size": own.one_hot_max_size,
            "max_ctr_complexity": own.max_ctr_complexity,
            **({"classes_count": self.classes} if self.kind == "multiclass" else {}),
            "random_seed": self.seed,
            "thread_count": threads(),
            "allow_writing_files": False,
            "logging_level": "Silent",
        }

    def margin(self, inputs: Encoded) -> np.ndarray:
        return self.booster.predict(self._pool(inputs), prediction_type="RawFormulaVal", thread_count=threads())

    def shapley(self, inputs: Encoded) -> np.ndarray | None:
        found = self.booster.get_feature_importance(self._pool(inputs), type="ShapValues", thread_count=threads())
        return np.asarray(found)

    def importance(self) -> dict[str, float] | None:
        """Share of the mean change of the answer (CatBoost's PredictionValuesChange)."""
        return self.shares(np.asarray(self.booster.get_feature_importance(thread_count=threads())))

    def save(self, folder: Path) -> None:
        self.booster.save_model(str(folder / "catboost.cbm"))

    def load(self, folder: Path) -> None:
        self.booster = catboost.CatBoost().load_model(str(folder / "catboost.cbm"))
        self.rounds = self.booster.tree_count_
