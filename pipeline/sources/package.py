"""Source ``package``: a competition made from data that an installed pip package carries."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from pipeline.core.errors import did_you_mean
from pipeline.core.registry import settings
from pipeline.core.types import Source
from pipeline.sources import sources
from pipeline.sources.datasets import datasets
from pipeline.sources.files import Missing

MARK = "NA"


@sources.register("package")
@settings
class Package(Source):
    """A dataset of the shelf ``datasets``, split into train and test once and for all.

    dataset: adult, ames, digits, emoji_languages, french_interface, pydoc_topics, titanic.
    """

    dataset: str
    missing: Missing = ("", MARK)

    @field_validator("dataset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in datasets:
            raise ValueError(f"no dataset of that name{did_you_mean(value, datasets)}")
        return value

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Write train, test, sample_submission and solution as CSV; raises UserError where the package is not there."""
        tables = datasets.get(self.dataset)().build()
        tables.write(folder, MARK if MARK in self.missing else self.missing[0])
