"""Raw train, test and sample submission -> what a competition most likely is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.answering.submission_layout import same_name
from pipeline.commands.groups import ID_NAME, find_group
from pipeline.commands.kinds import class_submission, numbers_of, task_of, transform_of
from pipeline.commands.parallel import split_of
from pipeline.commands.several_targets import FOLDS, SEVERAL, guess_several, named_by_classes
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.schema import INDEX

if TYPE_CHECKING:
    import pandas as pd

TARGETS = ("target", "label", "labels", "class", "y", "outcome", "response", "score")
"""Names of a target, where no test file says which column is asked for."""
WEIGHTS = ("weight", "weights", "sample_weight", "row_weight", "instance_weight")
"""Names of how much a training row counts, where the test file has no such column."""
LEAST_FOLDS = 3
"""Rows of the rarest class below which folds are not stratified."""


@dataclass
class Guess:
    """The settings guessed, and for each why; ``why`` is saved under ``guessed``."""

    columns: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    metric: Any = ""
    submission: str = ""
    split: dict[str, Any] = field(default_factory=dict)
    blend: dict[str, Any] = field(default_factory=lambda: {"name": "greedy"})
    why: dict[str, str] = field(default_factory=dict)


def guess(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    sample: pd.DataFrame | None,
    *,
    target: str | None = None,
    id: str | None = None,
    metric: str | None = None,
    exactly: Callable[[str], pd.Series] | None = None,
    classes: Mapping[str, str] | None = None,
) -> Guess:
    """Guess what is not said. Raises UserError where nothing can be guessed, saying what to give.

    exactly: a column of the test file (of the training file without one) to the character.
    test: None where there is nothing to predict.
    classes: columns of labels that are known to be classes, whatever they look like, and why.
    """
    found = Guess()
    suits = _tasks_of(metric)
    asked = train if test is None else test
    found.columns["id"] = _id(train, test, sample, id, exactly or (lambda name: asked[name]), found.why)
    if test is not None:
        answered = set() if sample is None else set(map(str, sample.columns))
        _refuse_alike(train, test, {found.columns["id"], target, *answered})
    found.columns["target"] = _target(train, test, sample, found.columns["id"], target, found.why)
    target_names = [found.columns["target"]] if isinstance(found.columns["target"], str) else found.columns["target"]
    of_test = train.columns if test is None else test.columns
    if extra := [n for n in train.columns if n not in of_test and n not in (found.columns["id"], *target_names)]:
        if len(weights := [name for name in extra if name.casefold() in WEIGHTS and test is not None]) == 1:
            found.columns["weight"] = weights[0]
            found.why["columns.weight"] = "its name, and the test file has no such column: how much a row counts"
        if unread := [name for name in extra if name != found.columns.get("weight")]:
            found.columns["drop"] = unread
            found.why["columns.drop"] = "in train, not in test, and not the target"
    answers = None
    if sample is not None:
        id_there = (
            None if found.columns["id"] is None else same_name(found.columns["id"], list(map(str, sample.columns)))
        )
        answers = sample.drop(columns=id_there or [], errors="ignore")
    if len(target_names) > 1:
        guess_several(found, train, answers, list(target_names), metric, suits)
        _group(found, train, test, {found.columns["id"], *target_names, *extra})
        return found
    values = train[found.columns["target"]].dropna()
    if values.dtype == "str":
        values = values.str.strip()
    if values.empty:
        raise UserError(f"target: column '{found.columns['target']}' is missing in every training row; give --target")
    task = task_of(values, answers, suits, found.why, (classes or {}).get(target_names[0]))
    found.split = {"name": "shuffled", "folds": FOLDS, "seed": 0}
    found.why["split"] = "no groups and no time were named or found"
    found.submission = "values"
    if task == "classification":
        found.task = {"name": "classification"}
        _stratify(found, values)
        found.submission = class_submission(values, answers, metric, found.why)
        guessed_metric = "log_loss" if found.submission == "probabilities" else "accuracy"
        because = f"the submission wants {found.submission}"
    elif task == "translation":
        found.task, found.blend = {"name": "translation"}, {"name": "consensus"}
        found.split, found.why["split"] = split_of(len(train), valid=False)
        guessed_metric, because = "bleu", "texts are predicted"
    else:
        numbers = numbers_of(values)
        found.task = {"name": "regression", "target": transform_of(numbers, metric, found.why)}
        log = found.task["target"] == "log" and float(numbers.min()) >= 1
        guessed_metric = "log_rmse" if log else "rmse"
        because = f"a number, trained as {found.task['target']}"
    found.metric = metric or guessed_metric
    if metric is None:
        found.why["metric"] = f"{because}; if the competition scores otherwise, change it"
    if task != "translation":
        _group(found, train, test, {found.columns["id"], found.columns["target"], *extra})
    return found


def _refuse_alike(train: pd.DataFrame, test: pd.DataFrame, known: set[str | None]) -> None:
    """A feature that the two files spell in two ways is not to be lost in silence."""
    others = [str(name) for name in test.columns if name not in train.columns]
    for name in map(str, train.columns):
        if name not in test.columns and name not in known and (same := same_name(name, others)) is not None:
            raise UserError(f"the training file has '{name}' and the test file '{same}'; give both one name")


def _group(found: Guess, train: pd.DataFrame, test: pd.DataFrame | None, known: set[str | None]) -> None:
    if len([name for name in train.columns if name not in known]) < 2:
        return  # what would be left to learn from
    if test is not None and (group := find_group(train, test, known)) is not None:
        found.columns["group"] = group.column
        found.split = {"name": "grouped", "folds": FOLDS}
        found.why["split"] = f"'{group.column}': {group.why}, so folds keep them together"


def _stratify(found: Guess, values: pd.Series) -> None:
    least = int(values.value_counts().min())
    if least < LEAST_FOLDS:
        found.why["split"] = f"the rarest class has too few rows ({least}) for each fold to have some"
        return
    found.split = {"name": "stratified", "folds": min(FOLDS, least), "seed": 0}
    if least < FOLDS:
        found.why["split"] = f"as many folds as the rarest class has rows, {least}"


def _tasks_of(metric: str | None) -> tuple[str, ...]:
    """The tasks a given metric suits; none given suits all."""
    from pipeline.metrics import metrics

    if metric is None:
        return ()
    if metric not in metrics:
        raise UserError(f"--metric: no metric '{metric}'{did_you_mean(metric, metrics)}")
    suits: tuple[str, ...] = () if metric == "file" else metrics.get(metric).tasks
    guessed = {"regression", "classification", "translation", *SEVERAL}
    if not guessed & set(suits) - metrics.get(metric).asks_model:
        raise UserError(f"--metric: '{metric}' needs settings of its own; add without it and write it into params.yaml")
    return suits


def _id(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    sample: pd.DataFrame | None,
    given: str | None,
    exactly: Callable[[str], pd.Series],
    why: dict[str, str],
) -> str | None:
    """The test file's id column; the training file may be without."""
    asked, where = (train, "train") if test is None else (test, "test")
    columns = [str(name) for name in asked.columns]
    if given is not None:
        if given not in columns:
            raise UserError(f"--id: no column '{given}' in the {where} file{did_you_mean(given, columns)}")
        return given
    if sample is not None and (same := same_name(str(sample.columns[0]), columns)) is not None:
        why["columns.id"] = "first column of the sample submission"
        return same
    for name in filter(ID_NAME.search, columns):
        if name in train.columns and not train[name].is_unique:
            continue
        numbers_alone = asked[name].is_unique and not _has_fractions(asked[name])
        # 2010.1 and 2010.10 are two ids and one number; other fractions are measured (an inner diameter, ID).
        if numbers_alone or (not asked[name].is_unique and exactly(name).is_unique):
            why["columns.id"] = "its name ends with id, and its values are unique"
            return name
    why["columns.id"] = "none found; the test rows' order is theirs in the submission"
    return None


