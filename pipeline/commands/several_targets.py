"""What several target columns are: numbers, labels of yes and no, or classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.answering.submission_layout import same_name
from pipeline.commands.kinds import FEW_CLASSES, numbers_of, transform_of
from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.commands.guess import Guess

FOLDS = 5
SEVERAL = ("multioutput_regression", "multilabel", "multioutput_classification")
"""Tasks with several targets."""
_TOLD = {"labels": "yes and no", "numbers": "numbers", "classes": "classes", "words": "words"}


def guess_several(
    found: Guess,
    train: pd.DataFrame,
    answers: pd.DataFrame | None,
    names: list[str],
    metric: str | None,
    suits: Sequence[str],
) -> None:
    """Task, split, submission and metric of several targets, into ``found``.

    answers: the sample submission without its ids. suits: the tasks of the given metric, none given: none.
    Raises UserError for targets of kinds that do not go together, with the reason.
    """
    kinds = {name: _kind(train[name].dropna(), name, answers, suits) for name in names}
    several = set(kinds.values())
    if several == {"labels"}:
        _labels(found, answers, names, metric)
    elif several <= {"labels", "classes"}:
        _classes(found, train, answers, names, metric)
    elif all(_are_numbers(train[name].dropna()) for name in names):
        skewed = [transform_of(numbers_of(train[name].dropna()), None, {}) == "log" for name in names]
        found.task = {"name": "multioutput_regression", "target": "log" if all(skewed) else "standardise"}
        found.split = {"name": "shuffled", "folds": FOLDS, "seed": 0}
        found.submission, found.metric = "values", "mcrmse"
        found.why |= {"task": f"{len(names)} targets, numbers", "split": "no groups were found"}
    else:
        told = ", ".join(f"{name} of {_TOLD[kind]}" for name, kind in kinds.items())
        raise UserError(
            f"target: several targets are all numbers, all yes and no or all classes, and here are {told}; give "
            "--target for one, a competition for each"
        )
    if metric is None:
        found.why["metric"] = "the mean over the targets; if the competition scores otherwise, change it"
    else:
        found.metric = metric if found.task["name"] in suits else {"name": "mean_over_targets", "of": metric}


def named_by_classes(train: pd.DataFrame, names: Sequence[str], answers: Sequence[str]) -> tuple[str, ...]:
    """Targets for whose classes the sample submission has a column each, like ``colour_red``, where it has no other."""
    found, known = [], set()
    for name in names:
        levels = train[name].dropna().unique()
        if 2 <= len(levels) <= len(answers):
            columns = {same_name(class_column(name, level), answers) for level in levels.tolist()}
            if None not in columns:
                found.append(name)
                known |= columns
    return tuple(found) if known == set(answers) else ()


def _labels(found: Guess, answers: pd.DataFrame | None, names: list[str], metric: str | None) -> None:
    from pipeline.metrics import metrics

    found.task = {"name": "multilabel"}
    probable = metric is not None and metrics.get(metric).needs_probabilities
    said = answers is not None and all(_says_labels(answers[name]) for name in answers)
    found.submission = "classes" if said and not probable else "probabilities"
    accuracy = {"name": "mean_over_targets", "of": "accuracy"}
    found.metric = accuracy if found.submission == "classes" else "mean_columnwise_auc"
    _stratify(found, f"{len(names)} targets, labels of yes and no")


def _says_labels(column: pd.Series) -> bool:
    """Whether a column of the sample submission holds labels: whole numbers, truth values, words for them."""
    from pandas.api import types

    from pipeline.features.values import truths

    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return types.is_integer_dtype(column)
    return not truths(column, ())[1].any()


def _classes(
    found: Guess, train: pd.DataFrame, answers: pd.DataFrame | None, names: list[str], metric: str | None
) -> None:
    from pipeline.metrics import metrics

    found.task = {"name": "multioutput_classification"}
    probable = metric is not None and metrics.get(metric).needs_probabilities
    if answers is not None:
        probable = bool(named_by_classes(train, names, list(map(str, answers))))
    found.submission = "probabilities" if probable else "classes"
    found.metric = {"name": "mean_over_targets", "of": "log_loss" if probable else "accuracy"}
    told = ", ".join(f"{name} of {train[name].nunique()}" for name in names[:5])
    _stratify(found, f"{len(names)} targets, classes: {told}{', …' if len(names) > 5 else ''}")


def _stratify(found: Guess, told: str) -> None:
    found.split = {"name": "stratified", "folds": FOLDS, "seed": 0}
    found.why |= {"task": told, "split": "each fold has its share of each class"}


def _kind(values: pd.Series, name: str, answers: pd.DataFrame | None, suits: Sequence[str]) -> str:
    """values: of the target, those that are there. Whole numbers of few levels are classes where the sample submission
    holds whole numbers too."""
    from pandas.api import types

    from pipeline.features.values import truths

    if not truths(values, ())[1].any() and values.nunique() <= 2:
        return "labels"
    levels = values.nunique()
    if not _are_numbers(values):
        return "classes" if levels <= max(FEW_CLASSES, len(values) / 2) else "words"
    column = None if answers is None else same_name(name, list(map(str, answers)))
    whole = bool((numbers_of(values) % 1 == 0).all()) and levels <= min(FEW_CLASSES, len(values) / 20)
    asked = answers is None or column is None or types.is_integer_dtype(answers[column])
    suited = not suits or bool({"classification", "multioutput_classification"} & set(suits))
    return "classes" if whole and asked and suited else "numbers"


def _are_numbers(values: pd.Series) -> bool:
    return bool(numbers_of(values).notna().all())
