"""Stored files of a competition, made without the stages: real rows, simple models of scikit-learn out of fold."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.config import build_config
from pipeline.core.files import write_json
from pipeline.core.schema import FOLD, ROW, Column, Schema
from pipeline.diagnosis.base import told
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.stages.project import shelves

FOLDS = 5
SHELVES = shelves()


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: rows[name].astype(float) if rows[name].dtype.kind in "fiub" else rows[name].astype("str")
            for name in rows
        }
    )


class Stored:
    """One competition under ``root``. train, test: raw rows; ``model`` adds a model, ``find`` asks the findings."""

    def __init__(self, root: Path, train: pd.DataFrame, test: pd.DataFrame, target: str, **settings: Any) -> None:
        self.root, self.target_name = root, target
        self.classes = () if train[target].dtype.kind == "f" else tuple(sorted(train[target].unique().tolist()))
        # A class keeps its own values, which are also its names in predictions.
        goal = train[target].astype(str) if self.classes else train[target].astype(float)
        self.train = typed(train.drop(columns=target)).assign(**{target: goal}).reset_index(drop=True)
        self.test = typed(test).reset_index(drop=True)
        self.fold = np.random.default_rng(0).permutation(np.arange(len(train)) % FOLDS)
        self.settings, self.models, self.raw = settings, {}, {}
        self.statistics = "training"

    @property
    def features(self) -> list[str]:
        return [name for name in self.test if name != "id"]

    def model(self, name: str, estimator: Any, columns: list[str] | None = None, **more: Any) -> None:
        """Cross-validate an estimator on numbers and frequent levels."""
        inputs, later = (self._design(rows, columns or self.features) for rows in (self.train, self.test))
        target = self.train[self.target_name]
        scores, out = [], None
        for k in range(FOLDS):
            there, here = self.fold != k, self.fold == k
            fitted = estimator.fit(inputs[there], target[there])
            if out is None:
                names = list(fitted.classes_) if self.classes else ["prediction"]
                out = pd.DataFrame(0.0, index=range(len(target)), columns=names)
            out.loc[here] = self._told(fitted, inputs[here])
            on_train = pd.DataFrame(self._told(fitted, inputs[there]), columns=out.columns)
            scores.append({"train": (target[there], on_train), "valid": (target[here], out[here])})
        answers = pd.DataFrame(self._told(estimator.fit(inputs, target), later), columns=out.columns)
        self.predicted(name, out, answers, scores, **more)

    def predicted(
        self, name: str, out: pd.DataFrame, answers: pd.DataFrame, scores: list | None = None, **more
    ) -> None:
        self.models[name] = (out, answers, scores, more)

    def _design(self, rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
        parts = []
        for name in columns:
            if rows[name].dtype.kind == "f":
                middle, spread = self.train[name].median(), self.train[name].std() or 1.0
                parts.append(((rows[name].fillna(middle) - middle) / spread).to_numpy()[:, None])
            else:
                frequent = self.train[name].value_counts().index[:25]
                parts.append(np.column_stack([(rows[name] == level).to_numpy(dtype=float) for level in frequent]))
        return np.column_stack(parts)

    def _told(self, fitted: Any, inputs: np.ndarray) -> np.ndarray:
        return fitted.predict_proba(inputs) if self.classes else fitted.predict(inputs)[:, None]

    def write(self) -> Evidence:
        data = self.root / "data" / "toy"
        columns = tuple(Column(name, self._kind(name)) for name in self.features)
        kind = "class" if self.classes else "number"
        classes = tuple(map(str, self.classes))
        schema = Schema("id" if "id" in self.train else None, self.target_name, columns, classes, target_kind=kind)
        config = build_config(
            {
                "competitions": {"toy": {**self._competition(), **self.settings}},
                "models": {
                    name: {
                        "competition": "toy",
                        "features": "all",
                        "model": {"name": "lightgbm"},
                        **more.get("raw", {}),
                    }
                    for name, (_, _, _, more) in self.models.items()
                },
            },
            SHELVES,
        )
        metric = config.competition("toy").metric
        (data / "rows").mkdir(parents=True, exist_ok=True)
        self.train.assign(**{FOLD: self.fold}).to_parquet(data / "rows" / "train.parquet", index=False)
        self.test.to_parquet(data / "rows" / "test.parquet", index=False)
        write_json(data / "schema.json", schema.to_json())
        facts = {"train_rows": len(self.train), "test_rows": len(self.test), "folds": FOLDS}
        write_json(data / "rows" / "facts.json", {**facts, "statistics": {"all": self.statistics}})
        valid = {}
        for name, (out, answers, parts, more) in self.models.items():
            for folder in ("tuned", "final"):
                (data / folder / name).mkdir(parents=True, exist_ok=True)
            table = pd.concat([pd.DataFrame({ROW: range(len(out)), FOLD: self.fold}), out], axis=1)
            table.to_parquet(data / "tuned" / name / "predictions.parquet", index=False)
            answers.to_parquet(data / "final" / name / "predictions.parquet", index=False)
            folds = []
            for k in range(FOLDS):
                one = {key: self._score(metric, *parts[k][key]) for key in ("train", "valid")} if parts else None
                folds.append({"fold": k, **(one or dict.fromkeys(("train", "valid"), self._of_fold(metric, out, k)))})
            valid[name] = [one["valid"] for one in folds]
            means = {key: fmean(one[key] for one in folds) for key in ("train", "valid")}
            write_json(data / "tuned" / name / "scores.json", {"folds": folds, **means, "spread": pstdev(valid[name])})
            write_json(data / "tuned" / name / "curves.json", more.get("curves", [{}] * FOLDS))
            if "trace" in more:
                write_json(data / "tuned" / name / "trace.json", more["trace"])
            if "trials" in more:
                write_json(data / "tuned" / name / "trials.json", {"trials": more["trials"]})
        sign = 1 if metric.higher_is_better else -1
        best = max(valid, key=lambda name: sign * fmean(valid[name]))
        blended = self.settings.get("_blend", valid[best])
        weights = {name: float(name == best) for name in valid}
        empty = dict.fromkeys(("intercept", "calibration", "decision"))
        blend = {"weights": weights, **empty, "folds": blended, "valid": fmean(blended), "spread": pstdev(blended)}
        write_json(data / "blend.json", blend)
        return Evidence(config, "toy", 0.05 / 7)

    def find(self) -> dict[str, dict[str, Any]]:
        """Code to finding, of all on the shelf."""
        evidence = self.write()
        found = {}
        for code in findings:
            finding = findings.build(code, "findings")
            if (one := finding.look(evidence)) is not None:
                found[code] = told(finding, one)
        return found

    def _kind(self, name: str) -> str:
        values = self.train[name]
        if values.dtype.kind == "f":
            return "number"
        return "text" if values.nunique() > 0.5 * len(values) else "category"

    def _competition(self) -> dict[str, Any]:
        return {
            "source": {"name": "files", "path": "files"},
            "columns": {"target": self.target_name},
            "task": "classification" if self.classes else {"name": "regression", "target": "log"},
            "metric": "accuracy" if self.classes else "log_rmse",
            "split": {"name": "shuffled", "folds": FOLDS},
            "features": {"all": {"name": "categorical"}},
            "blend": "best",
            "submission": "values",
        }

    def _score(self, metric: Any, target: pd.Series, predictions: pd.DataFrame) -> float:
        return metric.score(target.reset_index(drop=True), predictions.reset_index(drop=True))

    def _of_fold(self, metric: Any, out: pd.DataFrame, k: int) -> float:
        return self._score(metric, self.train[self.target_name][self.fold == k], out[self.fold == k])
