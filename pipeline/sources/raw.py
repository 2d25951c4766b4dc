"""A set of rows in ``raw/`` -> its raw table, whatever the competition's own format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.sections import ImageColumn
from pipeline.images.places import Place, folders_apart
from pipeline.sources.arrays import find_arrays, read_arrays
from pipeline.sources.pixel_tables import read_pixel_table
from pipeline.sources.tables import find_table, read_table

if TYPE_CHECKING:
    import pandas as pd

IMAGES = "images.zip"
"""All image files of a competition in ``raw/``, as they were."""


def find_raw(folder: Path, stem: str) -> Path | None:
    """The table or the first file of arrays of a set of rows."""
    return find_table(folder, stem) or next(iter(find_arrays(folder, stem).values()), None)


def read_raw(
    path: Path,
    stem: str,
    images: Mapping[str, ImageColumn],
    into: Path,
    *,
    missing: Sequence[str],
    text: Sequence[str | None] = (),
    name: str | None = None,
) -> pd.DataFrame:
    """The raw table of what ``find_raw`` found. images: as declared. into: folder of the arrays of its images. name:
    what messages call it, where the path would tell a reader nothing.

    Raises UserError as ``read_table`` does.
    """
    if find_table(path.parent, stem) != path:
        return read_arrays(find_arrays(path.parent, stem), stem, into)
    if any(how.pixels is not None for how in images.values()):
        packed = read_pixel_table(path, images, into, stem, missing=missing, text=text)
        if packed is not None:
            return packed
    return read_table(path, missing=missing, text=text, name=name)


def image_places(folder: Path, folders: Mapping[str, str]) -> dict[str, Place]:
    """Where the image files of each set of rows lie in ``raw/``. folders: as ``source.images`` has them."""
    if not (folder / IMAGES).is_file():
        return {}
    return {
        stem: Place(folder / IMAGES, "" if within == "." else within, folders_apart(within, folders.values()))
        for stem, within in folders.items()
    }
