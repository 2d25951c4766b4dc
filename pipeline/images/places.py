"""Where image files lie, and which of them a name means."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.images.decoding import Unreadable

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Of the names of image files, in any case of letters."""


@dataclass(frozen=True)
class Place:
    """A folder of image files, on disk or in a zip.

    path: of the folder, or of the zip. folder: within the zip, with ``/``; "" is all of it. apart: folders in it that
    are not its own.
    """

    path: Path
    folder: str = ""
    apart: tuple[str, ...] = ()

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
        return sorted(own_files(names, self.apart))

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
        if (why := fault_of_link(path, self.place.path)) is not None:
            raise Unreadable(f"is {why}")
        return path.read_bytes()


def is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not PurePosixPath(name).name.startswith(".")


def fault_of_link(path: Path, folder: Path) -> str | None:
    """What is wrong with a link that leads nowhere, or out of its folder; None for others and for files."""
    try:
        inside = path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop
        return "a link that leads nowhere"
    return None if inside else "a link that leads out of its folder"


def folders_apart(folder: str, others: Iterable[str]) -> tuple[str, ...]:
    """Which of the other folders lie in this one, seen from it; "" and "." are all there is."""
    within = "" if folder in ("", ".") else f"{folder}/"
    inside = {other.removeprefix(within) for other in others if other.startswith(within) and other != folder}
    return tuple(sorted(inside - {"", "."}))


def own_files(names: Iterable[str], apart: tuple[str, ...]) -> list[str]:
    """Those that lie in none of the folders apart."""
    return [name for name in names if not name.startswith(tuple(f"{folder}/" for folder in apart))]


def refuse_unreachable(folder: Path, names: Iterable[str], where: str) -> None:
    """Raise UserError where a folder of images holds a link to a folder, which would be passed over, or a file whose
    name is no text. names: of its image files. where: what messages call it."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            told = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise UserError(f"{where}/{told}: its name is not UTF-8 text; rename the file") from None
    for here, folders, _ in os.walk(folder):
        folders[:] = [name for name in folders if not _passed_over(name)]
        for name in sorted(folders):
            if (link := Path(here) / name).is_symlink():
                within = link.relative_to(folder).as_posix()
                raise UserError(f"{where}/{within}: a link to a folder, which is not followed; copy the folder there")


def _passed_over(folder: str) -> bool:
    return folder.startswith((".", "__MACOSX"))


def image_files(folder: Path) -> Iterable[str]:
    """Names of all image files below a folder, with ``/`` between folders. Links to folders are not followed."""
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _passed_over(name)]
        within = Path(here).relative_to(folder).as_posix()
        yield from (name if within == "." else f"{within}/{name}" for name in files if is_image(name))


class Names:
    """Which file each name means: its path, or the path without its ending, or its last part alone where only one
    file has that; where none is so called, in other cases of letters. A letter with its accent is one however it is
    written (macOS takes the two apart).

    folder: the last part of the folder's own name, which paths may begin with.
    """

    def __init__(self, files: Sequence[str], folder: str = "") -> None:
        self.folder = folder
        self._files = set(files)
        self._exact = _known(files, str)
        self._folded: list[dict[str, list[str]]] | None = None

    def find(self, name: str) -> str:
        """Raises Unreadable, saying why there is none."""
        path = PurePosixPath(name.replace("\\", "/"))
        if not name.strip():
            raise Unreadable("names no file")
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise Unreadable("leads out of its folder")
        plain = str(path)
        for one in _asked(plain, self.folder):
            if one in self._files:
                return one
        plain, folder = normalize("NFC", plain), normalize("NFC", self.folder)
        found = _first(self._exact, _asked(plain, folder))
        if not found:
            self._folded = self._folded or _known(sorted(self._files), str.casefold)
            found = _first(self._folded, _asked(plain.casefold(), folder.casefold()))
        if not found:
            raise Unreadable("has no file")
        if len(found) > 1:
            raise Unreadable(f"could be {found[0]} or {found[1]}")
        return found[0]


def _known(files: Iterable[str], spelled: Callable[[str], str]) -> list[dict[str, list[str]]]:
    """Files by what they may be called, the surest first."""
    by: list[dict[str, list[str]]] = [{}, {}, {}, {}]
    for file in files:
        path = PurePosixPath(spelled(normalize("NFC", file)))
        for known, key in zip(by, (str(path), str(path.with_suffix("")), path.name, path.stem), strict=True):
            known.setdefault(key, []).append(file)
    return by


def _asked(name: str, folder: str) -> tuple[str, str]:
    """A name, and without the folder that it may begin with."""
    return name, name.removeprefix(f"{folder}/")


def _first(by: list[dict[str, list[str]]], asked: tuple[str, str]) -> list[str]:
    return next((found for one in asked for known in by if (found := known.get(one))), [])


def folder_place(folder: Path) -> Place:
    """Raises UserError where there is no such folder."""
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no such folder of images; check the source's images")
    return Place(folder)
