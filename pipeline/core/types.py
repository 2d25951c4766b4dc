"""The words every part speaks: what each shelf's parts promise, and what passes between them.

A part derives from its shelf's class here. What it may do besides stands in that class as a default,
with its meaning in words, so that nobody asks a part whether it has something.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pipeline.core.class_weights import ClassWeights
from pipeline.core.metric import Metric as Metric
from pipeline.core.schema import FOLD as FOLD
from pipeline.core.schema import LOGS as LOGS
from pipeline.core.schema import ROW as ROW
from pipeline.core.schema import WEIGHT as WEIGHT
from pipeline.core.schema import Batch as Batch
from pipeline.core.schema import Column as Column
from pipeline.core.schema import Encoded, InnerFolds, Schema, Spec
from pipeline.core.schema import TargetKind as TargetKind
from pipeline.core.schema import Weighed as Weighed
from pipeline.core.source import Source as Source
from pipeline.core.task import Loss as Loss
from pipeline.core.task import Target as Target
from pipeline.core.task import Task as Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Encoder(Protocol):
    """A fitted feature set: typed rows to ``Encoded``. Fitted on one fold's training rows.

    Typed rows hold numbers as float64, texts and categories as ``str`` (pandas categoricals in a large table).
    """

    @property
    def spec(self) -> Spec: ...

    @property
    def reads(self) -> Sequence[str]:
        """Typed columns it reads, the target apart."""

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        """Encode rows. ``training``: these are the very rows it was fitted on, in order, so encodings
        that look at the target (target encoding) are cross-fitted by these folds."""

    def state(self) -> dict[str, Any]:
        """Everything learned, as JSON values; ``FeatureSet.restore`` turns it back exactly."""


class FeatureSet(ABC):
    """Settings of an encoder (shelf ``features``)."""

    name: ClassVar[str]
    statistics: Literal["training", "train", "train_and_test"] = "training"
    """The rows it learns from: each fold's training rows, or at once all of train, or of both (as the book does)."""
    files: Mapping[str, Path] = MappingProxyType({})
    """By name, the files that it reads besides the rows, which a saved model carries along."""

    def reading(self, folder: Path) -> FeatureSet:
        """The same, its ``files`` read from where they were carried to; of one that has some."""
        raise NotImplementedError

    @property
    @abstractmethod
    def gives(self) -> frozenset[str]:
        """Names of the inputs that ``encode`` makes."""

    @abstractmethod
    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> Encoder:
        """Fit on typed rows (with the target column, where there is one)."""

    def hold(self, encoder: Encoder, rows: pd.DataFrame, schema: Schema) -> None:
        """Raise UserError where what it learned from these rows hangs on others too: of code of one's own, after the
        encoders of all folds are fitted."""
        return

    @abstractmethod
    def restore(self, state: Mapping[str, Any], schema: Schema) -> Encoder: ...

    def facts(self, encoder: Encoder, rows: pd.DataFrame) -> dict[str, float]:
        """What the report says of how its encoder reads rows that it did not learn from."""
        return {}

    @property
    def by_row(self) -> bool:
        """Whether a row is encoded alike whatever an encoder was fitted on and stands beside it: all training rows are
        then encoded once for all folds."""
        return False

    @property
    def longest_text(self) -> int | None:
        """Tokens of a text at most, the rest of which is cut; None: where it says none."""
        return None

    selects: ClassVar[bool] = False
    """Whether models learn from some of the training rows only."""

    def selected(self, encoder: Encoder, rows: pd.DataFrame) -> np.ndarray:
        """From which of these training rows, bool [rows]; of one that ``selects``."""
        raise NotImplementedError


class Model(ABC):
    """Settings of a model (shelf ``models``)."""

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    needs: ClassVar[frozenset[str]]
    """Inputs it reads from ``Encoded``."""
    or_needs: ClassVar[frozenset[str]] = frozenset()
    """Inputs that do in place of ``needs``, where there are any."""
    may_read: ClassVar[frozenset[str]] = frozenset()
    """Inputs that it reads besides where they are given."""
    learner: ClassVar[str]
    """Who fits it (shelf ``learners``); its settings are the model's ``fit``."""
    stacks: ClassVar[bool] = False
    """Whether several of them may be trained as one network (``models/layers/members.py``)."""
    apart: ClassVar[frozenset[str]] = frozenset()
    """Its settings in which the members of one stack may differ."""
    submodels: int = 1
    """Networks inside one of it that each hold activations of their own."""
    several_rows: bool = False
    """Whether a minibatch needs two rows at least."""
    class_weights: ClassWeights = "none"
    """How much the training rows of each class weigh."""
    weighs_rows: ClassVar[bool] = True
    """Whether its fit takes weights of rows."""

    @property
    def attends(self) -> bool:
        """Whether it can tell what each token of an answer looks at."""
        return False

    @property
    def longest_text(self) -> int | None:
        """Tokens of a text at most; None: it takes any number."""
        return None

    @abstractmethod
    def build(self, spec: Spec, task: Task, seed: int) -> Any:
        """An unfitted network or estimator."""


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
    inner_folds: InnerFolds | None = None
    """Of the training rows, for a model that cross-fits on them."""
    watch: Callable[[int, Any], None] = lambda epoch, fitted: None
    """Called after each epoch of a network with what it has become; it may ask, and changes nothing."""


