"""XGBoost behind the protocol of an estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from pipeline.core.seeds import threads
from pipeline.core.types import Encoded
from pipeline.models.estimators.base import Plan, matrix
from pipeline.models.estimators.boosting import BoostingEstimator, now_and_then, thinned

OBJECTIVES = {
    "squared": ("reg:squarederror", "rmse"),
    "absolute": ("reg:absoluteerror", "mae"),
    "huber": ("reg:pseudohubererror", "mphe"),
    "binary": ("binary:logistic", "logloss"),
    "multiclass": ("multi:softprob", "mlogloss"),
}


class _Report(xgboost.callback.TrainingCallback):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.report = now_and_then(plan)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        self.report(epoch + 1)
        return False


class _Binned(xgboost.QuantileDMatrix):
    """Tells Python nothing of its columns' types, which XGBoost itself knows: it would fetch and compare
    them several times an iteration, a third of the time on small tables."""

    feature_types = property(lambda self: None, xgboost.DMatrix.feature_types.fset)  # type: ignore[attr-defined]


class XGBoostEstimator(BoostingEstimator):
    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        objective, metric = self.objective(plan, OBJECTIVES)
        sets: list[tuple[xgboost.DMatrix, str]] = []
        for encoded, target, weights in self.labels(train, valid):
            # Binned at once, without a copy of the values in between; validation rows by the same bins.
            binned = _Binned(
                label=target,
                weight=weights,
                max_bin=self.settings.max_bin,
                ref=sets[0][0] if sets else None,
                **self._inputs(encoded),
            )
            sets.append((binned, "valid" if sets else "train"))
        stop = plan.early_stopping if valid is not None else None
        curves: dict[str, dict[str, list[float]]] = {}
        fitted = xgboost.train(
            {**self._parameters(), "objective": objective, "eval_metric": metric, "huber_slope": plan.delta},
            sets[0][0],
            num_boost_round=plan.iterations,
            evals=sets,
            evals_result=curves,
            early_stopping_rounds=stop,
            verbose_eval=False,
            callbacks=[_Report(plan)],
        )
        self.curves = thinned(curves["train"][metric], curves.get("valid", {}).get(metric))
        best = fitted[: fitted.best_iteration + 1] if stop is not None else fitted
        best.set_attr(best_iteration=None, best_score=None)
        self._read(bytes(best.save_raw("ubj")))

    def _inputs(self, encoded: Encoded) -> dict[str, Any]:
        values, first = matrix(encoded, np.float32), encoded["numbers"].shape[1]
        kinds = ["q" if k < first else "c" for k in range(values.shape[1])]
        return {"data": values, "feature_types": kinds, "enable_categorical": True, "nthread": threads()}

    def _parameters(self) -> dict[str, Any]:
        own = self.settings
        return {
            "learning_rate": own.learning_rate,
            "max_depth": own.max_depth,
            "min_child_weight": own.min_child_weight,
            "subsample": own.subsample,
            "colsample_bytree": own.colsample_bytree,
            "gamma": own.gamma,
            "reg_alpha": own.reg_alpha,
            "reg_lambda": own.reg_lambda,
            "max_bin": own.max_bin,
            "max_cat_to_onehot": own.max_cat_to_onehot,
            **({"num_class": self.classes} if self.kind == "multiclass" else {}),
            "tree_method": "hist",
            "seed": self.seed,
            "nthread": threads(),
            "verbosity": 0,
        }

    def margin(self, inputs: Encoded) -> np.ndarray:
        return self.booster.predict(xgboost.DMatrix(**self._inputs(inputs)), output_margin=True)

    def shapley(self, inputs: Encoded) -> np.ndarray | None:
        return self.booster.predict(xgboost.DMatrix(**self._inputs(inputs)), pred_contribs=True)

    def importance(self) -> dict[str, float] | None:
        """Share of the gain of all splits."""
        gains = self.booster.get_score(importance_type="total_gain")  # by "f0", "f1", ...
        return self.shares(np.array([gains.get(f"f{k}", 0.0) for k in range(len(self.features))]))

    def save(self, folder: Path) -> None:
        (folder / "xgboost.ubj").write_bytes(self.content)

    def load(self, folder: Path) -> None:
        self._read((folder / "xgboost.ubj").read_bytes())

    def _read(self, content: bytes) -> None:
        self.content = content
        self.booster = xgboost.Booster({"nthread": threads()})
        self.booster.load_model(bytearray(content))
        self.rounds = self.booster.num_boosted_rounds()
