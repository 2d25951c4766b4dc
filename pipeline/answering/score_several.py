"""Submissions of several targets against a solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.answering.answer_files import codes_of, numeric
from pipeline.answering.submission_layout import same_name, spelled
from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def score_several(
    given: pd.DataFrame, truth: pd.DataFrame, held: Mapping[str, str], metric: Metric, where: str, solution: str
) -> float:
    """held: column of the submission to its target."""
    import pandas as pd

    theirs = _columns_of_solution(truth, list(held.values()), solution)
    target = {name: pd.to_numeric(truth[column], errors="coerce") for name, column in theirs.items()}
    predicted = {name: numeric(given[column], where) for column, name in held.items()}
    return metric.score(pd.DataFrame(target), pd.DataFrame(predicted))


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
