"""Category columns: levels from the rows fitted on, then indicators or one number a level.

Inside, a level is a code: 0, 1, ... in the levels' sorted order, then the rare levels' common
code (where there are any), then missing (where it was seen), and -1 for a level never seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Categories = Literal["one_hot", "ordinal", "native", "target", "count", "none"]

UNSEEN = -1
RARE = "(rare)"


class Levels:
    """The fitted levels of one column. ``state`` is plain JSON values."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        import pyarrow as pa

        self.state = state
        self.name: str = state["name"]
        self.levels: list[str] = list(state["levels"])
        rare = list(state["rare"])
        self.has_rare = bool(rare)
        self.known = len(self.levels) + self.has_rare
        self.size = self.known + bool(state["missing"])
        self.missing_code = self.known if state["missing"] else UNSEEN
        self._lookup = pa.array(self.levels + rare, type=pa.large_string())

    @classmethod
    def fit(cls, name: str, column: pd.Series, rare: int) -> Levels:
        """column: ``str``, or a categorical of these, [rows]. Levels seen fewer than ``rare`` times are
        folded into one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.value_counts(pa.array(column, from_pandas=True)).to_pylist()
        counts = {entry["values"]: entry["counts"] for entry in found}
        missing = int(counts.pop(None, 0))
        kept = sorted(level for level, count in counts.items() if count >= rare)
        folded = sorted(level for level, count in counts.items() if count < rare)
        by_code = [counts[level] for level in kept]
        by_code += [sum(counts[level] for level in folded)] if folded else []
        by_code += [missing] if missing else []
        return cls({"name": name, "levels": kept, "rare": folded, "missing": missing > 0, "counts": by_code})

    def output_names(self) -> list[str]:
        names = self.levels + [RARE] * self.has_rare
        tail = [f"{self.name} is missing"] if self.size > self.known else []
        return [f"{self.name}={level}" for level in names] + tail

    def codes(self, column: pd.Series) -> np.ndarray:
        """``str``, or a categorical of these, [rows] -> int32 [rows]; -1 for levels (or missing values)
        never seen."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = pa.array(column, from_pandas=True)
        if isinstance(words, pa.DictionaryArray):
            places = pc.index_in(words.dictionary.cast(pa.large_string()), self._lookup)
            found = pc.take(places, words.indices)  # [levels of the column] -> [rows]
        else:
            found = pc.index_in(words.cast(pa.large_string()), self._lookup)
        codes = found.fill_null(UNSEEN).to_numpy(zero_copy_only=False)
        if self.has_rare:
            codes = np.minimum(codes, len(self.levels), dtype="int32")
        if words.null_count and self.missing_code != UNSEEN:
            codes = np.where(words.is_null().to_numpy(zero_copy_only=False), np.int32(self.missing_code), codes)
        return codes


def write_indicators(codes: Sequence[np.ndarray], sizes: Sequence[int], out: np.ndarray) -> None:
    """Set the ones of ``out`` [rows, sum of sizes], zero before; codes: int32 [rows] each."""
    start = 0
    rows = np.arange(len(out))
    for code, size in zip(codes, sizes, strict=True):
        seen = code >= 0
        if seen.all():
            out[rows, code + start] = 1
        else:
            out[rows[seen], code[seen] + start] = 1
        start += size


def number_tables(levels: Sequence[Levels], how: Categories) -> list[list[float]]:
    """One number a code, the last for code -1.

    ordinal: rank among the sorted levels, rare levels after them, -1 for missing and unseen.
    count: rows fitted on that had it, 0 for unseen.
    """
    if how == "count":
        return [[*map(float, one.state["counts"]), 0.0] for one in levels]
    return [[*map(float, range(one.known)), *[-1.0] * (one.size - one.known), -1.0] for one in levels]
