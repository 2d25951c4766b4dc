"""LightGBM behind the protocol of an estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from pipeline.core.types import Encoded
from pipeline.models.estimators.base import Plan, threads
from pipeline.models.estimators.boosting import BoostingEstimator, now_and_then, thinned

OBJECTIVES = {
    "squared": ("regression", "rmse"),
    "absolute": ("regression_l1", "l1"),
    "huber": ("huber", "huber"),
    "binary": ("binary", "binary_logloss"),
    "multiclass": ("multiclass", "multi_logloss"),
}


class LightGBMEstimator(BoostingEstimator):
    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        objective, metric = self.objective(plan, OBJECTIVES)
        sets = [self._dataset(train)]
        if valid is not None:
            sets.append(self._dataset(valid, sets[0]))
        curves: dict[str, dict[str, list[float]]] = {}
        report = now_and_then(plan)
        callbacks: list[Any] = [
            lightgbm.record_evaluation(curves),
            lambda environment: report(environment.iteration + 1),
        ]
        if valid is not None and plan.early_stopping is not None:
            callbacks.append(lightgbm.early_stopping(plan.early_stopping, verbose=False))
        fitted = lightgbm.train(
            {**self._parameters(), "objective": objective, "metric": metric, "alpha": plan.delta},
            sets[0],
            num_boost_round=plan.iterations,
            valid_sets=sets,
            valid_names=["train", "valid"][: len(sets)],
            callbacks=callbacks,
        )
        self.curves = thinned(curves["train"][metric], curves.get("valid", {}).get(metric))
        best = fitted.best_iteration if fitted.best_iteration > 0 else fitted.current_iteration()
        # Read back from text at once: what answers now is, to the bit, what will be loaded.
        self._read(fitted.model_to_string(num_iteration=best))

    def _dataset(self, encoded: Encoded, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        target = self.targets(encoded) if reference is None else encoded["target"].reshape(-1)
        return lightgbm.Dataset(
            self.matrix(encoded), target, reference=reference, categorical_feature=self.categorical(encoded)
        )

    def _parameters(self) -> dict[str, Any]:
        own = self.settings
        return {
            "learning_rate": own.learning_rate,
            "num_leaves": own.num_leaves,
            "max_depth": own.max_depth,
            "min_data_in_leaf": own.min_child_samples,
            "bagging_fraction": own.subsample,
            "bagging_freq": 1 if own.subsample < 1 else 0,
            "feature_fraction": own.colsample_bytree,
            "lambda_l1": own.reg_alpha,
            "lambda_l2": own.reg_lambda,
            "extra_trees": own.extra_trees,
            "max_bin": own.max_bin,
            "cat_smooth": own.cat_smooth,
            "cat_l2": own.cat_l2,
            "min_data_per_group": own.min_data_per_group,
            "max_cat_to_onehot": own.max_cat_to_onehot,
            **({"num_class": self.classes} if self.kind == "multiclass" else {}),
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads(),
            "verbosity": -1,
        }

    def margin(self, inputs: Encoded) -> np.ndarray:
        return np.asarray(self.booster.predict(self.matrix(inputs), raw_score=True, num_threads=threads()))

    def importance(self) -> dict[str, float] | None:
        """Share of the gain of all splits."""
        return self.shares(self.booster.feature_importance("gain"))

    def save(self, folder: Path) -> None:
        (folder / "lightgbm.txt").write_text(self.text, encoding="utf-8", newline="\n")

    def load(self, folder: Path) -> None:
        self._read((folder / "lightgbm.txt").read_text(encoding="utf-8"))

    def _read(self, text: str) -> None:
        self.text = text
        self.booster = lightgbm.Booster(model_str=text)
        self.rounds = self.booster.current_iteration()
