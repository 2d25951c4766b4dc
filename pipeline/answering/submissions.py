"""Predictions to a submission's columns, the checks it must pass, and its score against a solution.

Rows in messages count from 1, the header apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.answering.answer_files import codes_of, numeric, read_answers, refuse
from pipeline.answering.score_several import score_several, score_several_classes
from pipeline.answering.submission_layout import CONTINUATION, SAMPLE, same_name, spelled, submission_layout
from pipeline.core.class_columns import class_column, columns_of
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import Metric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def format_predictions(
    predictions: pd.DataFrame, ids: pd.Series | None, submission: Mapping[str, Any], classes: Sequence[Any]
) -> pd.DataFrame:
    """Predictions [rows] in the submission's columns, row for row.

    ids: None numbers the rows, where the submission has an id column, from 1 or from its ``first``.
    submission: see ``submission_layout``.
    """
    import pandas as pd

    values: dict[str, Any] = {}
    for column in submission["columns"]:
        if column == submission["id"]:
            first = submission.get("first", 1)
            values[column] = range(first, first + len(predictions)) if ids is None else ids.to_numpy()
        elif (target := submission["targets"].get(column)) is not None:
            values[column] = _of_target(predictions, target, submission)
        elif submission["format"] == "values":
            values[column] = predictions["prediction"].to_numpy()
        elif submission["format"] == "continuations":
            values[column] = predictions[CONTINUATION].to_numpy()
        elif submission["format"] == "classes":
            values[column] = _most_probable(predictions, [str(level) for level in classes], submission["written"])
        else:
            values[column] = predictions[submission["probabilities"][column]].to_numpy()
    return pd.DataFrame(values, columns=submission["columns"])


def _of_target(predictions: pd.DataFrame, target: str, submission: Mapping[str, Any]) -> np.ndarray:
    """Of several, one: [rows]."""
    import pandas as pd

    if target not in predictions.columns:
        return _most_probable(predictions, columns_of(predictions.columns, target), submission["written"])
    values: np.ndarray = predictions[target].to_numpy()
    if submission["format"] != "classes":
        return values
    names = [class_column(target, level) for level in (0, 1)]
    label = pd.DataFrame(dict(zip(names, (1 - values, values), strict=True)))
    return _most_probable(label, names, submission["written"])


def _most_probable(predictions: pd.DataFrame, names: Sequence[str], written: Mapping[str, Any]) -> np.ndarray:
    """What the most probable of these columns is written as, [rows]; of equally probable ones the first."""
    import pandas as pd

    places = predictions[list(names)].to_numpy().argmax(axis=1)  # [rows, names] -> [rows]
    return pd.Series([written[name] for name in names]).to_numpy()[places]  # type: ignore[no-any-return]


def make_submission(
    predictions: pd.DataFrame,
    ids: pd.Series | None,
    sample: pd.DataFrame | None,
    *,
    id_column: str | None,
    target_column: str,
    submission_format: str,
    classes: Sequence[Any],
    of: Any = None,
    targets: Sequence[str] = (),
) -> pd.DataFrame:
    """Predictions of the test rows in the sample's columns and row order, each id as the sample spells it.

    ids: of the test rows, None where they have none; then the sample's rows are theirs in order.
    A sample of a few of the test rows is an example: the rows are then all of the test file, in its order.

    Raises UserError where the test rows' ids and the sample's are not the same set.
    """
    layout = submission_layout(
        sample,
        id_column=id_column,
        target_column=target_column,
        submission_format=submission_format,
        classes=classes,
        of=of,
        targets=targets,
    )
    made = format_predictions(predictions, ids, layout, classes)
    if sample is None:
        return made
    if ids is None:
        if len(made) != len(sample):
            raise UserError(f"{SAMPLE}: needs as many rows as the test rows, {len(made)}, got {len(sample)}")
        return made if layout["id"] is None else made.assign(**{layout["id"]: sample[layout["id"]].to_numpy()})
    if is_example(sample[layout["id"]], ids):
        return made
    order = _matched(ids, sample[layout["id"]], "test rows", SAMPLE)
    return made.iloc[order].assign(**{layout["id"]: sample[layout["id"]].to_numpy()}).reset_index(drop=True)


def check_submission(
    submission: pd.DataFrame,
    sample: pd.DataFrame | None,
    ids: pd.Series | None = None,
    *,
    id_column: str | None,
    target_column: str,
    submission_format: str,
    classes: Sequence[Any],
    of: Any = None,
    targets: Sequence[str] = (),
    where: str = "submission.csv",
) -> None:
    """Hold a submission to the sample (without one, to the test rows' ids, in their order).

    Raises UserError naming the rule, the column and the first row that breaks it: columns and
    their order, number of rows, ids once each and in order, nothing missing, finite numbers,
    known classes, probabilities between 0 and 1.
    """
    import numpy as np
    import pandas as pd

    layout = submission_layout(
        sample,
        id_column=id_column,
        target_column=target_column,
        submission_format=submission_format,
        classes=classes,
        of=of,
        targets=targets,
    )
    if list(submission.columns) != layout["columns"]:
        expected, got = ", ".join(layout["columns"]), ", ".join(map(str, submission.columns))
        raise UserError(f"{where}: needs the columns {expected}, in this order, got {got}")
    wanted, rows = ids, None if ids is None else len(ids)
    if sample is not None and not (layout["id"] and ids is not None and is_example(sample[layout["id"]], ids)):
        wanted, rows = sample[layout["id"]] if layout["id"] else ids, len(sample)
    if rows is not None and len(submission) != rows:
        raise UserError(f"{where}: needs {rows} rows, got {len(submission)}")
    if layout["id"] is not None and wanted is not None:
        got_ids, wanted_ids = _comparable(submission[layout["id"]], wanted)
        refuse(where, layout["id"], got_ids.duplicated(), submission, "needs each id once")
        refuse(where, layout["id"], got_ids.to_numpy() != wanted_ids.to_numpy(), submission, "needs the ids in order")
    for column in layout["columns"]:
        if column == layout["id"]:
            continue
        written = layout["written"]
        if column in layout["targets"]:
            written = {name: written[name] for name in columns_of(list(written), layout["targets"][column])}
        allowed = {str(value) for value in written.values()}
        values = submission[column]
        refuse(where, column, values.isna(), submission, "needs a value in every row")
        if layout["format"] == "classes":
            rule = f"needs one of the classes {', '.join(sorted(allowed)[:10])}"
            refuse(where, column, ~values.map(str).isin(allowed), submission, rule)
        elif layout["format"] == "probabilities":
            outside = ~pd.to_numeric(values, errors="coerce").between(0, 1)
            refuse(where, column, outside, submission, "needs probabilities between 0 and 1")
        elif pd.api.types.is_numeric_dtype(values):
            refuse(where, column, ~np.isfinite(values.to_numpy(dtype=np.float64)), submission, "needs finite numbers")


def score_submission(
    submission: Path,
    solution: Path,
    *,
    metric: Metric,
    id_column: str | None,
    target_column: str,
    submission_format: str,
    classes: Sequence[Any],
    of: Any = None,
    targets: Sequence[str] = (),
) -> float:
    """The metric of a submission file against a solution file, joined by id in any order.

    Raises UserError for ids that are missing or stand twice in either, values that are no
    numbers or unknown classes, and for bare classes where the metric needs probabilities.
    """
    import pandas as pd

    submission, solution = Path(submission), Path(solution)
    given, truth = read_answers(submission, id_column), read_answers(solution, id_column)
    if submission_format == "continuations":
        raise UserError(f"metric {metric.name}: is of log-probabilities, and {submission.name} holds continuations")
    layout = submission_layout(
        given,
        id_column=id_column,
        target_column=target_column,
        submission_format=submission_format,
        classes=classes,
        of=of,
        targets=targets,
        where=submission.name,
    )
    if not targets and target_column not in truth.columns:
        raise UserError(f"{solution.name}: no column '{target_column}'{did_you_mean(target_column, truth.columns)}")
    identifier = layout["id"]
    theirs = None if identifier is None else same_name(identifier, list(truth.columns))
    if identifier is not None and (theirs is not None or id_column is not None):
        if theirs is None:
            raise UserError(f"{solution.name}: no id column '{identifier}'{did_you_mean(identifier, truth.columns)}")
        order = _matched(given[identifier], truth[theirs], submission.name, solution.name)
        given = given.iloc[order].reset_index(drop=True)
    elif len(given) != len(truth):
        raise UserError(f"{submission.name}: needs as many rows as {solution.name}, {len(truth)}, got {len(given)}")
    if targets and classes:
        by_target = dict(zip(targets, classes, strict=True))
        return score_several_classes(given, truth, layout, by_target, metric, submission.name, solution.name)
    if targets:
        return score_several(given, truth, layout, metric, submission.name, solution.name)
    answers = [column for column in layout["columns"] if column != identifier]
    if layout["format"] == "values":
        predicted, target = given[answers[0]], truth[target_column]
        if not metric.reads_text:
            predicted, target = numeric(predicted, submission.name), numeric(target, solution.name)
        return metric.score(target, pd.DataFrame({"prediction": predicted}))
    codes = codes_of(truth[target_column], spelled(classes, truth[target_column]), solution.name)
    target = pd.Series([classes[code] for code in codes])
    if layout["format"] == "probabilities":
        return metric.score(target, _probabilities(given, layout, classes, submission.name))
    if metric.needs_probabilities:
        raise UserError(f"metric {metric.name}: needs probabilities, and {submission.name} holds classes")
    chosen = codes_of(given[answers[0]], layout["written"], submission.name)
    one_hot = (chosen[:, None] == range(len(classes))).astype("float64")  # [rows, classes]
    return metric.score(target, pd.DataFrame(one_hot, columns=[str(level) for level in classes]))


EXAMPLE = 0.5
"""Part of the test rows below which a sample that names some of them is an example."""


def is_example(sample_ids: pd.Series, ids: pd.Series) -> bool:
    """Whether a sample submission holds but a few of the test rows."""
    if len(sample_ids) >= EXAMPLE * len(ids):
        return False
    asked, given = _comparable(sample_ids, ids)
    return bool(asked.is_unique and asked.isin(given).all())


def _comparable(first: pd.Series, second: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Two columns of ids as text, to be held against each other: to the character where they agree so, else with
    whole numbers written one way (7, 7.0, 07 and 1e+05 are 7, 7, 7 and 100000), where that makes no two the same."""
    texts = first.map(str), second.map(str)
    if set(texts[0]) <= set(texts[1]) or set(texts[1]) <= set(texts[0]):
        return texts
    plain = texts[0].map(_plain_id), texts[1].map(_plain_id)
    merged = any(one.nunique() < text.nunique() for one, text in zip(plain, texts, strict=True))
    return texts if merged else plain


def _plain_id(text: str) -> str:
    from decimal import Decimal, InvalidOperation

    word = text.strip()
    try:
        number = Decimal(word)
        return str(int(number)) if number.is_finite() and abs(number) < 10**30 and number == int(number) else word
    except InvalidOperation:
        return word


def _matched(ids: pd.Series, wanted: pd.Series, ids_of: str, wanted_of: str) -> np.ndarray:
    """Positions [wanted] at which ``ids`` has each wanted id; both must be the same set, each once."""
    import pandas as pd

    given, asked = _comparable(ids, wanted)
    for values, place in ((given, ids_of), (asked, wanted_of)):
        if (doubled := values.duplicated()).any():
            raise UserError(f"{place}: needs each id once, got {values[doubled].iloc[0]} twice")
    found = pd.Index(given).get_indexer(pd.Index(asked))
    absent, place, other = asked[found < 0], ids_of, wanted_of
    if absent.empty and len(given) > len(asked):
        absent, place, other = given[~given.isin(asked)], wanted_of, ids_of
    if not absent.empty:
        raise UserError(f"{place}: id {absent.iloc[0]} of the {other} is missing ({len(absent)} such in all)")
    return found


def _probabilities(given: pd.DataFrame, layout: Mapping[str, Any], classes: Sequence[Any], where: str) -> pd.DataFrame:
    """A probability column a class, in the classes' order."""
    import pandas as pd

    names = [str(level) for level in classes]
    frame = pd.DataFrame({name: numeric(given[column], where) for column, name in layout["probabilities"].items()})
    if len(frame.columns) == 1 < len(names):
        other = names[1 - names.index(frame.columns[0])]
        frame[other] = 1 - frame.iloc[:, 0]
    return frame[names]
