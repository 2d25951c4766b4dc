"""A vocabulary: tokens to indices, most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.text import PAD, RESERVED, UNK

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


class Vocabulary:
    """Tokens by index; the reserved ones stand first (D2L 9.2).

    tokens: index -> token, as ``state`` keeps it.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)

    @classmethod
    def build(
        cls, texts: Iterable[Iterable[str]], reserved: int, minimum_count: int = 1, size: int | None = None
    ) -> Vocabulary:
        """Count the tokens of texts. Equally frequent tokens stand in their alphabetical order,
        so that the order of the rows does not matter.

        reserved: how many of ``RESERVED`` it needs (2: pad and unknown; 4: begin and end too).
        size: at most so many tokens besides the reserved ones; None: no cap.
        """
        counts = Counter(token for tokens in texts for token in tokens)
        kept = sorted((token for token in counts if counts[token] >= minimum_count), key=lambda t: (-counts[t], t))
        return cls([*RESERVED[:reserved], *kept[:size]])

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def index(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def encode(self, tokens: Iterable[str]) -> list[int]:
        return [self.index.get(token, UNK) for token in tokens]


def pad(sequences: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Cut or fill up with ``PAD`` to int64 [sequences, length]."""
    padded = np.full((len(sequences), length), PAD, dtype=np.int64)
    for i, sequence in enumerate(sequences):
        padded[i, : len(sequence)] = sequence[:length]
    return padded


def common_length(sequences: Iterable[Sequence[object]], maximum: int) -> int:
    """Length to pad to: the longest sequence's, at least 1, at most ``maximum``."""
    return max(1, min(maximum, max((len(sequence) for sequence in sequences), default=1)))


def read_texts(rows: pd.DataFrame, column: str, schema: Schema) -> list[str]:
    """A column's texts, whatever its kind; a missing text is an empty one.

    Raises UserError where the rows have no such column.
    """
    if column not in rows.columns:
        why = f"it was dropped as {schema.dropped[column]}" if column in schema.dropped else "rows have no such column"
        raise UserError(f"features: text column '{column}': {why}{did_you_mean(column, schema.names('text'))}")
    values = rows[column]
    return ["" if missing else str(value) for value, missing in zip(values, values.isna())]
