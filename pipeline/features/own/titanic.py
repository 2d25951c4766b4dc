"""The gallery's example: what a passenger's name, cabin and family say. See README.md beside this file."""

from __future__ import annotations

import pandas as pd

TITLES = {"Mr", "Mrs", "Miss", "Master"}
"""Others (Rev, Dr, Col, …) are few, and stand together."""


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Title, deck and family size of each passenger."""
    title = rows["name"].str.extract(r",\s*([A-Za-z]+)", expand=False)
    family = rows["sibsp"] + rows["parch"] + 1
    return pd.DataFrame(
        {
            "title": title.where(title.isin(TITLES), "other"),
            "deck": rows["cabin"].str[:1],
            "family": family,
            "alone": family == 1,
            "fare_each": rows["fare"] / family,
        }
    )
