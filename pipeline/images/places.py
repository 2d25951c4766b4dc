"""Where image files lie, and which of them a name means."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.images.decoding import Unreadable

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Of the names of image files, in any case of letters."""


@dataclass(frozen=True)
class Place:
    """A folder of image files, on disk or in a zip.

    path: of the folder, or of the zip. folder: within the zip, with ``/``; "" is all of it.
    """

    path: Path
    folder: str = ""

    @property
    def packed(self) -> bool:
        return self.path.is_file()

    def files(self) -> list[str]:
        """Names of the image files in it, relative to it, sorted."""
        if self.packed:
            prefix = f"{self.folder}/" if self.folder else ""
            with zipfile.ZipFile(self.path) as opened:
                names = [name.removeprefix(prefix) for name in opened.namelist() if name.startswith(prefix)]
        else:
            names = list(image_files(self.path))
        return sorted(names)

    def holds(self, name: str) -> bool:
        """Whether this is the path of a file in its folder, which need not be gone through then."""
        path = PurePosixPath(name)
        plain = not path.is_absolute() and ".." not in path.parts and "\0" not in name
        return plain and is_image(name) and not self.packed and (self.path / name).is_file()

    def reader(self) -> Reader:
        return Reader(self)


class Reader:
    """Reads the files of a place, in one process."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.zip = zipfile.ZipFile(place.path) if place.packed else None

    def read(self, name: str) -> bytes:
        """Raises Unreadable where it leads out of its folder."""
        if self.zip is not None:
            return self.zip.read(f"{self.place.folder}/{name}" if self.place.folder else name)
        path = self.place.path / name
        if not path.resolve().is_relative_to(self.place.path.resolve()):
            raise Unreadable("is a link that leads out of its folder")
        return path.read_bytes()


def is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not PurePosixPath(name).name.startswith(".")


def image_files(folder: Path) -> Iterable[str]:
    """Names of all image files below a folder, with ``/`` between folders. Links to folders are not followed."""
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        within = Path(here).relative_to(folder).as_posix()
        yield from (name if within == "." else f"{within}/{name}" for name in files if is_image(name))


class Names:
    """Which file each name means: its path, or the path without its ending, or its last part alone where only one
    file has that.

    folder: the last part of the folder's own name, which paths may begin with.
    """

    def __init__(self, files: Sequence[str], folder: str = "") -> None:
        self.folder = folder
        self._files = set(files)
        self._by: list[dict[str, list[str]]] = [{}, {}, {}]
        for file in files:
            path = PurePosixPath(file)
            for known, key in zip(self._by, (str(path.with_suffix("")), path.name, path.stem), strict=True):
                known.setdefault(key, []).append(file)

    def find(self, name: str) -> str:
        """Raises Unreadable, saying why there is none."""
        path = PurePosixPath(name.replace("\\", "/"))
        if not name.strip():
            raise Unreadable("names no file")
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise Unreadable("leads out of its folder")
        plain = str(path)
        for one in (plain, plain.removeprefix(f"{self.folder}/")):
            if one in self._files:
                return one
            for known in self._by:
                if found := known.get(one):
                    if len(found) > 1:
                        raise Unreadable(f"could be {found[0]} or {found[1]}")
                    return found[0]
        raise Unreadable("has no file")


def folder_place(folder: Path) -> Place:
    """Raises UserError where there is no such folder."""
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no such folder of images; check the source's images")
    return Place(folder)
