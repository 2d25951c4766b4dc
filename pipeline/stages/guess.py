"""Raw train, test and sample submission -> what a competition most likely is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

FEW_CLASSES = 30
"""A whole-number target with at most so many levels (and a twentieth of the rows) is a class."""
LONG_TAIL = 1.0
"""Skewness above which a positive numeric target is trained on its logarithm."""
CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss", "matthews")
PROBABILITY_METRICS = ("roc_auc", "log_loss")
LOG_METRICS = ("log_rmse", "rmsle")


@dataclass
class Guess:
    """The settings guessed, and for each why; ``why`` is saved under ``guessed``."""

    columns: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    metric: str = ""
    submission: str = ""
    split: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


def guess(
    train: pd.DataFrame,
    test: pd.DataFrame,
    sample: pd.DataFrame | None,
    *,
    target: str | None = None,
    id: str | None = None,
    metric: str | None = None,
) -> Guess:
    """Guess what is not said. Raises UserError where nothing can be guessed, saying what to give."""
    found = Guess()
    found.columns["id"] = _id(train, test, sample, id, found.why)
    found.columns["target"] = _target(train, test, sample, found.columns["id"], target, found.why)
    values = train[found.columns["target"]].dropna()
    is_class = _is_class(values, metric, found.why)
    if is_class:
        found.task = {"name": "classification"}
        found.split = {"name": "stratified", "folds": 5, "seed": 0}
        found.submission = _class_submission(sample, metric, found.why)
        found.metric = metric or ("log_loss" if found.submission == "probabilities" else "accuracy")
        if metric is None:
            found.why["metric"] = f"the submission wants {found.submission}"
    else:
        found.task = {"name": "regression", "target": _transform(values, metric, found.why)}
        found.split = {"name": "shuffled", "folds": 5, "seed": 0}
        found.submission = "values"
        found.metric = metric or ("log_rmse" if found.task["target"] == "log" and values.min() >= 1 else "rmse")
        if metric is None:
            found.why["metric"] = f"numeric target, trained as {found.task['target']}"
    return found


def _id(
    train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame | None, given: str | None, why: dict[str, str]
) -> str | None:
    if given is not None:
        if given not in test.columns:
            raise UserError(f"--id: no column '{given}' in the test file{did_you_mean(given, map(str, test.columns))}")
        return given
    if sample is not None and sample.columns[0] in test.columns:
        why["columns.id"] = "first column of the sample submission"
        return str(sample.columns[0])
    for name in map(str, test.columns):
        unique = train.get(name) is not None and train[name].is_unique and test[name].is_unique
        if unique and name.lower().rstrip("0123456789").endswith("id"):
            why["columns.id"] = "its name ends with id, and its values are unique"
            return name
    why["columns.id"] = "none found"
    return None


def _target(
    train: pd.DataFrame,
    test: pd.DataFrame,
    sample: pd.DataFrame | None,
    id: str | None,
    given: str | None,
    why: dict[str, str],
) -> str:
    if given is not None:
        if given not in train.columns:
            hint = did_you_mean(given, map(str, train.columns))
            raise UserError(f"--target: no column '{given}' in the train file{hint}")
        return given
    only = [str(name) for name in train.columns if name not in test.columns]
    named = [name for name in only if sample is not None and name in sample.columns and name != id]
    if len(named) == 1:
        why["columns.target"] = "in train and sample submission, not in test"
        return named[0]
    if len(only) == 1:
        why["columns.target"] = "in train, not in test"
        return only[0]
    raise UserError(
        f"target: cannot be guessed, columns in train and not in test: {', '.join(only) or 'none'}; give --target"
    )


def _is_class(values: pd.Series, metric: str | None, why: dict[str, str]) -> bool:
    import pandas as pd

    if metric in CLASS_METRICS:
        why["task"] = f"the metric {metric} is for classes"
        return True
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        why["task"] = "the target is not a number"
        return True
    levels = values.nunique()
    whole = bool((values % 1 == 0).all())
    if metric is None and whole and (levels == 2 or levels <= min(FEW_CLASSES, len(values) / 20)):
        why["task"] = f"the target has {levels} whole-number levels"
        return True
    why["task"] = "the target is a number" if metric is None else f"the target is a number, the metric {metric}"
    return False


def _class_submission(sample: pd.DataFrame | None, metric: str | None, why: dict[str, str]) -> str:
    import pandas as pd

    if metric in PROBABILITY_METRICS:
        why["submission"] = f"the metric {metric} is of probabilities"
        return "probabilities"
    if sample is None:
        return "classes"
    if sample.shape[1] > 2:
        why["submission"] = "the sample submission has a column for each class"
        return "probabilities"
    values = sample.iloc[:, -1]
    if pd.api.types.is_float_dtype(values) and bool((values % 1 != 0).any()):
        why["submission"] = "the sample submission holds fractions"
        return "probabilities"
    why["submission"] = "the sample submission holds classes"
    return "classes"


def _transform(values: pd.Series, metric: str | None, why: dict[str, str]) -> str:
    if metric in LOG_METRICS or (metric is None and values.min() > 0 and float(values.skew()) > LONG_TAIL):
        transform = "log" if values.min() > 0 else "log1p" if values.min() >= 0 else "none"
        why["task.target"] = f"the metric {metric}" if metric else "positive, with a long tail"
        return transform
    return "standardise"
