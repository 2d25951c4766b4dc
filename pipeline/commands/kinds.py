"""What a target column holds, and what a sample submission wants of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FEW_CLASSES = 20
"""A whole-number target with at most so many levels (and a twentieth of the rows) is a class."""
LONG_TAIL = 1.0
"""Skewness above which a positive numeric target is trained on its logarithm."""
SEVERAL_WORDS = 1.5
"""Mean words of a target whose texts are written anew for each row, not chosen from a list."""
LOG_METRICS = ("log_rmse", "rmsle")


def numbers_of(values: pd.Series) -> pd.Series:
    """Float64, NaN where a value is no number ('1,234' and '$5' are numbers)."""
    import pandas as pd

    from pipeline.features.number_formats import number_format
    from pipeline.features.values import is_numeric, numbers, text

    form = None if is_numeric(values) else number_format(text(values, ()))
    read, bad = numbers(values, (), None if form is None else str(form))
    return pd.Series(read, index=values.index).mask(bad)


def task_of(
    values: pd.Series,
    answers: pd.DataFrame | None,
    suits: tuple[str, ...],
    why: dict[str, str],
    classes: str | None = None,
) -> str:
    """suits: tasks that a given metric is for. classes: why the values are classes, whatever they look like; None
    where that is not known."""
    numbers = numbers_of(values)
    is_number, levels = bool(numbers.notna().all()), values.nunique()
    fewer = classes is not None or levels <= min(FEW_CLASSES, len(values) / 20)
    whole = classes is not None or (is_number and bool((numbers % 1 == 0).all()))
    for task in ("classification", "regression", "translation"):
        if suits and task in suits and (len(suits) == 1 or (whole and fewer) == (task == "classification")):
            why["task"] = f"the metric is for {task}"
            if task == "regression" and not is_number:
                first = values[numbers.isna()].iloc[0]
                raise UserError(f"--metric: it is for numbers, and the target '{values.name}' holds {first!r}")
            return task
    if classes is not None:
        why["task"] = f"{classes}, {levels} of them"
        return "classification"
    if not is_number:
        _refuse_marks(values, numbers)
        if levels <= max(FEW_CLASSES, len(values) / 2):
            why["task"] = f"the target is not a number, it has {levels} levels"
            return "classification"
        if values.astype(str).str.count(r"\S+").mean() < SEVERAL_WORDS:
            raise UserError(
                f"target: column '{values.name}' has {levels} different texts in {len(values)} rows, too many for "
                "classes; give --target"
            )
        why["task"] = f"the target is text, {levels} different in {len(values)} rows"
        return "translation"
    if whole and (levels == 2 or fewer) and not _fractions_beyond_one(answers):
        why["task"] = f"the target has {levels} whole-number levels"
        return "classification"
    why["task"] = f"the target is a number with {levels} levels"
    return "regression"


def known_classes(train: pd.DataFrame, raw: Path, exactly: Callable[[str], pd.Series]) -> dict[str, str]:
    """Columns of labels that are classes whatever they are called, and why: folders that files lie in, and an array
    ``labels`` of whole numbers that repeat.

    raw: the folder of the training file. exactly: a column of it to the character.
    """
    from pipeline.sources.arrays import arrays_in, find_arrays, label_name
    from pipeline.sources.image_folders import FILE, LABEL
    from pipeline.sources.tables import find_table

    if find_table(raw, "train") is not None:
        if not {FILE, LABEL} <= set(train):
            return {}
        folders = exactly(FILE).astype("str").str.partition("/")[0]
        return {LABEL: "the folders that the files lie in"} if bool((folders == exactly(LABEL)).all()) else {}
    arrays = arrays_in(find_arrays(raw, "train"), raw.name)
    if "labels" not in arrays or arrays["labels"].dtype.kind not in "iu":
        return {}
    name = label_name(raw, arrays)
    repeat = name in train and train[name].nunique() <= max(FEW_CLASSES, len(train) / 2)
    return {name: "whole numbers called 'labels' (with --metric rmse they are numbers)"} if repeat else {}


def _refuse_marks(values: pd.Series, numbers: pd.Series) -> None:
    """A target of numbers but for marks of missing values is told as what it is."""
    from pipeline.features.missing_marks import INFINITE, MARKS
    from pipeline.features.values import raise_at

    odd = values[numbers.isna()].astype("str")
    if len(odd) < len(values) / 2 and odd.str.strip().str.lower().isin(MARKS | INFINITE).all():
        rule = f"needs a target, got {odd.iloc[0]!r}; give it or take the row out"
        raise_at("train", values, int(str(odd.index[0])), rule)


def _fractions_beyond_one(answers: pd.DataFrame | None) -> bool:
    """Whether the sample submission holds numbers that are neither classes nor probabilities."""
    import pandas as pd

    if answers is None or answers.shape[1] != 1:
        return False
    column = answers.iloc[:, 0]
    if not pd.api.types.is_float_dtype(column):
        return False
    return bool((column % 1 != 0).any()) and not column.dropna().between(0, 1).all()


def class_submission(values: pd.Series, answers: pd.DataFrame | None, metric: str | None, why: dict[str, str]) -> str:
    import pandas as pd

    from pipeline.metrics import metrics

    if metric is not None and metrics.get(metric).needs_probabilities:
        why["submission"] = f"the metric {metric} is of probabilities"
        return "probabilities"
    if answers is None:
        why["submission"] = "there is no sample submission"
        return "classes"
    if answers.shape[1] > 1:
        why["submission"] = "the sample submission has a column for each class"
        return "probabilities"
    column = answers.iloc[:, 0].dropna()
    if pd.api.types.is_float_dtype(column) and bool((column % 1 != 0).any()):
        why["submission"] = "the sample submission holds fractions"
        return "probabilities"
    if pd.api.types.is_numeric_dtype(column) and values.nunique() == 2 and not _spelled_as(values, column):
        why["submission"] = "the sample submission holds numbers, and the classes are none"
        return "probabilities"
    why["submission"] = "the sample submission holds classes"
    return "classes"


def _spelled_as(values: pd.Series, column: pd.Series) -> bool:
    """Whether the sample's numbers are the classes, or truths standing for them."""
    levels = {str(level).casefold() for level in values.unique()}
    if numbers_of(values).notna().all() or levels <= {"true", "false"}:
        return True
    return {str(level).casefold() for level in column.unique()} <= levels


def transform_of(values: pd.Series, metric: str | None, why: dict[str, str]) -> str:
    least: float = values.min()
    skew: Any = values.skew()
    if metric in LOG_METRICS:
        why["task.target"] = f"the metric {metric} compares logarithms"
        return "none" if least < 0 else "log" if least > 0 and metric == "log_rmse" else "log1p"
    if metric is None and least > 0 and skew > LONG_TAIL:
        why["task.target"] = f"all positive, with a long tail (skewness {skew:.1f})"
        return "log"
    why["task.target"] = "no long tail of positive numbers"
    return "standardise"
