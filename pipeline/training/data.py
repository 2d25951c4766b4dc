"""Rows, folds and fitted encoders of one feature set, encoded once a fold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import zip_longest
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.core.code import code_digest, code_files
from pipeline.core.columns import take
from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.errors import UserError
from pipeline.core.files import digest, read_json
from pipeline.core.memory import give_memory_back
from pipeline.core.paged import take_rows
from pipeline.core.paths import CompetitionPaths
from pipeline.core.registry import settings_dict
from pipeline.core.types import FOLD, WEIGHT, Encoded, Encoder, InnerFolds, Schema, Spec, Target, Task
from pipeline.core.weighting.base import Weighting
from pipeline.images.rows import read_rows
from pipeline.splits.inner_folds import split_within
from pipeline.training.encoded import EncodedFolds
from pipeline.training.pseudo_rows import PSEUDO, PseudoRows, with_more
from pipeline.training.shifted import Shifted
from pipeline.training.weighting.label_shift import corrected

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
D = TypeVar("D", bound="TrainingData")
LIGHT_BYTES = 1 << 30


@dataclass(frozen=True)
class FoldData:
    """One fold, encoded with what its training rows taught. ``valid`` is None for all rows."""

    train: Encoded
    valid: Encoded | None
    train_target: pd.Series
    valid_target: pd.Series | None
    valid_index: np.ndarray | None
    """Positions [validation rows] in the training table."""
    spec: Spec
    encoder: Encoder
    target: Target
    inner_folds: InnerFolds
    """Of the training rows, by the competition's own split."""
    weights: np.ndarray | None = None
    """How much each validation row counts among test rows, float64 [validation rows]; None: all alike."""
    ratios: np.ndarray | None = None
    """By which the classes' probabilities are multiplied, [classes]; None: by none."""

    def predictions(self, task: Task, raw: Any) -> pd.DataFrame:
        """A model's raw answers in the target's own units, see ``Task.predictions``."""
        return corrected(task.predictions(raw, self.target, self.spec), self.ratios)


class Rows:
    """The training rows of a competition, read once for all feature sets.

    labelled: folder of models, where those that learn from pseudo-labels keep these.
    """

    def __init__(self, competition: CompetitionConfig, labelled: Path | None = None):
        self.competition = competition
        self.paths = CompetitionPaths(competition.name)
        self.facts = read_json(self.paths.rows / "facts.json")
        self.schema = Schema.from_json(read_json(self.paths.schema))
        # As categoricals, since the words of a million rows take more memory than all their numbers.
        categories = self.schema.names("category")
        self.table = read_rows(self.paths.train_rows, self.schema, categories)
        give_memory_back()
        self.fold_of_row = self.table[FOLD].to_numpy()
        self.pseudo: dict[str, Path] = {}
        """By model, the folder of the pseudo-labels that it learns from, where that is another."""
        self._labelled = labelled
        self._data: dict[Any, Any] = {}
        _rows.clear()  # a process works on one competition at a time
        _rows[_key(competition, self.facts)] = self

    def of(self, model: ModelConfig) -> TrainingData:
        """The rows as the model trains on them."""
        if model.pseudo is None:
            return self.data(model.features, weighting=model.weights)
        kept = None if self._labelled is None else self._labelled / model.name / PSEUDO
        return self.data(model.features, self.pseudo.get(model.name, kept), model.weights)

    def data(self, feature_set: str, pseudo: Path | None = None, weighting: Weighting | None = None) -> TrainingData:
        """The rows through a feature set, the same object each time. pseudo, weighting: see ``TrainingData``."""
        made = partial(TrainingData, self.competition, feature_set, self, pseudo, weighting)
        return self.kept((feature_set, pseudo, weighting), made)

    def kept(self, key: Hashable, make: Callable[[], D]) -> D:
        """What is made of these rows, once."""
        if key not in self._data:
            self._data[key] = make()
        return self._data[key]  # type: ignore[no-any-return]