def _has_fractions(values: pd.Series) -> bool:
    return values.dtype.kind == "f" and bool((values.dropna() % 1 != 0).any())


def _target(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    sample: pd.DataFrame | None,
    id: str | None,
    given: str | None,
    why: dict[str, str],
) -> str | tuple[str, ...]:
    if given is not None:
        if given in train.columns:
            return given
        several = tuple(name.strip() for name in given.split(","))
        if absent := [name for name in several if name not in train.columns]:
            hint = did_you_mean(absent[0], map(str, train.columns)) + _no_names(train)
            raise UserError(f"--target: no column '{absent[0]}' in the train file{hint}")
        return several
    of_test = [] if test is None else list(test.columns)
    only = [str(name) for name in train.columns if name not in of_test and name != id and not INDEX.fullmatch(name)]
    if len(only) > 1:
        only = [name for name in only if name.casefold() not in WEIGHTS] or only
    theirs = None if sample is None or id is None else same_name(id, [str(name) for name in sample.columns])
    answers = [] if sample is None else [str(name) for name in sample.columns if name not in (id, theirs)]
    named = [name for name in answers if name in train.columns]
    if test is None and sample is None:
        named = [name for name in only if name.casefold() in TARGETS]
        if len(named) == 1:
            why["columns.target"] = "its name; there is no test file that lacks it"
            return named[0]
        raise UserError(f"target: cannot be guessed without a test file; give --target, one of {_some(only)}")
    if id is None and sample is not None and test is not None and len(named) > 1:
        _refuse_absent_id(named[0], train, test, sample)
    if len(named) > 1 and len(named) == len(answers) and not set(named) - set(only):
        why["columns.target"] = "in train and sample submission, not in test"
        return tuple(named)
    if id is not None and len(several := named_by_classes(train, only, answers)) > 1:
        why["columns.target"] = "their classes are the sample submission's columns"
        return several
    if len(named) == 1:
        where = "not in test" if named[0] in only else "and in test"
        why["columns.target"] = f"in train and sample submission, {where}"
        return named[0]
    if len(only) == 1:
        why["columns.target"] = "in train, not in test"
        return only[0]
    if len(answers) > 1 and (classed := [name for name in only if _names_columns(train[name], answers)]):
        why["columns.target"] = "its classes are the sample submission's columns"
        return classed[0]
    if only:
        told = f"columns in train and not in test: {_some(only)}"
        hint = f"give --target {only[0]}, or --target {','.join(only[:2])} where several are asked for"
    else:
        told, hint = "the test file has all columns of the training file", f"give --target, one of {_some(of_test)}"
    raise UserError(f"target: cannot be guessed, {told}; {hint}{_no_names(train)}")


