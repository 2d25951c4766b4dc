"""Stored files of a competition, made without the stages: real rows, simple models of scikit-learn out of fold."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
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
from pipeline.images.column import images_of, is_images
from pipeline.images.rows import write_rows
from pipeline.stages.project import shelves

FOLDS = 5
LEVEL = 0.05 / 8
SHELVES = shelves()


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    kinds = {name: "image" if is_images(rows[name]) else rows[name].dtype.kind for name in rows}
    as_they_are = {name: rows[name] for name, kind in kinds.items() if kind == "image"}
    plain = {
        name: rows[name].astype(float) if kinds[name] in "fiub" else rows[name].astype("str")
        for name in rows
        if name not in as_they_are
    }
    return pd.DataFrame({**plain, **as_they_are})


@dataclass
class Model:
    """out: out-of-fold predictions [rows]. answers: of the test rows. folds: scores. more: curves, trials, raw."""

    out: pd.DataFrame
    answers: pd.DataFrame
    folds: list[dict[str, Any]]
    more: dict[str, Any] = field(default_factory=dict)


class Stored:
    """One competition. root: of its files. train, test: raw rows. keep: columns that are no features. fold: of each
    training row, at random unless given. ``model`` adds a model, ``planted`` is a copy with a fault, ``write`` and
    ``find`` ask the findings."""

    def __init__(
        self,
        root: Path | None,
        train: pd.DataFrame,
        test: pd.DataFrame,
        target: str,
        *,
        keep: tuple[str, ...] = (),
        fold: np.ndarray | None = None,
        **settings: Any,
    ) -> None:
        self.root, self.target_name, self.keep = root, target, keep
        self.classes = () if train[target].dtype.kind == "f" else tuple(sorted(train[target].astype(str).unique()))
        goal = train[target].astype(str) if self.classes else train[target].astype(float)
        self.train = typed(train.drop(columns=target)).assign(**{target: goal}).reset_index(drop=True)
        self.test = typed(test).reset_index(drop=True)
        self.fold = np.random.default_rng(0).permutation(np.arange(len(train)) % FOLDS) if fold is None else fold
        self.settings, self.models = settings, {}
        self.statistics, self.solution, self.blended = "training", None, None
        self.extra = 0
        self.dates: dict[str, str] = {}
        self.fitted: dict[str, Any] = {}

    @property
    def features(self) -> list[str]:
        return [name for name in self.test if name not in ("id", *self.keep)]

    def planted(self, root: Path, plant=None) -> Stored:
        """A copy under ``root`` that ``plant(made, generator)`` has changed; its models stay what they were."""
        made = copy.copy(self)
        made.root = root
        made.train, made.test, made.settings = self.train.copy(), self.test.copy(), copy.deepcopy(self.settings)
        made.models = {name: Model(**vars(model)) for name, model in self.models.items()}
        if plant is not None:
            plant(made, np.random.default_rng(1))
        return made

    def take(self, rows: np.ndarray) -> None:
        """Other training rows, with their folds and what models say of them; those that come again get a fold."""
        again = pd.Series(rows).duplicated().to_numpy()
        self.train, self.fold = self.train.iloc[rows].reset_index(drop=True), self.fold[rows].copy()
        self.fold[again] = np.random.default_rng(2).integers(0, FOLDS, again.sum())
        for model in self.models.values():
            model.out = model.out.iloc[rows].reset_index(drop=True)

    def add_tests(self, rows: pd.DataFrame) -> None:
        self.test = pd.concat([self.test, rows[list(self.test)]], ignore_index=True)
        self.answer()

    def answer(self) -> None:
        """What the models fitted on all rows say of the test rows as they are now."""
        for name, model in self.models.items():
            if name in self.fitted:
                fitted, columns = self.fitted[name]
                told = self._told(fitted, self._design(self.test, columns))
                model.answers = pd.DataFrame(told, columns=model.out.columns)

    def model(self, name: str, estimator: Any, columns: list[str] | None = None, **more: Any) -> None:
        """Cross-validate an estimator on numbers, frequent levels, pairs of letters and pixels."""
        columns = columns or self.features
        inputs, target, metric = self._design(self.train, columns), self.train[self.target_name], self._metric()
        names = list(self.classes) or ["prediction"]
        out, folds = pd.DataFrame(0.0, index=range(len(target)), columns=names), []
        for k in range(FOLDS):
            there, here = self.fold != k, self.fold == k
            fitted = copy.deepcopy(estimator).fit(inputs[there], target[there])
            out.loc[here] = self._told(fitted, inputs[here])
            on_train = pd.DataFrame(self._told(fitted, inputs[there]), columns=names)
            scores = {"train": self._score(metric, target[there], on_train)}
            folds.append({"fold": k, **scores, "valid": self._score(metric, target[here], out[here])})
        self.fitted = {**self.fitted, name: (copy.deepcopy(estimator).fit(inputs, target), columns)}
        answers = pd.DataFrame(self._told(self.fitted[name][0], self._design(self.test, columns)), columns=names)
        self.models[name] = Model(out, answers, folds, more)

    def predicted(self, name: str, out: pd.DataFrame, answers: pd.DataFrame, train: list | None = None, **more) -> None:
        """A model of which predictions are known. train: scores of training rows by fold, those of new ones unless
        given."""
        metric, target = self._metric(), self.train[self.target_name]
        valid = [self._score(metric, target[self.fold == k], out[self.fold == k]) for k in range(FOLDS)]
        folds = [{"fold": k, "train": (train or valid)[k], "valid": valid[k]} for k in range(FOLDS)]
        self.models[name] = Model(out, answers, folds, more)

    def _design(self, rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
        parts = []
        for name in columns:
            if is_images(rows[name]):
                parts.append(images_of(rows[name]).stored.read().reshape(len(rows), -1) / 255)
            elif self._kind(name) == "text":
                from sklearn.feature_extraction.text import HashingVectorizer

                pairs = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 2), n_features=256, alternate_sign=False)
                parts.append(pairs.transform(rows[name].fillna("")).toarray())
            elif rows[name].dtype.kind == "f":
                middle, spread = self.train[name].median(), self.train[name].std() or 1.0
                parts.append(((rows[name].fillna(middle) - middle) / spread).to_numpy()[:, None])
            else:
                frequent = self.train[name].value_counts().index[:25]
                parts.append(np.column_stack([(rows[name] == level).to_numpy(dtype=float) for level in frequent]))
        return np.column_stack(parts)

    def _told(self, fitted: Any, inputs: np.ndarray) -> np.ndarray:
        return fitted.predict_proba(inputs) if self.classes else fitted.predict(inputs)[:, None]

    def write(self) -> Evidence:
        """Under ``root``, which is to be the working folder."""
        if self.root is None:
            raise ValueError("a clean copy is planted somewhere first")
        data = self.root / "data" / "toy"
        made_of = {name: {"source": "date.days", "origin": origin} for name, origin in self.dates.items()}
        columns = tuple(Column(name, self._kind(name), **made_of.get(name, {})) for name in self.features)
        kind = "class" if self.classes else "number"
        named = "id" if "id" in self.train else None
        images = {name: {} for name in self.features if is_images(self.train[name])}
        schema = Schema(named, self.target_name, columns, self.classes, target_kind=kind, keep=self.keep, images=images)
        config = self._config()
        (data / "rows").mkdir(parents=True, exist_ok=True)
        write_rows(self.train.assign(**{FOLD: self.fold}), data / "rows" / "train.parquet")
        write_rows(self.test, data / "rows" / "test.parquet")
        write_json(data / "schema.json", schema.to_json())
        facts = {"train_rows": len(self.train), "extra_rows": self.extra, "test_rows": len(self.test), "folds": FOLDS}
        write_json(data / "rows" / "facts.json", {**facts, "statistics": {"all": self.statistics}})
        if self.solution is not None:
            (data / "raw").mkdir(exist_ok=True)
            self.solution.to_csv(data / "raw" / "solution.csv", index=False)
        for name, model in self.models.items():
            for folder in ("tuned", "final"):
                (data / folder / name).mkdir(parents=True, exist_ok=True)
            table = pd.concat([pd.DataFrame({ROW: range(len(model.out)), FOLD: self.fold}), model.out], axis=1)
            table.to_parquet(data / "tuned" / name / "predictions.parquet", index=False)
            model.answers.to_parquet(data / "final" / name / "predictions.parquet", index=False)
            valid = [one["valid"] for one in model.folds]
            means = {"train": fmean(one["train"] for one in model.folds), "valid": fmean(valid)}
            write_json(data / "tuned" / name / "scores.json", {"folds": model.folds, **means, "spread": pstdev(valid)})
            write_json(data / "tuned" / name / "curves.json", model.more.get("curves", [{}] * FOLDS))
            if "trace" in model.more:
                write_json(data / "tuned" / name / "trace.json", model.more["trace"])
            if "trials" in model.more:
                write_json(data / "tuned" / name / "trials.json", {"trials": model.more["trials"]})
        write_json(data / "blend.json", self._blend())
        return Evidence(config, "toy", LEVEL)

    def find(self, *codes: str) -> dict[str, dict[str, Any]]:
        """Code to finding, of these or of all on the shelf."""
        evidence, found = self.write(), {}
        for code in codes or findings:
            finding = findings.build(code, "findings")
            if (one := finding.look(evidence)) is not None:
                found[code] = told(finding, one)
        return found

    def _blend(self) -> dict[str, Any]:
        valid = {name: [one["valid"] for one in model.folds] for name, model in self.models.items()}
        sign = 1 if self._metric().higher_is_better else -1
        best = max(valid, key=lambda name: sign * fmean(valid[name]))
        weights = {name: float(name == best) for name in valid}
        empty = dict.fromkeys(("intercept", "calibration", "decision"))
        blended = self.blended or valid[best]
        return {"weights": weights, **empty, "folds": blended, "valid": fmean(blended), "spread": pstdev(blended)}

    def _kind(self, name: str) -> str:
        values = self.train[name]
        if is_images(values):
            return "image"
        if values.dtype.kind == "f":
            return "number"
        return "text" if values.nunique() > 0.5 * len(values) else "category"

    def _config(self) -> Any:
        raw = {
            name: {"competition": "toy", "features": "all", "model": {"name": "lightgbm"}, **model.more.get("raw", {})}
            for name, model in self.models.items()
        }
        nothing = {"any": {"competition": "toy", "features": "all", "model": {"name": "lightgbm"}}}
        competition = {**self._competition(), **self.settings}
        return build_config({"competitions": {"toy": competition}, "models": raw or nothing}, SHELVES)

    def _metric(self) -> Any:
        return SHELVES.metrics.build(self._competition()["metric"], "metric")

    def _competition(self) -> dict[str, Any]:
        return {
            "source": {"name": "files", "path": "files"},
            "columns": {"target": self.target_name},
            "task": "classification" if self.classes else {"name": "regression", "target": "log"},
            "metric": "accuracy" if self.classes else "log_rmse",
            "split": {"name": "shuffled", "folds": FOLDS},
            "features": {"all": {"name": "categorical"}, "numbers": {"name": "tabular"}},
            "blend": "best",
            "submission": "values",
        }

    def _score(self, metric: Any, target: pd.Series, predictions: pd.DataFrame) -> float:
        return metric.score(target.reset_index(drop=True), predictions.reset_index(drop=True))
