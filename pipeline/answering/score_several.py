"""Submissions of several targets against a solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.answering.answer_files import codes_of, numeric, refuse
from pipeline.answering.submission_layout import same_name, spelled
from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING = ("",)
"""What a cell without an answer holds."""


def score_several(
    given: pd.DataFrame, truth: pd.DataFrame, layout: Mapping[str, Any], metric: Metric, where: str, solution: str
) -> float:
    """Of numbers and labels. layout: of the submission. A row of the solution lacks a target where its cell is
    empty."""
    import pandas as pd

    theirs = _columns_of_solution(truth, list(layout["targets"].values()), solution)
    target = {name: _numbers(truth[column], solution) for name, column in theirs.items()}
    if layout["format"] == "classes":
        if metric.needs_probabilities:
            raise UserError(f"metric {metric.name}: needs probabilities, and {where} holds classes")
        predicted = {name: _numbers(given[column], where) for column, name in layout["targets"].items()}
    else:
        predicted = {name: numeric(given[column], where) for column, name in layout["targets"].items()}
    return metric.score(pd.DataFrame(target), pd.DataFrame(predicted))


def _numbers(values: pd.Series, where: str) -> pd.Series:
    """Numbers, or labels in words such as yes and no as 1 and 0; NaN where nothing is said."""
    import pandas as pd

    from pipeline.features.values import truths

    number = pd.to_numeric(values, errors="coerce").astype("float64")
    said = values.notna() & (values.map(str).str.strip() != "")
    if not (said & number.isna()).any():
        return number
    label, bad = truths(values, MISSING)
    refuse(where, str(values.name), bad, values.to_frame(), "needs numbers, or labels such as yes and no")
    return pd.Series(label, index=values.index)


def score_several_classes(
    given: pd.DataFrame,
    truth: pd.DataFrame,
    layout: Mapping[str, Any],
    classes: Mapping[str, Sequence[Any]],
    metric: Metric,
    where: str,
    solution: str,
) -> float:
    """layout: of the submission. classes: by target. A row of the solution lacks a target where its cell is empty."""
    import pandas as pd

    theirs = _columns_of_solution(truth, list(classes), solution)
    target: dict[str, Any] = {}
    for name, column in theirs.items():
        known = truth[column].notna() & (truth[column].map(str).str.strip() != "")
        own, levels = truth[column][known], [str(level) for level in classes[name]]
        codes = codes_of(own, spelled(classes[name], own), solution)
        target[name] = pd.Series([levels[code] for code in codes], index=own.index, dtype="str").reindex(truth.index)
    predicted: dict[str, np.ndarray] = {}
    if layout["format"] == "probabilities":
        predicted = {name: numeric(given[column], where).to_numpy() for column, name in layout["probabilities"].items()}
    elif metric.needs_probabilities:
        raise UserError(f"metric {metric.name}: needs probabilities, and {where} holds classes")
    else:
        for column, name in layout["targets"].items():
            names = [class_column(name, level) for level in classes[name]]
            codes = codes_of(given[column], {one: layout["written"][one] for one in names}, where)
            predicted |= {one: (codes == place).astype("float64") for place, one in enumerate(names)}
    return metric.score(pd.DataFrame(target), pd.DataFrame(predicted))


def _columns_of_solution(truth: pd.DataFrame, targets: Sequence[str], solution: str) -> dict[str, str]:
    """By target the column that has it."""
    columns = [str(column) for column in truth.columns]
    found: dict[str, str] = {}
    for target in targets:
        if (column := same_name(target, columns)) is None:
            raise UserError(f"{solution}: no column '{target}'{did_you_mean(target, columns)}")
        found[target] = column
    return found
