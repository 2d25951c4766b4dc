"""An example of a class that learns: how often each level of the word columns stands among a fold's training rows."""

from __future__ import annotations

import pandas as pd


class Counts:
    counts: dict[str, dict[str, int]]

    def fit(self, rows: pd.DataFrame) -> None:
        words: pd.DataFrame = rows.select_dtypes("str")
        self.counts = {name: words[name].value_counts().to_dict() for name in words}

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({f"{name} count": rows[name].map(known).fillna(0) for name, known in self.counts.items()})
