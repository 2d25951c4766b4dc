"""Handwritten digits of 8 x 8 pixels: 1797 images (UCI, in scikit-learn)."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, package_file, split_rows
from pipeline.sources.datasets import datasets

if TYPE_CHECKING:
    import pandas as pd

PIXELS = 64


@datasets.register("digits")
@settings
class Digits:
    def build(self) -> CompetitionTables:
        """Columns pixel0 ... pixel63 (row by row, 0 to 16) and the target ``label`` (0 to 9)."""
        train, test = split_rows(self._rows(), "digits", test_share=0.2)
        return compete(train, test, target="label", guess=0)

    def _rows(self) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        path = package_file("sklearn", "scikit-learn", "datasets", "data", "digits.csv.gz")
        with gzip.open(path, "rt") as stream:
            values = np.loadtxt(stream, delimiter=",", dtype=np.int64)  # [rows, pixels + label]
        return pd.DataFrame(values, columns=[*(f"pixel{i}" for i in range(PIXELS)), "label"])
