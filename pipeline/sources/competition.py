"""The shape that a competition's files have, made from one table with the answers in it."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.sources.tables import write_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CompetitionTables:
    """What a competition publishes, and the answers it keeps."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample_submission: pd.DataFrame
    solution: pd.DataFrame

    def write(self, folder: Path, missing: str) -> None:
        """Write the four as CSV. missing: what stands for a missing value."""
        for name in ("train", "test", "sample_submission", "solution"):
            write_table(getattr(self, name), folder / f"{name}.csv", missing=missing)


def compete(
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    target: str,
    guess: Any,
    id: str = "id",
    answer: str | None = None,
) -> CompetitionTables:
    """Number the rows (``id``: training rows from 1, test rows after them) and take out the answers.

    guess: what the sample submission says for every row, in the column ``answer`` (the target's own
    name where it is not said).
    """
    train, test = train.reset_index(drop=True), test.reset_index(drop=True)
    train.insert(0, id, range(1, len(train) + 1))
    test.insert(0, id, range(len(train) + 1, len(train) + len(test) + 1))
    sample = test[[id]].assign(**{answer or target: guess})
    return CompetitionTables(train, test.drop(columns=target), sample, test[[id, target]])


def hash_order(keys: Sequence[object], salt: str) -> list[int]:
    """Positions of the keys in the order of their SHA-256: a shuffle that is the same everywhere.

    Keys that stand more than once stay together, in their order.
    """
    return sorted(range(len(keys)), key=lambda i: (hashlib.sha256(f"{salt}/{keys[i]}".encode()).digest(), i))


def split_rows(frame: pd.DataFrame, salt: str, test_share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shuffle the rows by their number, and cut the last ``test_share`` of them off as test rows."""
    order = hash_order(range(len(frame)), salt)
    cut = len(frame) - round(len(frame) * test_share)
    return frame.iloc[order[:cut]], frame.iloc[order[cut:]]


def package_file(package: str, distribution: str, *parts: str) -> Path:
    """A data file of an installed package, without importing it; raises UserError where it is not there."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0], *parts) if folders else None
    if path is None or not path.exists():
        have = "has no such file in this version" if folders else "is not installed"
        raise UserError(
            f"{'/'.join((package, *parts))}: package {distribution} {have}; run `pip install {distribution}`"
        )
    return path
