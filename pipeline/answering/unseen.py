"""Levels of category columns that training never saw: rows that hold one are answered, and told of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pipeline.core.types import Encoder

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 2


def known_levels(encoders: Iterable[Encoder]) -> dict[str, list[str]]:
    """The levels that some encoder knows of each category column that one reads."""
    from pipeline.features.tabular_encoder import TabularEncoder

    known: dict[str, dict[str, None]] = {}
    for encoder in encoders:
        if isinstance(encoder, TabularEncoder):  # texts have words, and a new word is nothing to warn of
            for column, levels in encoder.levels().items():
                known.setdefault(column, {}).update(dict.fromkeys(levels))
    return {column: list(levels) for column, levels in known.items()}


def unseen_levels(rows: pd.DataFrame, known: Mapping[str, list[str]], where: str) -> list[str]:
    """A sentence a column of typed ``rows`` with levels not known; missing values are none."""
    told = []
    for column, levels in known.items():
        values = rows[column]
        if (strange := values.notna() & ~values.isin(levels)).any():
            examples = ", ".join(repr(str(value)) for value in values[strange].unique()[:EXAMPLES])
            told.append(
                f"{where}: column '{column}': {int(strange.sum())} of {len(rows)} rows hold a level that training "
                f"never saw, such as {examples}; they are answered as unknown"
            )
    return told
