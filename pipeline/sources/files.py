"""Source ``files``: a folder or an archive that lies somewhere already."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.core.registry import settings
from pipeline.core.types import Source
from pipeline.sources import sources
from pipeline.sources.archives import extract, is_archive, is_litter, is_packed, unpack
from pipeline.sources.arrays import bring_arrays, find_arrays
from pipeline.sources.contents import what_it_holds
from pipeline.sources.encodings import AUTO, encoding_of, to_utf8, told_of_cp1252
from pipeline.sources.preamble import preamble_of
from pipeline.sources.tables import SUFFIXES, find_table, read_table
from pipeline.sources.text_tables import DELIMITERS

USUAL_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
    "sample_submission": ("sample_submission", "sampleSubmission", "gender_submission"),
    "solution": ("solution", "test_solution"),
}

TABLES = (*SUFFIXES, ".npz")
"""How the names of tables end."""

ARRAYS = ("train", "valid", "test")
"""Sets of rows that may be arrays."""

Missing = Annotated[tuple[str, ...], Field(min_length=1)]
"""The strings that stand for a missing value in the raw files."""


@settings
class Names(Source):
    """Which files of a folder are what.

    train: the training file's name within it, or absolute, as those of the others. Names that are not said are found
        where they are the usual ones.
    valid: rows that validate where the split is ``{name: holdout, rows: valid}``.
    test: rows to answer; without them everything but the submission is made.
    sample_submission: how Kaggle wants the submission; without it a row has its id and the target.
    solution: the test rows' answers, where they are known.
    extra: files of further training rows (last year's, the data behind a synthetic competition), in the folder or
        anywhere in the project: every fold trains on them, none is validated on them.
    extra_weight: how much each of these rows counts in a fit, beside 1 of a row of the training file.
    mark: name of a column that is 1 in these rows and 0 in all others.
    missing: texts that stand for a missing value, in every column.
    images: folders of image files within it, by set of rows: ``{train: train, test: test}``. Without a train file a
        folder in them is a class.
    encoding: of the text files; auto recognises UTF-8, UTF-16 and cp1252, file by file. They are written to the
        project in UTF-8.
    """

    train: str | None = None
    valid: str | None = None
    test: str | None = None
    sample_submission: str | None = None
    solution: str | None = None
    extra: tuple[str, ...] = ()
    extra_weight: float = Field(default=1.0, gt=0)
    mark: str | None = None
    images: Mapping[str, str] = Field(default_factory=dict)
    missing: Missing = ("", "NA")
    encoding: str = AUTO

    def __post_init__(self) -> None:
        if self.images and ("train" not in self.images or set(self.images) - set(ARRAYS)):
            raise ValueError(f"images: folders are of {', '.join(ARRAYS)}, and train is needed")


def by_place(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Files by where they stand from a folder: names alone may be those of two."""
    return {Path(os.path.relpath(file, folder)).as_posix(): file for file in files}


@sources.register("files")
@settings
class Files(Names):
    """A competition's files in a folder, or in a zip or tar archive.

    path: relative to the project, or absolute.
    """

    path: str

    def origin(self) -> dict[str, Path]:
        """The files behind it by their place, for whoever must notice that they changed: the tables, or the archive and
        what is named beside it.

        Raises OSError or UserError where they cannot be reached.
        """
        path = main_root() / self.path
        if path.is_dir():
            tables = [*self._tables(path, shown(path)).values(), *self._extras(path, shown(path))]
            arrays = [file for stem in ARRAYS for file in find_arrays(path, stem).values()]
            folders = {f"{within}/": path / within for within in self.images.values()}
            return {**by_place([*tables, *arrays], path), **folders}
        path.stat()
        roles = [named for role in USUAL_NAMES if (named := getattr(self, role)) and Path(named).is_absolute()]
        beside = {one: main_root() / one for one in (*roles, *self.extra)}  # of which some may lie within it
        return {path.name: path, **{one: file for one, file in beside.items() if file.is_file()}}

    def unused(self) -> list[str]:
        path = main_root() / self.path
        if not path.is_dir():
            return []
        used = set(self.origin().values())
        tables = {item for item in path.iterdir() if item.is_file() and item.name.lower().endswith(TABLES)}
        return sorted(table.name for table in tables - used)

    def fetch(self, folder: Path, competition: str, *, look: bool = True) -> None:
        """Copy or unpack the tables into ``folder`` in their own format, each read once as a check.

        Raises UserError for files that are missing, ambiguous or no proper tables.
        """
        path = main_root() / self.path
        if path.is_dir():
            self.bring(path, folder, shown(path), look=look)
        elif path.is_file() and is_archive(path):
            with tempfile.TemporaryDirectory() as aside:
                unpacked = Path(aside, path.name.partition(".")[0])
                extract(path, unpacked)
                self.bring(only_folder(unpacked), folder, shown(path), look=look)
        elif path.exists():
            raise UserError(f"{shown(path)}: neither a folder nor an archive; name the folder that the files lie in")
        else:
            raise UserError(f"{shown(path)}: no such folder or archive; check the path of {competition}'s source")

    def bring(self, origin: Path, folder: Path, name: str, *, look: bool = True) -> None:
        """Copy the tables from the folder ``origin``, which messages call ``name``."""
        found = self._tables(origin, name)
        folder.mkdir(parents=True, exist_ok=True)
        for role, table in found.items():
            self._copy(table, folder, role, _told(table, origin, name), look)
        for number, table in enumerate(self._extras(origin, name)):
            self._copy(table, folder, f"extra-{number}", _told(table, origin, name), look)
        for stem in ARRAYS:
            if stem not in found:
                bring_arrays(origin, folder, stem, name)
        if self.images:
            from pipeline.sources.image_folders import bring_folders

            bring_folders(origin, folder, self.images, name)

    def _tables(self, origin: Path, name: str) -> dict[str, Path]:
        """The table of each role that is there."""
        found = {}
        for role, usual in USUAL_NAMES.items():
            named = getattr(self, role)
            table = origin / named if named is not None else _find(origin, usual)
            if table is not None and not table.is_file():
                raise UserError(f"{name}: no file '{named}' in it, which source.{role} names")
            if table is not None and table.suffix == ".npz":
                if table.stem != role:
                    raise UserError(f"{name}: arrays are named by what they are for: call '{table.name}' {role}.npz")
                if table.parent != origin:
                    told = "arrays lie in the folder itself, and are found there by their names"
                    raise UserError(f"{name}: {told}: bring '{named}' there, and take source.{role} out")
                continue
            if table is None and role == "train" and not self.images and not find_arrays(origin, "train"):
                raise UserError(f"{name}: no {role} file in it (such as {role}.csv){what_it_holds(origin)}")
            if table is not None:
                found[role] = table
        return found

    def _extras(self, origin: Path, name: str) -> list[Path]:
        found = []
        for one in self.extra:
            places = [place for place in (origin / one, main_root() / one) if place.is_file()]
            if not places:
                raise UserError(f"{name}: no file '{one}' in it nor in the project, which source.extra names")
            found.append(places[0])
        return found

    def _copy(self, table: Path, folder: Path, role: str, name: str, look: bool) -> None:
        if look:
            read_table(
                table, missing=self.missing, encoding=self.encoding, name=name
            )  # refuses what is no proper table
        if is_packed(table):
            inner, data = unpack(table)
            endings = [Path(one).suffix.lower() for one in (inner, table.stem, table.name)]
            target = folder / f"{role}{next((one for one in endings if one in DELIMITERS), endings[0])}"
            target.write_bytes(data)
        else:
            target = folder / f"{role}{table.suffix.lower()}"
            shutil.copyfile(table, target)
        if target.suffix not in DELIMITERS:
            return
        data = target.read_bytes()
        found = encoding_of(data, name) if self.encoding == AUTO else self.encoding
        if self.encoding == AUTO and found == "cp1252":
            print(f"warning: {told_of_cp1252(data, name)}", file=sys.stderr)  # noqa: T201
        if found != "utf-8":
            data = to_utf8(data, name, found)
            target.write_bytes(data)
        if before := str(preamble_of(data, DELIMITERS[target.suffix])):
            told = f"{name} has more before its column names, which is passed over: {before}"
            print(f"warning: {told}", file=sys.stderr)  # noqa: T201


def _told(table: Path, origin: Path, name: str) -> str:
    """What messages call a table of the folder ``origin``, which they call ``name``, or one that lies elsewhere."""
    return f"{name}/{table.relative_to(origin)}" if table.is_relative_to(origin) else shown(table)


def _find(origin: Path, stems: tuple[str, ...]) -> Path | None:
    """The table of the first of these stems that is there."""
    return next((table for stem in stems if (table := find_table(origin, stem))), None)


def only_folder(folder: Path) -> Path:
    """The folder with the files: ``folder``, or the only thing in it, as many archives are made."""
    items = [item for item in folder.iterdir() if not is_litter(f"{item.name}/")]
    return only_folder(items[0]) if len(items) == 1 and items[0].is_dir() else folder
