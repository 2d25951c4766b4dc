"""What brings a competition's files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar


class Source(ABC):
    """Shelf ``sources``: brings a competition's raw files."""

    name: ClassVar[str]
    missing: tuple[str, ...]
    """Texts that mean a missing value in its files."""
    encoding: str = "utf-8"
    """Of the text files that it brings."""
    extra: tuple[str, ...] = ()
    """Files of further training rows, which no fold is validated on; ``fetch`` writes them as ``extra-0.*``, ...."""
    extra_weight: float = 1.0
    """How much each of these rows counts in a fit, beside 1 of a row of the training file."""
    mark: str | None = None
    """Name of a column that is 1 in these rows and 0 in all others, where models are to know them."""
    unit: str | None = None
    """What the target counts, where the source makes one of texts."""

    images: Mapping[str, str] = MappingProxyType({})
    """Folders of image files, by set of rows (train, valid, test); ``fetch`` writes them as ``images.zip``."""

    @property
    def slug(self) -> str | None:
        """The last part of the competition's address on Kaggle, where it comes from there."""
        return None

    def origin(self) -> dict[str, Path]:
        """Files that a person may change in place, by name; their digests decide whether to fetch again."""
        return {}

    def brought(self) -> Path | None:
        """The folder of all that it has downloaded, which it does now where that is not there; None: it downloads
        nothing. Raises UserError as ``fetch`` does."""
        return None

    def unused(self) -> list[str]:
        """Tables that lie beside those that it brings, by name."""
        return []

    @abstractmethod
    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """look: whether to read each table as a check.

        Write ``train.*``, ``test.*``, ``sample_submission.*`` and, where known, ``solution.*`` into ``folder``.
        """