class TrainingData:
    """The training rows of a competition through one feature set.

    A fold is encoded once, whoever asks for it first, and lies in ``.podium/encoded/`` for all models, trials,
    stages and processes. Sent to another process it is its competition's and feature set's names, and opened there:
    in a fork from the very rows.

    pseudo: folder of pseudo-labels (``pseudo_rows.py``), rows with which every fold trains besides.
    weighting: what makes the rows count as the test rows ask.
    """

    def __init__(
        self,
        competition: CompetitionConfig,
        feature_set: str,
        rows: Rows | None = None,
        pseudo: Path | None = None,
        weighting: Weighting | None = None,
    ):
        self.competition = competition
        self.feature_set = feature_set
        shared = rows or Rows(competition)
        self.paths, self.facts, self.schema = shared.paths, shared.facts, shared.schema
        self.rows, self.fold_of_row = shared.table, shared.fold_of_row
        self._encoders: dict[int | None, Encoder] = {}
        task = competition.task.in_training()  # which encodes the target that lies beside the features
        self.pseudo = None if pseudo is None else PseudoRows(pseudo, self.paths.test_rows, self.schema)
        made_of = digest(self.rows_digest, settings_dict(task), code_digest(code_files((), [task])))
        self._encoded = EncodedFolds(competition.name, feature_set, made_of)
        self.shifted = None if weighting is None else Shifted(weighting, self)

    def __reduce__(self) -> tuple[Any, ...]:
        weighting = None if self.shifted is None else self.shifted.weighting
        return _opened, (self.competition, self.feature_set, self.pseudo and self.pseudo.folder, weighting)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files and folders that it is opened from."""
        carried = self.competition.features[self.feature_set].files.values()
        pseudo = () if self.pseudo is None else (self.pseudo.folder,)
        return (self.paths.schema, self.paths.rows, self.paths.features / self.feature_set, *carried, *pseudo)

    @property
    def digest(self) -> str:
        """Of all of the data that a fit hangs on: what is encoded, and how much its rows count."""
        return self.rows_digest if self.shifted is None else digest(self.rows_digest, self.shifted.digest)

    @property
    def rows_digest(self) -> str:
        """Of the rows, their folds and what the feature set learned."""
        rows = str(self.facts["digests"][self.feature_set])
        return rows if self.pseudo is None else digest(rows, self.pseudo.digest)

    @property
    def reads(self) -> frozenset[str]:
        """The columns that the feature set reads."""
        return frozenset(self._encoder(None).reads)

    @property
    def told(self) -> Mapping[str, Any] | None:
        """What is told of how its rows count (``fit.weights``); None where all count alike."""
        return None if self.shifted is None else self.shifted.told()

    @property
    def folds(self) -> range:
        return range(int(self.fold_of_row.max()) + 1)

    def training_rows(self, k: int) -> np.ndarray:
        """Positions in the table of the rows that fold ``k`` trains on, ascending."""
        positions: np.ndarray = self.competition.split.training_rows(self.fold_of_row, k).nonzero()[0]
        return positions

    @property
    def target(self) -> Any:
        """Series [rows], or DataFrame [rows, targets] of several."""
        return self.schema.target_of(self.rows)

    @property
    def spec(self) -> Spec:
        """What the encoder of all training rows learned."""
        return self._spec(self._encoder(None))

    @cached_property
    def widest(self) -> Spec:
        """A spec as wide in every input as the widest fold's."""
        return widest([self._spec(self._encoder(k)) for k in self.folds])

    def _encoder(self, k: int | None) -> Encoder:
        if k not in self._encoders:
            path = self.paths.encoder(self.feature_set, k)
            self._encoders[k] = self.competition.features[self.feature_set].restore(read_json(path), self.schema)
        return self._encoders[k]

    def load(self) -> None:
        """Read the encoders of all folds, so that forked jobs need not."""
        for k in self.folds:
            self._encoder(k)
        if self.competition.features[self.feature_set].by_row:
            self._whole()
        if self.shifted is not None:
            self.shifted.load()

    def _whole(self) -> Encoded:
        """All training rows, of a feature set that encodes them ``by_row``."""
        return self._encoded.get(None, "whole", lambda: self._encoder(None).encode(self.rows))

    def _spec(self, encoder: Encoder) -> Spec:
        outputs = self.competition.task.outputs(self.schema, encoder.spec)
        several = tuple(tuple(map(str, levels)) for levels in self.schema.target_classes)
        classes = tuple(map(str, self.schema.classes))
        return replace(encoder.spec, outputs=outputs, classes=classes, target_classes=several)

    @property
    def light(self) -> bool:
        """Whether all folds together fit into memory with ease."""
        values = sum(prod(shape) for shape in self.widest.shapes.values())
        return 4 * values * len(self.rows) * len(self.folds) < LIGHT_BYTES

    def _weights(self, index: np.ndarray | None, encoded: Encoded, more: pd.DataFrame | None) -> Encoded:
        """``row_weight``: how much each example of the training rows at ``index`` and of ``more`` counts, their mean 1;
        nothing where all count alike."""
        import numpy as np

        if WEIGHT not in self.rows and (more is None or WEIGHT not in more):
            return {}
        weights = self.rows[WEIGHT].to_numpy() if WEIGHT in self.rows else np.ones(len(self.rows))
        weights = weights if index is None else weights[index]
        if more is not None:
            weights = np.concatenate([weights, more[WEIGHT].to_numpy() if WEIGHT in more else np.ones(len(more))])
        return {"row_weight": (weights / weights.mean()).astype(np.float32)}

    def fold(self, k: int | None) -> FoldData:
        """Fold ``k``, or all training rows for ``None``."""
        import numpy as np
        import pandas as pd

        encoder, split = self._encoder(k), self.competition.split
        train_index: np.ndarray | None = None
        valid_index: np.ndarray | None = None
        if k is not None:
            train_index = self.training_rows(k)
            valid_index = (self.fold_of_row == k).nonzero()[0]

        if (part := self.competition.features[self.feature_set]).selects:
            among = np.arange(len(self.rows)) if train_index is None else train_index
            mask = self._encoded.get(k, "selected", lambda: {"rows": part.selected(encoder, self.rows.iloc[among])})
            train_index = among[mask["rows"]]
            if not len(train_index):
                raise UserError(f"features.{self.feature_set}: leaves out every training row; see its settings")

        def taken(index: np.ndarray | None) -> pd.DataFrame:
            # Indexed from 0 as predictions are, so that a metric of one's own may align them.
            return self.rows if index is None else take_rows(self.rows, index)

        def targets(index: np.ndarray | None) -> Any:
            values = self.target if index is None else self.target.iloc[index].reset_index(drop=True)
            return values.copy()  # a view would keep all of the rows

        train_target = targets(train_index)
        target = self.competition.task.fit_target(train_target, self.schema)
        more = None if self.pseudo is None else self.pseudo.rows(k)
        if more is not None:
            train_target = pd.concat([train_target, self.schema.target_of(more)], ignore_index=True)
        is_class = self.competition.task.target_kind == "class"
        inner_folds = split_within(split, self.rows, self.competition.columns, is_class, train_index)

        def encode(index: np.ndarray | None, training: InnerFolds | None = None) -> Encoded:
            rows = taken(index)
            if part.by_row:
                whole = self._whole()
                encoded = whole if index is None else {name: take(column, index) for name, column in whole.items()}
            else:
                encoded = encoder.encode(rows, training=training)
            values = target.encode(self.schema.target_of(rows))
            return encoded if values is None else {**encoded, "target": values}

        def encode_training() -> Encoded:
            encoded = encode(train_index, inner_folds)
            if more is not None:
                values = target.encode(self.schema.target_of(more))
                added = encoder.encode(more.drop(columns=list(self.schema.target_names)))
                encoded = with_more(encoded, added if values is None else {**added, "target": values})
            return {**encoded, **self._weights(train_index, encoded, more)}

        train = self._encoded.get(k, "train", encode_training)
        valid: Encoded | None = None
        valid_target: pd.Series | None = None
        if valid_index is not None:
            valid_target = targets(valid_index)
            valid = self._encoded.get(k, "valid", lambda: encode(valid_index))
        spec = self._spec(encoder)
        fold = FoldData(train, valid, train_target, valid_target, valid_index, spec, encoder, target, inner_folds)
        return fold if self.shifted is None else self._weighed(fold, k, train_index, 0 if more is None else len(more))

    def _weighed(self, fold: FoldData, k: int | None, index: np.ndarray | None, more: int) -> FoldData:
        """The fold with its rows counting as the test rows ask. index: of its training rows, before ``more`` others,
        which are test rows already."""
        import numpy as np

        if self.shifted is None:
            raise ValueError("nothing weighs these rows")
        weights, train, valid = self.shifted.weights(k), fold.train, fold.valid
        of_valid = None if fold.valid_index is None else weights[fold.valid_index]
        if self.shifted.weighting.weighs:
            mine = self.shifted.weighting.flattened(weights if index is None else weights[index])
            mine = np.append(mine / mine.mean(), np.ones(more)) * train.get("row_weight", 1.0)
            train = {**train, "row_weight": (mine / mine.mean()).astype(np.float32)}
            if valid is not None and of_valid is not None:
                valid = {**valid, "row_weight": (of_valid / of_valid.mean()).astype(np.float32)}
        return replace(fold, train=train, valid=valid, weights=of_valid, ratios=self.shifted.ratios(k))