class Fitted(Protocol):
    """A trained model that maps encoded rows to raw answers."""

    rounds: int
    """Epochs or iterations to train for to get this model again (the best one, if chosen)."""
    curves: dict[str, list[float]]
    """One value an epoch (``train_loss``, ``valid_loss``, ``valid_score``, ``learning_rate``)."""
    trace: dict[str, Any]
    """What was watched of a network's training, by layer (``training/watching.py``); empty where nothing was."""

    def raw(self, inputs: Encoded) -> np.ndarray:
        """Raw answers, one row a row: [rows, outputs] or what the task's ``answer`` gives."""

    def importance(self) -> dict[str, float] | None:
        """Feature importance by name, where the model knows it."""

    def contributions(self, inputs: Encoded) -> dict[str, np.ndarray] | None:
        """By encoded input, what it adds to each raw answer: Shapley values [rows, outputs] (of classes in logits, of
        two the second's alone), which with one constant sum to the answer; None of models that know no exact way."""

    def saliency(self, inputs: Encoded) -> np.ndarray | None:
        """Of images, how far each pixel moves the largest raw answer [rows, height, width]; None of other models."""

    def target_logs(self, inputs: Encoded) -> Any:
        """Of translators and rows with their target, the log-probability of each of its tokens, those before it given:
        ``Ragged`` [rows] of float32."""

    def feature_maps(self, inputs: Encoded) -> list[tuple[str, np.ndarray]] | None:
        """Of one image, what convolutions through depth make of it: of each, how it is called and its maps [maps,
        height, width]; None of other models."""

    def steps(self) -> Any:
        """What a search of ``decoding`` goes over (its ``Steps``); of language models and translators."""

    def attention(self, source: np.ndarray, tokens: np.ndarray) -> np.ndarray | None:
        """Of translators, what each of some known tokens looks at: int64 [source steps], [steps] -> [steps, source
        steps]; None where they have no attention."""

    def save(self, folder: Path) -> None: ...


class Learner(ABC):
    """Settings and act of fitting (shelf ``learners``); the keys of a model's ``fit``."""

    name: ClassVar[str]
    loss: Any = None
    """The loss that it is told to fit by (a ``Loss``); None: the task's own, or the model's."""
    early_stopping: Any = None
    """When it stops before the last of its epochs or iterations; None: never."""
    epochs: int = 0
    """Epochs that it trains for; 0: it counts none."""
    batch_size: int = 0
    """Rows of a minibatch; 0: it knows none."""
    threads: int | None = None
    """That it computes with; None: as many as every job has (``execution.threads``)."""
    joined: bool = False
    """Whether it reads the texts of rows as one, each going on where the last one ended."""
    windows: bool = False
    """Whether it reads texts a part at a time, of which each answers for its own tokens."""
    monitors_score: bool = False
    """Whether it asks for the metric of an epoch's answers, to choose one."""
    augmentation: Sequence[Any] = ()
    """How it changes training images."""
    test_time: Any = None
    """Views of an image whose answers it averages; None: it answers the image alone."""

    def stack_key(self, model: Model, task: Task) -> str | None:
        """Jobs with equal keys may be trained as one program; None: each is fitted alone."""
        return None

    def stack_size(self, model: Model, widest: Spec, task: Task) -> int:
        """Jobs that one such program may hold."""
        return 1

    @abstractmethod
    def fit(self, job: FitJob) -> Fitted: ...

    @abstractmethod
    def load(self, folder: Path, model: Model, task: Task, spec: Spec) -> Fitted: ...


class Split(ABC):
    """Shelf ``splits``."""

    name: ClassVar[str]
    column: ClassVar[str | None] = None
    """Which of ``columns`` it splits by: group, time, fold, or none of them."""
    folds: int = 0
    """How many; 0: unknown before the rows are seen."""
    alike: str | None = None
    """A column, which may be a feature: rows of the same value in it stay together."""
    refit: bool = True
    """Whether the last fits take the rows that validate too; else the folds' models answer."""

    @property
    def may_use(self) -> frozenset[str]:
        """Which of ``columns`` it looks at besides, where they are declared."""
        return frozenset()

    @property
    def from_file(self) -> bool:
        """Whether the rows that it validates are those of the source's ``valid`` file."""
        return False

    @abstractmethod
    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """Validation fold of each row, int64 [rows]; -1 for rows that are never validated."""

    @abstractmethod
    def assign_within(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """The same within a fold's training rows, to cross-fit: with fewer folds where rows or groups are too few."""

    def training_rows(self, fold: np.ndarray, k: int) -> np.ndarray:
        """Boolean mask [rows] of what fold ``k`` trains on: all that it does not validate, -1 for every fold."""
        return fold != k
