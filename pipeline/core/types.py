"""The words every part speaks.

Between stages go data frames and named files. Inside training goes ``Encoded``, a plain
``dict`` of arrays that share their first dimension, the *examples*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from pipeline.core.combination import Combination, Library

Encoded: TypeAlias = "dict[str, np.ndarray]"
"""Arrays by name, first dimension examples (float32, int64 or bool). One example a row, unless ``row`` [examples]
int64 says which row each example belongs to (windows of a document, say). ``first`` [examples] bool marks those
that begin a document, ``length`` [examples] int64 counts their tokens; both are for samplers. ``target`` is the
encoded target, where the rows have one."""

Batch: TypeAlias = "dict[str, torch.Tensor]"
"""The same as tensors, for one minibatch."""

Loss: TypeAlias = "tuple[torch.Tensor, torch.Tensor | int]"
"""A sum of losses and how many it is over (rows, tokens; 0: nothing counts), so that sums and weights add up."""

FOLD = "__fold__"
"""Column of ``rows/train.parquet`` with each row's validation fold (-1: none); no competition's own."""

ROW = "__row__"
"""Column of out-of-fold predictions with the row's position in the training table; beside it stands ``FOLD``."""

ColumnKind = Literal["number", "category", "text"]


@dataclass(frozen=True)
class Column:
    """A feature column once its type is settled.

    kind: ``number`` (float64, dates already taken apart), ``category`` (discrete levels as
    strings) or ``text`` (free text as strings). Missing values stay missing in all three.
    source: how raw text becomes the typed column: ``as_is``, ``numeric_text``, ``boolean``, or ``date.<part>``
    for a part of the raw date column ``origin``, written in ``format`` (``ISO8601`` or strptime's).
    """

    name: str
    kind: ColumnKind
    source: str = "as_is"
    origin: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class Schema:
    """What preprocess settled once about a competition's rows; lies in ``schema.json``.

    classes: the target's levels in order (their own JSON type), empty when it is not a class.
    dropped: raw column to the reason it is not used (identifier, constant, all missing, ...).
    keep: columns that stay in the rows and are no features (group, time, fold).
    target_kind: a ``number`` (float64 in the rows), a ``class`` of ``classes``, or ``text``.
    """

    id: str | None
    target: str
    columns: tuple[Column, ...]
    classes: tuple[Any, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ("", "NA")
    keep: tuple[str, ...] = ()
    target_kind: Literal["number", "class", "text"] = "number"

    def names(self, *kinds: ColumnKind) -> list[str]:
        return [column.name for column in self.columns if column.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Schema:
        columns = tuple(Column(**column) for column in value["columns"])
        lists = {key: tuple(value[key]) for key in ("classes", "missing", "keep")}
        return cls(**{**value, **lists, "columns": columns})


@dataclass(frozen=True)
class Spec:
    """What a model must know of the encoded inputs to be built. Plain data, saved with the model.

    shapes: per input, the shape of one example without the leading dimension.
    names: per input, the names along its last dimension (feature names), where it has them.
    sizes: named sizes: vocabulary sizes, ``categories`` cardinalities (a list), ...
    vocabularies: index-to-token lists by name, for tasks that answer with text.
    outputs: width of the raw output (1 for regression, number of classes, vocabulary size).
    classes: the target's classes as text, in the schema's order; empty when it is not a class.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    names: Mapping[str, list[str]] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    vocabularies: Mapping[str, list[str]] = field(default_factory=dict)
    outputs: int = 1
    classes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spec:
        shapes = {name: tuple(shape) for name, shape in value["shapes"].items()}
        return cls(**{**value, "shapes": shapes, "classes": tuple(value.get("classes", ()))})


class Encoder(Protocol):
    """A fitted feature set: typed rows to ``Encoded``. Fitted on one fold's training rows.

    Typed rows hold numbers as float64, texts and categories as ``str`` (pandas categoricals in a large table).
    """

    spec: Spec
    reads: Sequence[str]
    """Typed columns it reads, the target apart."""

    def encode(self, rows: pd.DataFrame, training: bool = False) -> Encoded:
        """Encode rows. ``training``: these are the very rows it was fitted on, in order, so
        encodings that look at the target (target encoding) must be cross-fitted."""

    def state(self) -> dict[str, Any]:
        """Everything learned, as JSON values; ``FeatureSet.restore`` turns it back exactly."""


class FeatureSet(Protocol):
    """Settings of an encoder (shelf ``features``)."""

    name: ClassVar[str]
    statistics: Literal["training", "train_and_test"]
    """The rows it learns from: each fold's training rows, or all rows at once (as the book does)."""

    @property
    def gives(self) -> frozenset[str]:
        """Names of the inputs that ``encode`` makes."""
        ...

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> Encoder:
        """Fit on typed rows (with the target column, where there is one)."""
        ...

    def restore(self, state: Mapping[str, Any], schema: Schema) -> Encoder: ...


class Target(Protocol):
    """How a task's target goes into training and comes back. Fitted on a fold's training rows."""

    def encode(self, target: pd.Series) -> np.ndarray | None:
        """[rows] -> float32 [rows, 1] or int64 [rows]; None where the encoder makes the target."""
        ...

    def state(self) -> dict[str, Any]: ...


class Task(Protocol):
    """The loss, and how raw outputs become predictions (shelf ``tasks``)."""

    name: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]
    """Names of the losses it takes, its default first."""
    numeric: ClassVar[bool]
    """Whether predictions are numbers and may be averaged."""
    target_kind: ClassVar[Literal["number", "class", "text"]]
    """What the target column holds."""
    decodes: ClassVar[bool]
    """Whether raw answers are what the network's ``decode`` finds in many passes, not ``answer`` of its output."""

    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target: ...

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target: ...

    def outputs(self, schema: Schema, spec: Spec) -> int:
        """Width of the raw output a model must have."""
        ...

    def loss(self, output: torch.Tensor, batch: Batch, criterion: Callable[..., torch.Tensor]) -> Loss:
        """Of a minibatch, masked where the batch says so; the loop goes down the gradient of its mean."""
        ...

    def answer(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The network's output to a row of raw answer an example: [batch, ...]."""
        ...

    def predictions(self, raw: np.ndarray, target: Target, spec: Spec) -> pd.DataFrame:
        """Raw answers [rows, ...] to the target's own units: column ``prediction``, or one
        probability column a class, named ``str(class)``, in the schema's order."""
        ...

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Target) -> pd.DataFrame:
        """Weighted average of predictions (weights sum to 1), in the space the loss lives in."""
        ...

    def raw(self, predictions: pd.DataFrame, target: Target) -> np.ndarray:
        """The inverse of ``predictions``, float64 [rows, outputs]; of tasks that the blend ``stacked`` suits."""
        ...

    def diagnostic(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        """Name and data of the figure that shows where predictions go wrong, if there is one."""
        ...


class Model(Protocol):
    """Settings of a model (shelf ``models``)."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    needs: ClassVar[frozenset[str]]
    """Inputs it reads. A ``may_read`` beside it names those read where given, an ``or_needs`` those that do instead."""
    learner: ClassVar[str]
    """Who fits it (shelf ``learners``); its settings are the model's ``fit``."""

    def build(self, spec: Spec, task: Task, seed: int) -> Any:
        """An unfitted network or estimator."""
        ...


@dataclass
class FitJob:
    """All a learner is given. ``valid`` is None when retraining on all rows."""

    model: Model
    task: Task
    spec: Spec
    train: Encoded
    valid: Encoded | None
    seed: int
    rounds: int | None = None
    """Train exactly this many epochs or iterations, without early stopping."""
    score: Callable[[np.ndarray], float] | None = None
    """Metric of raw answers for the validation rows, in the target's own units."""
    higher_is_better: bool = False
    checkpoint: Path | None = None
    """Folder for going on after a kill; the learner may leave it empty."""
    progress: Callable[[int, int], None] = lambda done, total: None


class Fitted(Protocol):
    """A trained model that maps encoded rows to raw answers."""

    rounds: int
    """Epochs or iterations to train for to get this model again (the best one, if chosen)."""
    curves: dict[str, list[float]]
    """One value an epoch (``train_loss``, ``valid_loss``, ``valid_score``, ``learning_rate``)."""

    def raw(self, inputs: Encoded) -> np.ndarray:
        """Raw answers, one row a row: [rows, outputs] or what the task's ``answer`` gives."""
        ...

    def importance(self) -> dict[str, float] | None:
        """Feature importance by name, where the model knows it."""
        ...

    def save(self, folder: Path) -> None: ...


class Learner(Protocol):
    """Settings and act of fitting (shelf ``learners``); the keys of a model's ``fit``."""

    name: ClassVar[str]

    def stack_key(self, model: Model, task: Task) -> str | None:
        """Jobs with equal keys may be trained as one program; None: each is fitted alone."""
        ...

    def stack_size(self, model: Model, widest: Spec, task: Task) -> int:
        """Jobs that one such program may hold."""
        ...

    def fit(self, job: FitJob) -> Fitted: ...

    def load(self, folder: Path, model: Model, task: Task, spec: Spec) -> Fitted: ...


class Metric(Protocol):
    """Shelf ``metrics``."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    higher_is_better: ClassVar[bool]
    decision: ClassVar[Literal["thresholds", "cut_points"] | None]
    """Which rule from probabilities to classes suits it; None: it takes predictions as they are."""
    rewards_calibration: ClassVar[bool]
    """Whether it looks at probabilities by their value, not by their order or the largest alone."""

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float: ...


class Split(Protocol):
    """Shelf ``splits``."""

    name: ClassVar[str]
    column: ClassVar[str | None]
    """Which of ``columns`` it splits by: group, time, fold, or none of them."""
    folds: int

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """Validation fold of each row, int64 [rows]; -1 for rows that are never validated."""
        ...

    def training_rows(self, fold: np.ndarray, k: int) -> np.ndarray:
        """Boolean mask [rows] of the rows fold ``k`` trains on."""
        ...


class Blend(Protocol):
    """Shelf ``blends``: how models' predictions become one, learned from out-of-fold predictions."""

    name: ClassVar[str]
    numeric: ClassVar[bool]
    """Whether it averages predictions (then they must be numbers)."""
    calibration: Literal["auto", "none", "temperature", "sigmoid", "isotonic"]
    """How the blend's probabilities are calibrated."""
    decision: Literal["auto", "none"]
    """Whether classes are decided by thresholds chosen out of fold, where the metric has a use for them."""

    def fit(self, library: Library) -> Combination: ...


class Source(Protocol):
    """Shelf ``sources``: brings a competition's raw files."""

    name: ClassVar[str]
    missing: tuple[str, ...]
    """Texts that mean a missing value in its files."""

    def origin(self) -> dict[str, Path]:
        """Files that a person may change in place, by name; their digests decide whether to fetch again."""
        ...

    def fetch(self, folder: Path, competition: str) -> None:
        """Write ``train.*``, ``test.*``, ``sample_submission.*`` and, where known, ``solution.*`` into ``folder``."""
        ...
