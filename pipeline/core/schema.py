"""What is known of a competition's rows, and the forms they take on their way into a model.

Between stages go data frames and named files. Inside training goes ``Encoded``, a plain
``dict`` of arrays that share their first dimension, the *examples*.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pipeline.core.class_columns import class_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

Encoded: TypeAlias = "dict[str, Any]"
"""Columns by name, first dimension examples: arrays (float32, int64 or bool), ``Ragged`` where examples differ in
length, which minibatches pad with 0 to their own longest, or ``Stored`` where they stay in files. An example is a row.
``length`` int64, for samplers, counts its tokens where its columns do not tell: [examples], or [examples, sides], of
which the first fills a minibatch. ``target`` is the encoded target, where the rows have one. ``row_weight`` [examples]
float32, of training rows that do not all count alike, is how much each counts; their mean is 1."""

Batch: TypeAlias = "dict[str, torch.Tensor]"
"""The same as tensors, for one minibatch."""

Weighed: TypeAlias = "tuple[torch.Tensor, torch.Tensor | int]"
"""A sum of losses and how many it is over (rows, tokens; 0: nothing counts), so that sums and weights add up."""

InnerFolds: TypeAlias = "Callable[[], list[tuple[np.ndarray, np.ndarray]]]"
"""What is cross-fitted on the rows that something is fitted on asks for the competition's split within
them: pairs of positions among these rows, those that train and those that are answered by what the
others taught. No row is answered twice; some may not be at all (the earliest, where time orders them)."""

FOLD = "__fold__"
"""Column of ``rows/train.parquet`` with each row's validation fold (-1: none); no competition's own."""

WEIGHT = "__weight__"
"""Column of ``rows/train.parquet`` with how much each row counts in a fit, where not all count alike."""

ROW = "__row__"
"""Column of out-of-fold predictions with the row's position in the training table; beside it stands ``FOLD``."""

LOGS = "log_probabilities"
"""Column of predictions with the log-probability that a model gives each token of a row's known text, its end mark
included, those before it given: float32 [tokens of the row]."""

INDEX = re.compile(r"Unnamed: 0(\.\d+)?|__index_level_\d+__|level_0")
"""Names that pandas gives the column its index is written to."""

ColumnKind = Literal["number", "category", "text", "image"]
TargetKind = Literal["number", "class", "text", "numbers", "labels", "classes"]
LEVELS: tuple[TargetKind, ...] = ("class", "classes")
"""Kinds of targets whose values are names of classes, kept to the character."""
PROBABLE: tuple[TargetKind, ...] = (*LEVELS, "labels")
"""Kinds that are answered with probabilities."""


@dataclass(frozen=True)
class Column:
    """A feature column once its type is settled.

    kind: ``number`` (float64, dates already taken apart), ``category`` (discrete levels as
    strings) or ``text`` (free text as strings), in which missing values stay missing; or ``image`` (uint8 [height,
    width, channels], a position in an array on disk), of which none is missing.
    source: how raw text becomes the typed column: ``as_is``, ``numeric_text``, ``boolean``, or ``date.<part>``
    for a part of the raw date column ``origin``.
    format: of a date ``ISO8601`` or strptime's; of a number the way in which it writes 1234.5, None for the plain one.
    missing: what stands for a missing value in this column alone, besides the schema's own.
    test_format: of a date, how the test file and rows like its write it, where that is another way.
    """

    name: str
    kind: ColumnKind
    source: str = "as_is"
    origin: str | None = None
    format: str | None = None
    missing: tuple[str, ...] = ()
    test_format: str | None = None


