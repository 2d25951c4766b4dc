"""What a submission looks like: its columns, and how it spells the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = "sample submission"
CONTINUATION = "continuation"
"""Column of predictions with what texts go on with, and of a submission of these without a sample."""


def submission_layout(
    sample: pd.DataFrame | None,
    *,
    id_column: str | None,
    target_column: str,
    submission_format: str,
    classes: Sequence[Any],
    of: Any = None,
    targets: Sequence[str] = (),
    where: str = SAMPLE,
) -> dict[str, Any]:
    """What a submission looks like, as JSON values.

    sample: the sample submission, or any file of the same form; without one, id and target
    (or a column a class, where more than two want probabilities).
    submission_format: ``values`` of a classification are its classes. classes: of several targets that are classes,
    those of each.
    of: the class that a lone column of probabilities is of, see ``Submission``. targets: where there are several.

    Returns ``format``; ``id``, its id column or None; ``columns``, all in order; ``written``,
    each class as the sample spells it; ``probabilities``, target column to the class it is of; ``targets``, column to
    the target it holds, where there are several. Of several that are classes ``written`` and ``probabilities`` name
    each as predictions do; of labels ``written`` names ``label=0`` and ``label=1``.
    """
    if targets and classes:
        return _several_classes(sample, id_column, dict(zip(targets, classes, strict=True)), submission_format, where)
    if targets:
        return _several(sample, id_column, targets, submission_format, where)
    names = [str(level) for level in classes]
    kind = "classes" if names and submission_format == "values" else submission_format
    if kind not in ("values", "continuations") and not names:
        raise UserError(f"submission.format: {kind} need a target of classes; use values")
    if sample is None:
        targets = names if kind == "probabilities" and len(names) > 2 else [target_column]
        targets = [CONTINUATION] if kind == "continuations" else targets
        columns = [*([id_column] if id_column else []), *targets]
    else:
        columns = [str(column) for column in sample.columns]
        if id_column is None:
            id_column = _unnamed_id(columns, kind, names)
        elif (same := same_name(id_column, columns)) is None:
            raise UserError(f"{where}: no id column '{id_column}'{did_you_mean(id_column, columns)}")
        else:
            id_column = same
        targets = [column for column in columns if column != id_column]
    written = dict(zip(names, classes))
    probabilities: dict[str, str] = {}
    if kind == "probabilities" and not (len(targets) == 1 and len(names) == 2):
        probabilities = _columns_of_classes(targets, names, where)
    elif len(targets) != 1:
        raise UserError(f"{where}: needs one column beside the id for {kind}, got {', '.join(targets) or 'none'}")
    elif kind == "probabilities":
        probabilities = {targets[0]: _lone_class(targets[0], names, of)}
    elif kind == "classes" and sample is not None:
        written = spelled(classes, sample[targets[0]])
    found = {"format": kind, "id": id_column, "columns": columns, "written": written, "probabilities": probabilities}
    return {**found, "targets": {}}


def _several(
    sample: pd.DataFrame | None, id_column: str | None, targets: Sequence[str], submission_format: str, where: str
) -> dict[str, Any]:
    """A column a target, named as it is but for case and marks."""
    columns, id_column, held = _held(sample, id_column, targets, "the targets", where)
    written: dict[str, Any] = {}
    for column, target in held.items() if submission_format == "classes" else ():
        spelling = {"0": 0, "1": 1} if sample is None else spelled((0, 1), sample[column])
        written |= {class_column(target, level): value for level, value in spelling.items()}
    probabilities = held if submission_format == "probabilities" else {}
    found = {"format": submission_format, "id": id_column, "columns": columns, "written": written}
    return {**found, "probabilities": probabilities, "targets": held}


def _several_classes(
    sample: pd.DataFrame | None,
    id_column: str | None,
    classes: Mapping[str, Sequence[Any]],
    submission_format: str,
    where: str,
) -> dict[str, Any]:
    """A column a target with its class, or a column of probabilities a class of each target."""
    if submission_format == "probabilities":
        names = [class_column(target, level) for target, levels in classes.items() for level in levels]
        columns, id_column, held = _held(sample, id_column, names, "the targets' classes", where)
        found: dict[str, Any] = {"format": "probabilities", "id": id_column, "columns": columns, "written": {}}
        return {**found, "probabilities": held, "targets": {}}
    columns, id_column, held = _held(sample, id_column, list(classes), "the targets", where)
    written: dict[str, Any] = {}
    for column, target in held.items():
        levels = classes[target]
        spelling = spelled(levels, sample[column]) if sample is not None else dict(zip(map(str, levels), levels))
        written |= {class_column(target, name): value for name, value in spelling.items()}
    found = {"format": "classes", "id": id_column, "columns": columns, "written": written}
    return {**found, "probabilities": {}, "targets": held}


def _held(
    sample: pd.DataFrame | None, id_column: str | None, names: Sequence[str], what: str, where: str
) -> tuple[list[str], str | None, dict[str, str]]:
    """All columns in order, the id's among them, and by column which of ``names`` it holds, as it is named but for case
    and marks."""
    if sample is None:
        columns = [*([id_column] if id_column else []), *names]
    else:
        columns = [str(column) for column in sample.columns]
        if id_column is not None:
            same = same_name(id_column, columns)
            if same is None:
                raise UserError(f"{where}: no id column '{id_column}'{did_you_mean(id_column, columns)}")
            id_column = same
        elif len(columns) == len(names) + 1:
            id_column = columns[0]
    answers = [column for column in columns if column != id_column]
    held = {column: name for name in names if (column := same_name(name, answers)) is not None}
    if len(held) != len(names) or len(answers) != len(names):
        raise UserError(
            f"{where}: needs a column for each of {what} {', '.join(names)}, got {', '.join(answers) or 'none'}"
        )
    return columns, id_column, held


def same_name(name: str, columns: Sequence[str]) -> str | None:
    """The column of this name; else the only one that is spelled alike but for case, spaces and marks."""
    if name in columns:
        return name

    def plain(one: str) -> str:
        return "".join(letter for letter in one.casefold() if letter.isalnum())

    alike = [column for column in columns if plain(column) == plain(name)]
    return alike[0] if len(alike) == 1 else None


def _lone_class(column: str, names: Sequence[str], of: Any) -> str:
    """The class of two that one column of probabilities is of."""
    if of is not None:
        chosen = [name for name in names if name.casefold() == str(of).casefold()]
        if not chosen:
            raise UserError(f"submission.of: needs one of the classes {', '.join(names)}, got {of!r}")
        return chosen[0]
    return class_named(column, names) or names[1]


def class_named(column: str, names: Sequence[str]) -> str | None:
    """The class that a column is named after: by its name or its ending, in any case of letters; of several endings by
    the longest, as ``p_no_smoke`` is of no_smoke and not of smoke."""
    folded = column.casefold()
    found = [name for name in names if column == name] or [name for name in names if folded == name.casefold()]
    if not found:
        ends = [name for name in names if folded.endswith((f"_{name}".casefold(), f" {name}".casefold()))]
        found = [name for name in ends if len(name) == max(map(len, ends))]
    return found[0] if len(found) == 1 else None


def spelled(classes: Sequence[Any], column: pd.Series) -> dict[str, Any]:
    """Class (as text) to the value that stands for it in a column: ``1``, ``1.0``, ``TRUE``, `` yes``, ...

    Where the column's values are none of the classes in any spelling (a placeholder), the
    classes stay as they are.
    """
    names = [str(level) for level in classes]
    present = set(column.map(str))
    for spelling in _spellings(classes, column):
        if present and present <= {str(value) for value in spelling}:
            return dict(zip(names, spelling))
    return dict(zip(names, classes))


def _spellings(classes: Sequence[Any], column: pd.Series) -> list[list[Any]]:
    """Ways to write the classes in the column's type, the plainest first."""
    from pandas.api import types

    from pipeline.features.values import TRUTH_WORDS

    truths = _truth_values(classes)
    if types.is_bool_dtype(column):
        return [truths] if truths else []
    if types.is_numeric_dtype(column):
        try:
            numbers = [float(level) for level in truths or classes]
        except ValueError:
            return []
        whole = types.is_integer_dtype(column) and all(number.is_integer() for number in numbers)
        return [[int(number) for number in numbers] if whole else numbers]
    words = [[pair[truth] for truth in truths] for pair in TRUTH_WORDS] if truths else []
    cased = [[case(word) for word in pair] for pair in words for case in (str.capitalize, str.lower, str.upper)]
    spellings = [[str(level) for level in classes], *cased]
    # Classes have lost the spaces around them, which a file written as "a, b" has before each value.
    edges = {(value[: len(value) - len(value.lstrip())], value[len(value.rstrip()) :]) for value in column.map(str)}
    if len(edges) == 1 and edges != {("", "")}:
        before, after = edges.pop()
        spellings = [[f"{before}{name}{after}" for name in spelling] for spelling in spellings]
    return [spelling for spelling in spellings if spelling]


