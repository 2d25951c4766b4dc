"""Weights that make the training rows of a feature set stand for the test rows: learned once, kept for all models,
folds, stages and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.core.code import code_digest, code_files
from pipeline.core.errors import UserError
from pipeline.core.files import digest
from pipeline.core.registry import settings_dict
from pipeline.core.types import Encoded
from pipeline.core.weighting.base import BothFiles, Weighting
from pipeline.images.rows import read_rows
from pipeline.training.encoded import EncodedFolds

if TYPE_CHECKING:
    import numpy as np

    from pipeline.training.data import TrainingData


class Shifted:
    """A ``Weighting`` of the rows of ``data``."""

    def __init__(self, weighting: Weighting, data: TrainingData) -> None:
        self.weighting, self._data = weighting, data
        code = code_digest(code_files((), [weighting]))
        self.digest = digest("weights", data.rows_digest, settings_dict(weighting), code)
        self._kept = EncodedFolds(data.competition.name, data.feature_set, self.digest)

    @cached_property
    def _files(self) -> BothFiles:
        data = self._data
        if not data.paths.test_rows.exists():
            raise UserError("fit.weights: there is no test file whose rows the training rows are to stand for")
        reads = data.reads
        columns = tuple(column for column in data.schema.columns if column.name in reads)
        test = read_rows(data.paths.test_rows, data.schema)
        return BothFiles(data.rows, test, replace(data.schema, columns=columns))

    def load(self) -> None:
        """Learn them, so that forked jobs need not."""
        for k in self._data.folds if self.weighting.by_class else [None]:
            self._learned(k)

    def _learned(self, k: int | None) -> Encoded:
        import numpy as np

        of = k if self.weighting.by_class else None

        def learn() -> Encoded:
            rows = np.arange(len(self._data.rows)) if of is None else self._data.training_rows(of)
            return self.weighting.learn(self._files, rows)

        return self._kept.get(of, "weights", learn)

    def weights(self, k: int | None) -> np.ndarray:
        """How much each training row counts among test rows, float64 [rows], as the rows that fold ``k`` trains on
        tell; None: all rows."""
        return self.weighting.weights(self._learned(k), self._files)

    def ratios(self, k: int | None) -> np.ndarray | None:
        """By which a fold's model multiplies the classes' probabilities, [classes]; None: by none."""
        return self.weighting.ratios(self._learned(k))

    def told(self) -> Mapping[str, Any]:
        """``by``: the weighting's name; and what it tells of all rows."""
        return {"by": self.weighting.name, **self.weighting.told(self._learned(None), self._data.schema)}
