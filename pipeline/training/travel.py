"""Files of the project as they travel with jobs to machines that do not share its disk, and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.core.files import whole_file, whole_folder

if TYPE_CHECKING:
    import numpy as np

Parcel: TypeAlias = "tuple[str, list[tuple[str, np.ndarray]]]"
"""A file or a folder: its place in the project, and of each file the place in it and its bytes, uint8 [length]."""


def pack(place: Path, root: Path) -> Parcel:
    """A file or folder of the project at ``root``, mapped and not read; of one that is not there, no files."""
    return str(place.relative_to(root)), [(name, _mapped(file)) for name, file in _files(place)]


def unpack(parcel: Parcel, root: Path, *, sync: bool = True) -> None:
    """Put a file or folder in its place, whole, instead of what lies there."""
    name, files = parcel
    place = root / name
    if not files:
        shutil.rmtree(place, ignore_errors=True)
    elif files[0][0] == "":
        with whole_file(place) as aside:
            _write(aside, files[0][1])
    else:
        with whole_folder(place, sync=sync) as aside:
            for inside, content in files:
                (aside / inside).parent.mkdir(parents=True, exist_ok=True)
                _write(aside / inside, content)


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """Those that are whole."""
    if place.is_file():
        yield "", place
    for file in sorted(place.rglob("*")) if place.is_dir() else ():
        parts = file.relative_to(place).parts
        if file.is_file() and not any(part.startswith(".") and part.endswith(".part") for part in parts):
            yield "/".join(parts), file


def _mapped(file: Path) -> np.ndarray:
    import numpy as np

    if not file.stat().st_size:  # there is nothing to map
        return np.empty(0, np.uint8)
    return np.memmap(file, np.uint8, "r").view(np.ndarray)


def _write(file: Path, content: np.ndarray) -> None:
    with file.open("wb") as stream:
        stream.write(content.data)
