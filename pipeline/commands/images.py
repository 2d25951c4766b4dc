"""Images among one's own files -> how they are read, and the description of their competition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.commands.budgets import MANY
from pipeline.commands.pixel_columns import pixel_square, refuse_unlike
from pipeline.core.errors import UserError
from pipeline.core.paths import main_root
from pipeline.images.places import Place, is_image
from pipeline.sources.archives import extract, is_archive
from pipeline.sources.arrays import find_arrays
from pipeline.sources.files import only_folder
from pipeline.sources.image_folders import find_folders, naming_columns
from pipeline.sources.tables import find_table, read_table

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.commands.guess import Guess

SIDES = (28, 32, 48, 64)
"""Sides that images of several sizes are brought to: the largest that is not above their usual one."""
MOST = 2 * SIDES[-1] ** 2
"""Pixels that they are brought to at most, however long one side is beside the other: time and memory follow them."""
LEAST_SIDE = 8
"""Pixels of a side that networks need for small images."""
AS_IT_IS = 64
"""Sides up to which images of one size stay as they are."""
SEEN = 200
"""Images that are looked at for sizes and colours."""
COARSE = 16
"""Pixels of a side below which images are not scaled in training."""
ALIKE = 1.1
"""Ratio of shapes up to which images are stretched to one."""


def image_source(source: str) -> dict[str, Any] | None:
    """A source of files with folders of images, where there are some; else None."""
    place = main_root() / source
    if place.is_dir():
        folders = find_folders(place)
    elif is_archive(place) and _holds_images(place):
        with TemporaryDirectory() as aside:
            extract(place, Path(aside) / "files")
            folders = find_folders(only_folder(Path(aside) / "files"))
    else:
        return None
    return {"name": "files", "path": source, "images": folders} if folders else None


def with_folders(origin: Mapping[str, Any]) -> dict[str, Any]:
    """A source that downloads, with the folders of images that it brings, where there are some."""
    from pipeline.sources import sources

    place = sources.build(origin, "--from").brought()
    folders = {} if place is None else find_folders(place)
    return {**origin, "images": folders} if folders else dict(origin)


def columns_of_arrays(origin: Mapping[str, Any]) -> dict[str, str]:
    """What id and label of a folder of arrays are called, as its sample submission has them; nothing of other files."""
    place = main_root() / str(origin.get("path", ""))
    if not find_arrays(place, "train"):
        return {}
    sample = find_table(place, "sample_submission")
    names = ["id", "labels"] if sample is None else [str(name) for name in read_table(sample)]
    return dict(zip(("id", "target"), names, strict=True)) if len(names) == 2 else {}


def _holds_images(archive: Path) -> bool:
    import tarfile
    import zipfile

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            return any(map(is_image, opened.namelist()))
    if not tarfile.is_tarfile(archive):
        return False
    with tarfile.open(archive) as tar:
        return any(map(is_image, tar.getnames()))


@dataclass(frozen=True)
class FoundImages:
    """columns: as ``columns.images`` has them. made_of: raw columns that are read no more. size: height and width.
    channels: of all that stand beside each other. together: the columns that do, all where they are of one size.
    colour: whether one image has several channels. why: what to tell."""

    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    made_of: frozenset[str] = frozenset()
    size: tuple[int, int] = (0, 0)
    channels: int = 1
    together: tuple[str, ...] = ()
    colour: bool = False
    why: Mapping[str, str] = field(default_factory=dict)

    def beside(self, table: pd.DataFrame) -> pd.DataFrame:
        """What a table holds besides images."""
        return table.drop(columns=[name for name in table if name in self.made_of])

    def describe(self, train: pd.DataFrame, test: pd.DataFrame | None, found: Guess, **facts: Any) -> dict[str, Any]:
        """What ``gallery.compose`` takes; adds to the guess. train, test: without the images."""
        from pipeline.features.settling import settle

        task, target = found.task["name"], found.columns["target"]
        if task not in ("classification", "regression"):
            raise UserError(f"add: images with the task '{task}': there is no portfolio; declare it in params.yaml")
        drop = found.columns.get("drop", ())
        files = [body["files"] for body in self.columns.values() if "files" in body]
        drop = [*drop, *(name for name in files if name in train and name not in (found.columns["id"], target))]
        schema = settle(train, test, id=found.columns["id"], target=target, drop=drop, **facts)
        beside = schema.names("number", "category")
        found.columns["images"] = {name: dict(body) for name, body in self.columns.items()}
        found.why.update(self.why)
        image: dict[str, Any] = {"column": self.together[0]} if len(self.columns) > 1 else {}
        told = f"the image '{self.together[0]}'"
        if len(self.together) > 1:
            image = {"columns": list(self.together)}
            told = f"the images {', '.join(map(repr, self.together))} of a row as channels of one"
        if beside:
            image["numbers"] = {"categories": "native", "missing_flags": True}
            told += f", and beside {'them' if len(self.together) > 1 else 'it'} {', '.join(beside[:6])}"
        found.why["features"] = told
        if len(train) >= MANY and found.split.get("folds", 0) > 3:
            found.split["folds"] = 3
            found.why["split"] = f"{len(train)} rows: three folds"
        described: dict[str, Any] = {"portfolio": f"image_{task}", "rows": len(train), "columns": {"image": image}}
        augmentation, because = self.augmentation()
        found.why["fit.augmentation"] = because
        described |= {"pixels": self.size[0] * self.size[1] * self.channels, "augmentation": augmentation}
        if not self.colour and min(self.size) >= COARSE:
            described["test_time"] = {"shift": 1}
            found.why["fit.test_time"] = "grey, as letters and digits are: answered as they are and moved by a pixel"
        return described

    def augmentation(self) -> tuple[list[dict[str, Any]], str]:
        """How training images are changed, and why."""
        if self.colour:
            padding = max(1, round(min(self.size) / 8))
            told = "in colour: left and right are taken to be alike; if they are not, take flip out"
            return [{"name": "flip"}, {"name": "crop", "padding": padding}], told
        told = "grey, as letters and digits are: turned, moved and scaled a little, never mirrored"
        if min(self.size) < COARSE:  # there a scaled stroke is another one
            return [{"name": "rotation", "degrees": 8}, {"name": "shift", "by": 0.06}], told.replace(" and scaled", "")
        return [{"name": "rotation", "degrees": 10}, {"name": "scale"}, {"name": "shift", "by": 0.07}], told


def find_images(
    origin: Mapping[str, Any], train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame | None, raw: Path
) -> FoundImages:
    """In the raw table and beside it. raw: the folder that ``fetch`` wrote."""
    from pipeline.images.column import images_of, is_images

    if arrays := [str(name) for name in train if is_images(train[name])]:
        return _of_arrays({name: images_of(train[name]).shape_of_one for name in arrays})
    if found := naming_columns(train, raw, origin.get("images", {})):
        return _of_files(*found, train, test)
    if test is not None:
        refuse_unlike(train, test)
    asked = train if test is None else test
    answers = set() if sample is None else set(map(str, sample.columns))
    if pixels := pixel_square(asked.drop(columns=[name for name in answers if name in asked], errors="ignore"), train):
        prefix, side = pixels
        made_of = frozenset(str(name) for name in train if re.fullmatch(rf"{re.escape(prefix)}\d+", str(name)))
        why = {"columns.images.image": f"columns '{prefix}<number>' are the pixels of {_size(side, side)}"}
        body = {"pixels": prefix, "size": [side, side]}
        name = _free("image", train)
        return FoundImages({name: body}, made_of, (side, side), 1, (name,), why=why)
    return FoundImages()


def _of_arrays(shapes: Mapping[str, tuple[int, int, int]]) -> FoundImages:
    """shapes: height, width and channels of each array of images."""
    first = next(iter(shapes.values()))
    together = tuple(name for name, shape in shapes.items() if shape[:2] == first[:2])
    why = {}
    for name, (height, width, channels) in shapes.items():
        of = {1: "", 3: " in colour"}.get(channels, f" with {channels} channels")
        told = "" if name in together else f"; the networks read those of {_size(*first[:2])} alone"
        why[f"columns.images.{name}"] = f"an array of {_size(height, width)}{of}{told}"
    return FoundImages(
        {name: {} for name in shapes},
        frozenset(shapes),
        first[:2],
        sum(shapes[name][2] for name in together),
        together,
        any(shapes[name][2] > 1 for name in together),
        why,
    )


def _of_files(columns: list[str], place: Place, train: pd.DataFrame, test: pd.DataFrame | None) -> FoundImages:
    from pipeline.images.files import sizes_and_colour

    files = place.files()
    sizes, colour = sizes_and_colour(place, files[:: max(1, len(files) // SEEN)])
    if not sizes:
        raise UserError(f"add: none of the {len(files)} images in {place.folder or 'the folder'} can be read")
    size, fit, told = choose_size(sizes)
    made: dict[str, dict[str, Any]] = {}
    why = {}
    for column in columns:
        name = _free("image" if len(columns) == 1 else f"{column}_image", train)
        made[name] = {"files": column, "size": list(size), "colour": "colour" if colour else "grey"}
        made[name] |= {"fit": fit} if fit != "stretch" else {}
        why[f"columns.images.{name}"] = f"'{column}' names files; {told}, {'in colour' if colour else 'grey'}"
    read = frozenset() if test is None else frozenset(column for column in columns if column not in test)
    channels = len(columns) * (3 if colour else 1)
    return FoundImages(made, read, size, channels, tuple(made), colour, why)


def choose_size(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], str, str]:
    """Height and width that images are brought to, how (``fit``), and why. sizes: of some of them."""
    from statistics import median

    kinds = set(sizes)
    if len(kinds) == 1 and max(sizes[0]) <= AS_IT_IS:
        return sizes[0], "stretch", f"all of {_size(*sizes[0])}"
    ratios = sorted(width / height for height, width in sizes)
    ratio = median(ratios)
    usual = median(min(size) for size in sizes)
    side = max((one for one in SIDES if one <= usual), default=SIDES[0])
    least, most = _size(*min(kinds)), _size(*max(kinds))
    told = f"of {least}" + (f" to {most}" if least != most else "")
    middle = ratios[len(ratios) // 20], ratios[-1 - len(ratios) // 20]
    alike = middle[1] / middle[0] <= ALIKE
    common = max(kinds, key=lambda one: (sizes.count(one), one))
    if sizes.count(common) > 0.8 * len(sizes) and max(common) <= AS_IT_IS:
        return common, "stretch" if alike else "pad", f"most of {_size(*common)}"
    if not alike:
        return (side, side), "pad", f"{told}, brought to {_size(side, side)} with black around"
    longer = max(ratio, 1 / ratio)  # than the other side, so many times
    short = max(LEAST_SIDE, min(side, int((MOST / longer) ** 0.5)))
    long = min(round(short * longer), MOST // short)
    height, width = (short, long) if ratio >= 1 else (long, short)
    why = "" if short == side else f", so that they have no more than {MOST} pixels"
    return (height, width), "stretch", f"{told}, brought to {_size(height, width)}{why}"


def _size(height: int, width: int) -> str:
    return f"{height} x {width} pixels"


def _free(name: str, table: pd.DataFrame) -> str:
    """A name that no raw column has."""
    return name if name not in table else _free("picture" if name == "image" else f"{name}_", table)
