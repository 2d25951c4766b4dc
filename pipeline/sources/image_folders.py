"""Folders of image files: found, brought whole, and made into tables where there are none."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError
from pipeline.core.files import whole_file
from pipeline.images.decoding import Unreadable
from pipeline.images.places import (
    Names,
    Place,
    fault_of_link,
    folders_apart,
    image_files,
    own_files,
    refuse_unreachable,
)
from pipeline.sources.competition import hash_order
from pipeline.sources.raw import IMAGES, image_places
from pipeline.sources.tables import find_table, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

FILE, LABEL = "file", "label"
"""Columns of tables that are made of folders."""
_WORDS = r"(?:[-_ ]?(?:images?|imgs?|pictures?|photos?|png|jpe?g|data|set))*"
_ROLES = {
    "train": r"train(?:ing)?",
    "valid": r"(?:valid(?:ation)?|val|dev)",
    "test": r"test(?:ing)?",
}
LOOKED_AT = 50
"""Values of a column that tell whether it names files."""
MOST = 0.8
"""Part of these that must."""


def find_folders(origin: Path) -> dict[str, str]:
    """The folder of the image files of each set of rows, by its name; one for all where none is named so; none where
    there are no images."""
    folders = {str(PurePosixPath(file).parent) for file in image_files(origin)}
    every = {str(parent) for one in folders for parent in (PurePosixPath(one), *PurePosixPath(one).parents)}
    found = {}
    for role, word in _ROLES.items():
        pattern = re.compile(rf"(?:images?[-_ ]?)?{word}{_WORDS}", re.IGNORECASE)
        named = [one for one in every if pattern.fullmatch(PurePosixPath(one).name)]
        if named:
            found[role] = min(named, key=lambda one: (len(PurePosixPath(one).parts), one))
    if folders and "train" not in found:
        there = sorted(one for one in every if one != ".")
        top = [one for one in there if "/" not in one and one not in found.values()]
        alone = top[0] if len(top) == 1 and "." not in folders else "."
        return {"train": alone, "test": alone, **found}
    return found if folders else {}


def bring_folders(origin: Path, folder: Path, images: Mapping[str, str], where: str) -> None:
    """Pack the image files of these folders into ``images.zip``, byte by byte as they are, and write the tables that
    are not there: of folders of folders the name of each file and of its folder, which is its class, in an order that
    is the same everywhere and says nothing of the class; of test files their names, in the order of the sample
    submission.

    where: what messages call the origin. Raises UserError for a folder that is missing or holds no image, for links
    that lead out of it, nowhere or to a folder, and for names that are no text.
    """
    names: dict[str, list[str]] = {}
    for role, within in images.items():
        place = origin / within
        if not place.resolve().is_relative_to(origin.resolve()) or not place.is_dir():
            raise UserError(f"{where}: no folder '{within}' in it, which source.images.{role} names")
        names[role] = sorted(own_files(image_files(place), folders_apart(within, images.values())))
        refuse_unreachable(place, names[role], where if within == "." else f"{where}/{within}")
        if not names[role]:
            raise UserError(f"{where}/{within}: holds no images, such as .png and .jpg")
    _pack(origin, {one for role, within in images.items() for one in _under(within, names[role])}, folder, where)
    train = find_table(folder, "train")
    if train is None:
        classes = {name.partition("/")[0] for name in names["train"] if "/" in name}
        if len(classes) < 1 or any("/" not in name for name in names["train"]):
            raise UserError(
                f"{where}: no train file in it (such as train.csv), and {images['train']}/ holds images that lie in no "
                "folder of a class"
            )
        for role, own in names.items():
            labelled = all(name.partition("/")[0] in classes and "/" in name for name in own)
            if role == "train":  # folder by folder a row's place, and the row beside it, would tell its class
                own = [own[place] for place in hash_order(own, FILE)]
            table = _table(own, classes=labelled)
            if role == "test" and labelled:
                write_table(table, folder / "solution.csv")
                table = table.drop(columns=LABEL)
            if role == "test" and images["test"] == images["train"]:
                continue
            write_table(table, folder / f"{role}.csv")
    elif "test" in images and find_table(folder, "test") is None:
        column = _naming(_as_written(train), Names(names["train"], images["train"].rpartition("/")[2]))
        test = _test_names(folder, names["test"], images["test"])
        if column is not None and test:
            write_table(_table(test, column=column), folder / "test.csv")


def _under(within: str, names: Sequence[str]) -> list[str]:
    return [name if within == "." else f"{within}/{name}" for name in names]


def _pack(origin: Path, names: set[str], folder: Path, where: str) -> None:
    faults = {name: why for name in sorted(names) if (why := fault_of_link(origin / name, origin)) is not None}
    for name, why in faults.items():
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UserError(f"{where}/{name}{more}: {why}; copy the file there")
    with whole_file(folder / IMAGES) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(names):
            packed.writestr(zipfile.ZipInfo(name), (origin / name).read_bytes())


def _table(files: Sequence[str], *, column: str = FILE, classes: bool = False) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame({column: pd.Series(list(files), dtype="str")})
    return table.assign(**{LABEL: [name.partition("/")[0] for name in files]}) if classes else table


def _test_names(folder: Path, files: Sequence[str], within: str) -> list[str]:
    """Of the sample submission, where its first column names files; else of the files themselves."""
    sample = find_table(folder, "sample_submission")
    if sample is None:
        return list(files)
    first = str(read_table(sample, missing=()).columns[0])
    asked = read_table(sample, missing=(), text=[first], only=[first])[first].astype(str).tolist()
    known = Names(files, within.rpartition("/")[2])
    return asked if _found(asked, known) >= MOST else list(files)


def _found(values: Sequence[str], known: Names) -> float:
    """Part of the values that name a file."""
    right = 0
    for value in values[:LOOKED_AT]:
        try:
            known.find(value)
            right += 1
        except Unreadable:
            continue
    return right / max(1, len(values[:LOOKED_AT]))


def _as_written(path: Path) -> pd.DataFrame:
    """A table whose cells are all text: 007 is the name of a file, and no 7."""
    return read_table(path, missing=(), text=[str(name) for name in read_table(path, missing=())])


def _naming(written: pd.DataFrame, known: Names) -> str | None:
    """The column that names files."""
    parts = {str(name): _found(written[name].dropna().tolist(), known) for name in written}
    best = max(parts, key=lambda name: parts[name])
    return best if parts[best] >= MOST else None


def naming_columns(table: pd.DataFrame, folder: Path, images: Mapping[str, str]) -> tuple[list[str], Place] | None:
    """The columns of a training table in ``raw/`` that name image files, and where these lie: the one that does most
    surely, and others of words that name other files."""
    place = image_places(folder, images).get("train")
    if place is None:
        return None
    known = Names(place.files(), place.folder.rpartition("/")[2])
    train = find_table(folder, "train")
    written = table if train is None else _as_written(train)
    if (best := _naming(written, known)) is None:
        return None
    columns = {best: _meant(written[best], known)}
    for name in map(str, table):
        words = table[name].dtype.kind not in "iufb"  # ages are numbers, and may be names of files by chance
        meant = _meant(written[name], known) if words and name != best else []
        if sum(file is not None for file in meant) >= MOST * max(1, len(meant)) and meant not in columns.values():
            columns |= {name: meant} if meant else {}
    return [str(name) for name in table if name in columns], place


def _meant(values: pd.Series, known: Names) -> list[str | None]:
    """The files that the first values name."""
    meant: list[str | None] = []
    for value in values.iloc[:LOOKED_AT]:
        try:
            meant.append(known.find(str(value)))
        except Unreadable:
            meant.append(None)
    return meant
