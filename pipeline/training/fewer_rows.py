"""The training rows of each fold, fewer of them: what a learning curve learns from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import digest
from pipeline.core.seeds import derive_seed
from pipeline.core.types import Encoder
from pipeline.core.weighting.base import Weighting
from pipeline.training.data import Rows, TrainingData, opened_rows

if TYPE_CHECKING:
    import numpy as np


class FewerRows(TrainingData):
    """The rows through a feature set, each fold training on a part of its own; all of its validation rows are scored.

    Parts are nested: a smaller one's rows are among those of a larger one. Of classes each has its part, and groups
    (where the split keeps them together) are taken whole. Encoders learn from these rows alone.

    part: of each fold's training rows, above 0 and below 1. Raises UserError where that is no row.
    """

    def __init__(
        self,
        competition: CompetitionConfig,
        feature_set: str,
        part: float,
        rows: Rows | None = None,
        weighting: Weighting | None = None,
    ):
        self.part = part
        self._kept: dict[int, np.ndarray] = {}
        super().__init__(competition, feature_set, rows, weighting=weighting)

    def __reduce__(self) -> tuple[Any, ...]:
        weighting = None if self.shifted is None else self.shifted.weighting
        return _opened, (self.competition, self.feature_set, self.part, weighting)

    @property
    def rows_digest(self) -> str:
        return digest(super().rows_digest, "rows", self.part)

    def training_rows(self, k: int) -> np.ndarray:
        if k not in self._kept:
            everything = super().training_rows(k)
            count = round(self.part * len(everything))
            if count < 1:
                raise UserError(
                    f"rows: {self.part:g} of fold {k}'s {len(everything)} training rows is none; take a larger part"
                )
            order = everything[self._order(everything, k)]
            self._kept[k] = order[:count].copy()
            self._kept[k].sort()
        return self._kept[k]

    def _order(self, index: np.ndarray, k: int) -> np.ndarray:
        """In which the rows at ``index`` are taken, int64 [rows]: at random, the same for every part."""
        import numpy as np

        columns, split, task = self.competition.columns, self.competition.split, self.competition.task
        shuffled = np.random.default_rng(derive_seed("fewer rows", k)).permutation(len(index))
        if split.column == "group" and columns.group is not None:
            codes = self.rows[columns.group].iloc[index[shuffled]]
            return shuffled[np.argsort(_first_seen(codes), kind="stable")]
        if task.target_kind == "class":
            labels = self.target.iloc[index[shuffled]]
            place = labels.groupby(labels.to_numpy(), observed=True).cumcount().to_numpy()
            size = labels.groupby(labels.to_numpy(), observed=True).transform("size").to_numpy()
            return shuffled[np.argsort(place / size, kind="stable")]
        return shuffled

    def _encoder(self, k: int | None) -> Encoder:
        features = self.competition.features[self.feature_set]
        if k is None or features.statistics != "training":  # then it is of more rows anyway, as the report says
            return super()._encoder(k)
        if k not in self._encoders:
            rows = self.rows.iloc[self.training_rows(k)]
            self._encoders[k] = features.fit(rows, self.schema, derive_seed(self.feature_set, k))
        return self._encoders[k]


def fewer_rows(rows: Rows, feature_set: str, part: float, weighting: Weighting | None = None) -> FewerRows:
    """A part of the rows through a feature set, the same object each time."""
    made = partial(FewerRows, rows.competition, feature_set, part, rows, weighting)
    return rows.kept((feature_set, part, weighting), made)


def _opened(competition: CompetitionConfig, feature_set: str, part: float, weighting: Weighting | None) -> FewerRows:
    return fewer_rows(opened_rows(competition), feature_set, part, weighting)


def _first_seen(values: Any) -> np.ndarray:
    """Of each value, which of the different ones it is in their order, int64 [values]; missing ones are one."""
    import pandas as pd

    return pd.factorize(values, use_na_sentinel=False)[0]
