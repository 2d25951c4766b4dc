"""LightGBM behind the protocol of an estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.seeds import threads
from pipeline.core.types import Encoded
from pipeline.models.estimators.base import Plan, matrix, some_rows
from pipeline.models.estimators.boosting import BoostingEstimator, now_and_then, thinned

OBJECTIVES = {
    "squared": ("regression", "rmse"),
    "absolute": ("regression_l1", "l1"),
    "huber": ("huber", "huber"),
    "binary": ("binary", "binary_logloss"),
    "multiclass": ("multiclass", "multi_logloss"),
}


class _Rows(lightgbm.Sequence):
    """Numbers and category codes side by side, some rows at a time: LightGBM bins a table as it reads
    it, and the whole need never be copied into one matrix."""

    batch_size = 1 << 14

    def __init__(self, encoded: Encoded) -> None:
        self.inputs = {name: encoded[name] for name in ("numbers", "categories")}
        self.start, self.block = 0, np.empty((0, 0))

    def __len__(self) -> int:
        return len(self.inputs["numbers"])

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, slice):
            return matrix(some_rows(self.inputs, index))
        if not self.start <= index < self.start + len(self.block):  # rows are asked for in ascending order
            self.start = int(index)
            self.block = self[self.start : self.start + self.batch_size].astype(np.float64, copy=False)
        return self.block[index - self.start]


class LightGBMEstimator(BoostingEstimator):
    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        objective, metric = self.objective(plan, OBJECTIVES)
        if self.settings.linear_tree and objective == "regression_l1":
            raise UserError("model 'lightgbm': linear_tree cannot aim at the absolute loss; use squared or huber")
        sets: list[lightgbm.Dataset] = []
        for encoded, target, weights in self.labels(train, valid):
            if weights is None and sets and sets[0].weight is not None:
                # Read by rows, a table takes the first one's weights for its own, and they are 0. Ones count as none.
                weights = np.full(len(target), 2.0)
            sets.append(self._dataset(encoded, target, weights, reference=sets[0] if sets else None))
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
            keep_training_booster=True,  # else it is written out and read back once more
        )
        self.curves = thinned(curves["train"][metric], curves.get("valid", {}).get(metric))
        best = fitted.best_iteration if fitted.best_iteration > 0 else fitted.current_iteration()
        # Read back from text at once: what answers now is, to the bit, what will be loaded.
        self._read(fitted.model_to_string(num_iteration=best))

    def _dataset(
        self, encoded: Encoded, target: np.ndarray, weights: np.ndarray | None, reference: lightgbm.Dataset | None
    ) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            _Rows(encoded) if self.categorical(encoded) else encoded["numbers"],
            target,
            weight=weights,
            reference=reference,
            categorical_feature=self.categorical(encoded),
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
            "path_smooth": own.path_smooth,
            "linear_tree": own.linear_tree,
            "linear_lambda": own.linear_lambda,
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
        return np.asarray(self.booster.predict(matrix(inputs), raw_score=True, num_threads=threads()))

    def shapley(self, inputs: Encoded) -> np.ndarray | None:
        if self.settings.linear_tree:  # which LightGBM cannot take apart
            return None
        values = np.asarray(self.booster.predict(matrix(inputs), pred_contrib=True, num_threads=threads()))
        # A class after the other: [rows, classes * (columns + 1)] -> [rows, classes, columns + 1]
        return values.reshape(len(values), self.booster.num_model_per_iteration(), -1)

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