def _unnamed_id(columns: Sequence[str], kind: str, names: Sequence[str]) -> str | None:
    """The first column, where there is one more than the answer takes."""
    takes = {1, 2} if len(names) == 2 else {len(names)}
    many = len(columns) - 1 in takes and columns[0] not in names if kind == "probabilities" else len(columns) == 2
    return columns[0] if many else None


def first_number(ids: pd.Series) -> int:
    """Where ids that count the rows begin; 1 where they do not count."""
    import pandas as pd

    numbers = pd.to_numeric(ids, errors="coerce")
    counts = numbers.notna().all() and (numbers.diff().iloc[1:] == 1).all() and numbers.iloc[0] % 1 == 0
    return int(numbers.iloc[0]) if counts else 1


def _columns_of_classes(columns: Sequence[str], names: Sequence[str], where: str) -> dict[str, str]:
    """Column to class: by name, or by an ending such as ``Status_C``, in any case of letters."""
    found: dict[str, str] = {}
    for column in columns:
        if (name := class_named(column, names)) is None:
            continue
        if other := [one for one, of in found.items() if of == name]:
            raise UserError(
                f"{where}: the columns '{other[0]}' and '{column}' could both be of the class '{name}'; name each "
                "column as its class"
            )
        found[column] = name
    if len(found) != len(names) or len(columns) != len(names):
        raise UserError(
            f"{where}: probabilities need one column for each of the classes {', '.join(names[:10])}, "
            f"got {', '.join(columns[:10]) or 'none'}"
        )
    return found


def _truth_values(classes: Sequence[Any]) -> list[bool] | None:
    """False and True, where the classes are nothing else in some spelling."""
    known = {"false": False, "0": False, "0.0": False, "true": True, "1": True, "1.0": True}
    truths = [known.get(str(level).casefold()) for level in classes]
    return [bool(truth) for truth in truths] if set(truths) == {False, True} and len(truths) == 2 else None