_rows: dict[str, Rows] = {}
"""The last that this process has read, or the one that it is a fork of."""


def _key(competition: CompetitionConfig, facts: Mapping[str, Any]) -> str:
    return digest(competition.name, competition.raw, facts)


def opened_rows(competition: CompetitionConfig) -> Rows:
    """The rows of what another process has sent, read once."""
    facts = read_json(CompetitionPaths(competition.name).rows / "facts.json")
    return _rows.get(_key(competition, facts)) or Rows(competition)


def _opened(
    competition: CompetitionConfig, feature_set: str, pseudo: Path | None, weighting: Weighting | None
) -> TrainingData:
    return opened_rows(competition).data(feature_set, pseudo, weighting)


def widest(specs: Sequence[Spec]) -> Spec:
    """A spec at least as wide as each of these: the largest shapes, and the largest counts of levels."""
    first = specs[0]
    shapes = {name: tuple(map(max, zip(*(spec.shapes[name] for spec in specs), strict=True))) for name in first.shapes}
    sizes = {name: _largest([spec.sizes[name] for spec in specs]) for name in first.sizes}
    return replace(first, shapes=shapes, sizes=sizes)


def _largest(values: list[Any]) -> Any:
    if isinstance(values[0], (list, tuple)):
        # A column may have few levels, and stand among the indicators, in one fold and many in another.
        return [_largest(list(column)) for column in zip_longest(*values, fillvalue=0)]
    return max(values) if isinstance(values[0], (int, float)) else values[0]