def _no_names(train: pd.DataFrame) -> str:
    """What to do where the first line looks like a row: numbers, or texts that all are of several words or end as
    sentences do."""
    names = list(map(str, train.columns))
    bare = any(re.fullmatch(r"-?\d+[.,]\d+", name) for name in names)
    said = all(re.search(r"\S\s+\S|[.!?…。！？]$", name) for name in names)
    return "; or the files have no line of column names: add one" if bare or said else ""


def _some(names: Sequence[object]) -> str:
    """Names, or the first and the last of many."""
    shown = [*names[:8], "…", *names[-4:]] if len(names) > 13 else names
    return ", ".join(map(str, shown))


def _refuse_absent_id(name: str, train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame) -> None:
    """A first column of the sample submission that is an id in the training file alone."""
    there = same_name(name, [str(column) for column in test.columns])
    if name == sample.columns[0] and there is None and train[name].is_unique:
        raise UserError(
            f"the sample submission names its rows by '{name}', which the test file has not; add it there, or take it "
            "out of the sample submission, whose rows are then those of the test file in order"
        )


def _names_columns(values: pd.Series, columns: list[str]) -> bool:
    """Whether each level is a column, by its name or its ending (``Status_C``)."""
    levels = [str(level).casefold() for level in values.dropna().unique()[: len(columns) + 1]]
    folded = [column.casefold() for column in columns]
    return bool(levels) and all(any(c == one or c.endswith(("_" + one, " " + one)) for c in folded) for one in levels)


def named_kinds(found: Guess, numbers: Mapping[str, pd.Series]) -> dict[str, str]:
    """Number columns that are codes of a kind by their name (``MSSubClass``, ``zip_code``) -> category."""
    endings = ("class", "code", "type", "category", "zip", "zipcode", "postcode")
    kinds = {}
    for name, series in numbers.items():
        plain = "".join(letter for letter in name.lower() if letter.isalpha())
        values = series.dropna()
        if plain.endswith(endings) and 2 < values.nunique() <= len(values) / 20 and bool((values % 1 == 0).all()):
            kinds[name] = "category"
    if kinds:
        found.why["columns.types"] = f"whole numbers that name a kind: {', '.join(kinds)}"
    return kinds
