"""Raw rows that name image files, or hold pixels, -> raw rows with a column of images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.sections import ImageColumn
from pipeline.images.column import Images, images_of, is_images
from pipeline.images.files import Faults, read_images
from pipeline.images.pixels import check_numbers, checked_columns, pack, times_of
from pipeline.images.places import Place
from pipeline.images.rows import array_file

if TYPE_CHECKING:
    import pandas as pd

LEARNED = ("train", "valid", "extra")
"""How the sets of rows begin whose rows may be left out."""
ROWED = ("train", "valid")
"""Of those the sets that tell of files without a row, the first of a place for all that read from it."""
TIMES = "times"


def with_images(
    raw: dict[str, pd.DataFrame],
    declared: Mapping[str, ImageColumn],
    places: Mapping[str, Place],
    names: Mapping[str, str],
    *,
    keep: Collection[str | None] = (),
    into: Path | None = None,
    warn: Callable[[str], object] = lambda told: None,
    settled: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Put each declared column of images into every set of rows in ``raw``, in place of what it is made of; gives how
    each is read, with all that was decided, which is ``settled`` for other rows later.

    places: of the files, by set of rows. names: of the tables, for messages. keep: raw columns that stay although
    they name files. into: folder of the arrays; None: where they take no room after the process.
    Raises one UserError for all that is wrong with the files of a column.
    """
    found: dict[str, dict[str, Any]] = {}
    later = settled is not None
    of_files = [how.files for how in declared.values() if how.files is not None]
    lies = {stem: places.get(stem) or places.get("train") for stem in raw}
    every = {stem: _names(frame, of_files) for stem, frame in raw.items()} if of_files else {}
    given = {str(name) for frame in raw.values() for name in frame if is_images(frame[name])}
    for name, how in {**{name: ImageColumn() for name in sorted(given)}, **declared}.items():
        before = (settled or {}).get(name, {})
        size, times = _pair(before.get("size")) or how.size, before.get(TIMES)
        wrong: list[str] = []
        for stem, frame in raw.items():
            if name in frame and not is_images(frame[name]) and how.files != name:
                raise UserError(f"{names[stem]}: has a column '{name}' already; call columns.images.{name} otherwise")
            if how.files is not None:
                if (place := lies[stem]) is None:
                    raise UserError(f"columns.images.{name}: the source brings no image files; set source.images")
                here = [one for one in raw if lies[one] == place]
                # Of a place that two sets are said to have, another table may be to come.
                whole = sum(one == place for one in places.values()) == 1
                whole &= stem == next((one for one in here if one.startswith(ROWED)), None)
                others = [one for own in here if whole for one in every[own]]
                raw[stem], told = _of_files(
                    name, how, frame, stem, place, size, names[stem], keep, into, whole, warn, others, later
                )
                wrong += told
                size = size or images_of(raw[stem][name]).shape_of_one[:2]
            elif how.pixels is not None and name not in frame:
                columns = checked_columns(map(str, frame), how, names[stem])
                check_numbers(frame, columns, names[stem])
                times = times_of(frame, columns) if times is None else times
                images = Images.of(pack(frame, columns, how, times, names[stem]))
                raw[stem] = _with(frame.drop(columns=columns), name, images)
        if wrong:
            raise UserError("\n".join(wrong))
        shapes = _shapes(name, raw, names, before)
        body = {key: value for key, value in settings_dict(how).items() if value is not None}
        height, width, channels = shapes
        body |= {"size": [height, width], "colour": "colour" if channels == 3 else "grey", "channels": channels}
        found[name] = body if times is None else {**body, TIMES: times}
    return found


def settled_columns(settled: Mapping[str, Mapping[str, Any]]) -> dict[str, ImageColumn]:
    """The declarations in what ``with_images`` gave."""
    extra = (TIMES, "channels")
    return {
        name: build_settings(ImageColumn, {key: value for key, value in body.items() if key not in extra}, name)
        for name, body in settled.items()
    }


def _pair(size: Any) -> tuple[int, int] | None:
    return None if size is None else (int(size[0]), int(size[1]))


def _with(frame: pd.DataFrame, name: str, images: Images) -> pd.DataFrame:
    import pandas as pd

    return frame.assign(**{name: pd.Series(images, index=frame.index)})


def _shapes(
    name: str, raw: Mapping[str, pd.DataFrame], names: Mapping[str, str], before: Mapping[str, Any]
) -> tuple[int, int, int]:
    """Height, width and channels of all images. Raises UserError where they differ."""
    first: tuple[str, tuple[int, int, int]] | None = None
    if before:
        first = ("the training file", (*(_pair(before["size"]) or (0, 0)), int(before["channels"])))
    for stem, frame in raw.items():
        if name not in frame:
            hint = did_you_mean(name, [str(one) for one in frame if is_images(frame[one])])
            raise UserError(f"{names[stem]}: no array '{name}' of images, which columns.images names{hint}")
        own = images_of(frame[name]).shape_of_one
        if first is not None and own != first[1]:
            one, other = (" x ".join(map(str, shape)) for shape in (own, first[1]))
            raise UserError(f"{names[stem]}: images '{name}' are {one}, and those of {first[0]} {other}; make them one")
        first = first or (names[stem], own)
    if first is None:
        raise ValueError("there are no rows")
    return first[1]


def _of_files(
    name: str,
    how: ImageColumn,
    frame: pd.DataFrame,
    stem: str,
    place: Place,
    size: tuple[int, int] | None,
    where: str,
    keep: Collection[str | None],
    into: Path | None,
    whole: bool,
    warn: Callable[[str], object],
    others: list[str],
    later: bool,
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with their images, and a line of what is wrong. whole: whether each file of the place needs a row.
    others: names of files that other columns and sets have. later: whether a trained model is asked."""
    if how.files not in frame:
        hint = did_you_mean(str(how.files), map(str, frame))
        raise UserError(f"{where}: no column '{how.files}' (declared as columns.images.{name}.files){hint}")
    texts = _names(frame, [str(how.files)])
    file = None if into is None else array_file(into, name, stem)
    learned = stem.startswith(LEARNED)
    images, there, faults, unnamed = read_images(texts, place, how, size, file, f"{where}: images", whole, others)
    for other in unnamed if whole else ():
        faults.add("has no row", other)
    left = frame.drop(columns=how.files) if how.files not in keep else frame
    left = _with(left, name, images)
    if not faults:
        return left, []
    if how.broken == "refuse":
        return left, [_told(faults, where, name, later)]
    skipped = int((~there).sum())
    what = f"{skipped} rows are left out" if learned else f"{skipped} rows are answered as if black"
    warn(f"{where}: {faults.told()}; {what}" if skipped else f"{where}: {faults.told()}")
    return (left[there].reset_index(drop=True), []) if learned else (left, [])


def _names(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    """What columns name, one after the other; "" where a cell names nothing."""
    some = [frame[name] for name in columns if name in frame]
    return ["" if missing else str(value) for one in some for value, missing in zip(one, one.isna())]


def _told(faults: Faults, where: str, name: str, later: bool) -> str:
    count, them = (f"{len(faults)} faults", "them") if len(faults) > 1 else ("a fault", "it")
    skip = f"skip such files: `add` with --broken skip, or columns.images.{name}.broken: skip in params.yaml"
    out = f"take {'those rows and files' if len(faults) > 1 else 'that row and file'} out"
    return f"{where}: {count} in the images: {faults.told()}; mend {them}, or {out if later else skip}"
