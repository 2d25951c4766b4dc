"""Test rows that a model trains on, with the answers that other models gave them.

A folder of such labels has ``fold-<k>.parquet`` and ``all.parquet``: ``ROW``, positions among the test rows, the
target columns, and where the rows do not count 1 their ``WEIGHT``. ``answering/pseudo_labels.py`` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.columns import DRAW, joined
from pipeline.core.files import digest_files
from pipeline.core.types import ROW, Encoded, Schema
from pipeline.images.rows import read_rows

if TYPE_CHECKING:
    import pandas as pd


PSEUDO = "pseudo"
"""Folder of the labels in the folder of a model that learned from them."""


@dataclass(frozen=True)
class PseudoRows:
    """folder: of the labels. test_rows: file of the typed test rows, of this schema."""

    folder: Path
    test_rows: Path
    schema: Schema

    @cached_property
    def digest(self) -> str:
        return digest_files(self.folder)

    def rows(self, fold: int | None) -> pd.DataFrame | None:
        """Typed rows with the target that the fold's models gave them (None: all folds'), none where no answer was
        sure enough."""
        import pandas as pd

        labels = pd.read_parquet(labels_file(self.folder, fold))
        if labels.empty:
            return None
        rows = read_rows(self.test_rows, self.schema).iloc[labels[ROW].to_numpy()].reset_index(drop=True)
        return pd.concat([rows, labels.drop(columns=ROW)], axis=1)


def labels_file(folder: Path, fold: int | None) -> Path:
    return folder / ("all.parquet" if fold is None else f"fold-{fold}.parquet")


def with_more(first: Encoded, second: Encoded) -> Encoded:
    """The examples of both; where the first ones are drawn several times, the second ones are the same in each."""
    return {name: joined(column, second[name.partition(DRAW)[0]]) for name, column in first.items()}
