"""Rows, folds and fitted encoders of one feature set, encoded once a fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.files import read_json
from pipeline.core.memory import give_memory_back
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import FOLD, Encoded, Encoder, InnerFolds, Schema, Spec, Target
from pipeline.splits.inner_folds import split_within

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CACHE_BYTES = 1 << 30
"""Encoded folds kept in memory between trials, at most; the rest is encoded anew."""


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

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for part in (self.train, self.valid or {}) for array in part.values())


class TrainingData:
    """The training rows of a competition through one feature set."""

    def __init__(self, competition: CompetitionConfig, feature_set: str):
        import pandas as pd

        self.competition = competition
        self.feature_set = feature_set
        self.paths = CompetitionPaths(competition.name)
        self.facts = read_json(self.paths.rows / "facts.json")
        self.schema = Schema.from_json(read_json(self.paths.schema))
        # As categoricals, since the words of a million rows take more memory than all their numbers.
        categories = self.schema.names("category")
        self.rows = pd.read_parquet(self.paths.train_rows, read_dictionary=categories)
        give_memory_back()
        self.fold_of_row = self.rows[FOLD].to_numpy()
        self._folds: dict[int | None, FoldData] = {}

    @property
    def folds(self) -> range:
        return range(int(self.fold_of_row.max()) + 1)

    @property
    def target(self) -> pd.Series:
        return self.rows[self.schema.target]

    @property
    def spec(self) -> Spec:
        """What the encoder of all training rows learned."""
        return self._spec(self._encoder(None))

    @cached_property
    def widest(self) -> Spec:
        """A spec as wide in every input as the widest fold's."""
        return widest([self._spec(self._encoder(k)) for k in self.folds])

    def _encoder(self, k: int | None) -> Encoder:
        path = self.paths.encoder(self.feature_set, k)
        return self.competition.features[self.feature_set].restore(read_json(path), self.schema)

    def _spec(self, encoder: Encoder) -> Spec:
        outputs = self.competition.task.outputs(self.schema, encoder.spec)
        return replace(encoder.spec, outputs=outputs, classes=tuple(map(str, self.schema.classes)))

    def preload(self) -> None:
        """Encode folds while they fit the cache, so that forked jobs share them."""
        for k in self.folds:
            if sum(fold.nbytes for fold in self._folds.values()) > CACHE_BYTES:
                return
            self._folds[k] = self.encode_fold(k)

    @property
    def loaded(self) -> bool:
        """Whether every fold is kept encoded."""
        return all(k in self._folds for k in self.folds)

    def fold(self, k: int | None) -> FoldData:
        """Fold ``k``, or all training rows for ``None``."""
        return self._folds.get(k) or self.encode_fold(k)

    def encode_fold(self, k: int | None) -> FoldData:
        encoder, split = self._encoder(k), self.competition.split
        column = self.schema.target

        def taken(index: np.ndarray | None) -> pd.DataFrame:
            # Indexed from 0 as predictions are, so that a metric of one's own may align them.
            return self.rows if index is None else self.rows.iloc[index].reset_index(drop=True)

        def encode(rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
            encoded = encoder.encode(rows, training=training)
            values = target.encode(rows[column])
            return encoded if values is None else {**encoded, "target": values}

        valid: Encoded | None = None
        valid_target: pd.Series | None = None
        train_index = valid_index = None
        if k is not None:
            train_index = split.training_rows(self.fold_of_row, k).nonzero()[0]
            valid_index = (self.fold_of_row == k).nonzero()[0]
        rows = taken(train_index)
        train_target = rows[column].copy()  # a view would keep all of the rows
        target = self.competition.task.fit_target(train_target, self.schema)
        inner_folds = split_within(split, rows, self.competition.columns, self.competition.task.target_kind == "class")
        train = encode(rows, inner_folds)
        del rows  # a copy of most of the table
        if valid_index is not None:
            rows = taken(valid_index)
            valid_target, valid = rows[column].copy(), encode(rows)
        spec = self._spec(encoder)
        return FoldData(train, valid, train_target, valid_target, valid_index, spec, encoder, target, inner_folds)


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