@dataclass(frozen=True)
class Schema:
    """What preprocess settled once about a competition's rows; lies in ``schema.json``.

    classes: the target's levels in order (their own JSON type), empty when it is not a class.
    dropped: raw column to the reason it is not used (identifier, constant, all missing, ...).
    keep: columns that stay in the rows and are no features (group, time, fold).
    target_kind: a ``number`` (float64 in the rows), a ``class`` of ``classes``, or ``text``.
    targets: the target columns where there are several; ``target`` is then their names, joined. Their kind is
        ``numbers``, ``labels`` (0 and 1) or ``classes`` (text), and rows may lack some of them.
    target_classes: of targets of the kind ``classes`` the levels of each in order (their own JSON type); in rows, and
        wherever they are named, as text.
    formats: of targets and kept columns by name, as a column's. target_missing: what means a missing target.
    own_columns: the file of one's own columns, which are made of raw rows first.
    mark: the column that is 1 in training rows from elsewhere and 0 in all others, if there is one.
    notes: raw column to what was decided about it that its user should know.
    clean: column of texts to the steps that clean it, in order, each with all its settings.
    images: column of images to how it is read, all settled (``ImageColumn``, with size and channels).
    as_text: raw columns that the training file has as text: other files' are read to the character too, though all that
        they hold looks like numbers (1.250 where the training file writes 1.250,5; the level 1.10).
    """

    id: str | None
    target: str
    columns: tuple[Column, ...]
    classes: tuple[Any, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ("", "NA")
    keep: tuple[str, ...] = ()
    target_kind: TargetKind = "number"
    targets: tuple[str, ...] = ()
    target_classes: tuple[tuple[Any, ...], ...] = ()
    formats: Mapping[str, str] = field(default_factory=dict)
    target_missing: tuple[str, ...] = ("", "NA")
    own_columns: str | None = None
    mark: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    clean: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    as_text: tuple[str, ...] = ()

    @property
    def target_names(self) -> tuple[str, ...]:
        """The target columns, one or several; none where the rows have no target."""
        return self.targets or ((self.target,) if self.target is not None else ())

    def target_of(self, rows: pd.DataFrame) -> Any:
        """The target of typed rows: a Series, or a DataFrame of several."""
        return rows[list(self.targets)] if self.targets else rows[self.target]

    @property
    def prediction_names(self) -> list[str]:
        """The columns of predictions: a class each, or a target each, or ``prediction``."""
        if self.target_classes:
            pairs = zip(self.targets, self.target_classes, strict=True)
            return [class_column(name, level) for name, levels in pairs for level in levels]
        return [str(level) for level in self.classes] or list(self.targets) or ["prediction"]

    def names(self, *kinds: ColumnKind) -> list[str]:
        return [column.name for column in self.columns if column.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Schema:
        columns = tuple(Column(**{**column, "missing": tuple(column["missing"])}) for column in value["columns"])
        lists = {key: tuple(value[key]) for key in ("classes", "missing", "keep", "target_missing", "targets")}
        lists["as_text"] = tuple(value.get("as_text", ()))
        several = tuple(tuple(levels) for levels in value.get("target_classes", ()))
        clean = {name: tuple(steps) for name, steps in value["clean"].items()}
        return cls(**{**value, **lists, "columns": columns, "clean": clean, "target_classes": several})


@dataclass(frozen=True)
class Spec:
    """What a model must know of the encoded inputs to be built. Plain data, saved with the model.

    shapes: per input, the shape of one example without the leading dimension.
    names: per input, the names along its last dimension (feature names), where it has them.
    sizes: named sizes: vocabulary sizes, ``categories`` cardinalities (a list), ...
    vocabularies: index-to-token lists by name.
    tokenizers: by name, a fitted tokenizer's ``settings`` and ``state``, for tasks that answer with text.
    outputs: width of the raw output (1 for regression, number of classes, vocabulary size).
    classes: the target's classes as text, in the schema's order; empty when it is not a class.
    target_classes: the same of each of several targets that are classes, of which ``outputs`` has one after the other.
    pretrained: per input that is for a pretrained network, that ``encoder`` as its user names it, and its ``config``.
    scales: per image, for each channel the ``mean`` taken off and the ``spread`` divided by, of uint8 values.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    names: Mapping[str, list[str]] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    vocabularies: Mapping[str, list[str]] = field(default_factory=dict)
    tokenizers: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    classes: tuple[str, ...] = ()
    target_classes: tuple[tuple[str, ...], ...] = ()
    pretrained: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spec:
        shapes = {name: tuple(shape) for name, shape in value["shapes"].items()}
        several = tuple(tuple(levels) for levels in value.get("target_classes", ()))
        classes = tuple(value.get("classes", ()))
        return cls(**{**value, "shapes": shapes, "classes": classes, "target_classes": several})
