"""Names of image files -> one array of pixels, decoded side by side in processes."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from pipeline.core.errors import UserError
from pipeline.core.process import die_with_parent
from pipeline.core.sections import ImageColumn
from pipeline.images.column import Images
from pipeline.images.decoding import Unreadable, decode, size_of
from pipeline.images.places import Names, Place, Reader

TOGETHER = 128
"""Images that a process decodes before it tells."""
FEW = 512
"""Images below which no process is worth its start."""
SHOWN = 3
"""Names of each fault that are told."""


@dataclass
class Faults:
    """What is wrong with images, by what it is: the names it is wrong with."""

    by: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, name: str) -> None:
        self.by.setdefault(why, []).append(name)

    def __len__(self) -> int:
        return sum(map(len, self.by.values()))

    def told(self) -> str:
        parts = []
        for why, names in sorted(self.by.items()):
            more = f", … {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            parts.append(f"{', '.join(map(repr, names[:SHOWN]))}{more} {why}")
        return "; ".join(parts)


def read_images(
    names: Sequence[str],
    place: Place,
    how: ImageColumn,
    size: tuple[int, int] | None,
    into: Path | None,
    title: str,
    whole: bool = True,
    others: Sequence[str] = (),
) -> tuple[Images, np.ndarray, Faults, list[str]]:
    """The images that the names mean, black where there is none; which rows have one, bool [rows]; what is wrong;
    and the files that no row names.

    size: height and width; None: that of the first image that can be read, which all must have. into: file of the
    array; None: a file that is gone with the column. title: of the bar that shows how far it is. whole: whether to go
    through the whole place for files that no row names; else only where a name is not that of a file. others: names
    that rows have for files besides.
    """
    files = place.files() if whole or not all(map(place.holds, names)) else sorted({*names})
    known, faults = Names(files, (place.folder or place.path.name).rpartition("/")[2]), Faults()
    members: list[str | None] = []
    for name in names:
        try:
            members.append(known.find(name))
        except Unreadable as why:
            members.append(None)
            faults.add(str(why), name)
    found = [(row, member) for row, member in enumerate(members) if member is not None]
    given = size is not None
    size = size or _first_size(place, [member for _, member in found], how)
    shape = (len(names), *size, 3 if how.colour == "colour" else 1)
    with _file(into) as file:
        open_memmap(file, mode="w+", dtype=np.uint8, shape=shape).flush()
        job = _Job(place, how, size if given else None, file)
        for row, reason in _decoded(job, found, title):
            faults.add(reason, str(members[row]))
            members[row] = None
        images = Images.mapped(file)
    named = {member for _, member in found}
    for name in others:
        with suppress(Unreadable):
            named.add(known.find(name))
    unnamed = sorted(set(files) - named)
    return images, np.array([member is not None for member in members], dtype=bool), faults, unnamed


@contextmanager
def _file(into: Path | None) -> Iterator[Path]:
    if into is not None:
        into.parent.mkdir(parents=True, exist_ok=True)
        yield into
        return
    with tempfile.TemporaryDirectory() as aside:  # what is mapped stays until it is let go
        yield Path(aside) / "images.npy"


def _first_size(place: Place, files: Sequence[str], how: ImageColumn) -> tuple[int, int]:
    reader = place.reader()
    for file in files:
        try:
            height, width, _ = decode(reader.read(file), None, how).shape
            return height, width
        except Unreadable:
            continue
    raise UserError(f"{place.folder or place.path.name}: none of {len(files)} images can be read; look at the files")


@dataclass(frozen=True)
class _Job:
    place: Place
    how: ImageColumn
    size: tuple[int, int] | None
    file: Path


def _decoded(job: _Job, found: Sequence[tuple[int, str]], title: str) -> Iterator[tuple[int, str]]:
    """Decode all into the job's file; gives row and reason of those that cannot be."""
    import os

    parts = [found[begin : begin + TOGETHER] for begin in range(0, len(found), TOGETHER)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(found) < FEW or cores == 1:
        _begin(job)
        for part in parts:
            yield from _decode_some(part)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with (
        ProcessPoolExecutor(cores, context, _begin_process, (job,)) as pool,
        _bar(title, len(found)) as tell,
    ):
        for part, faults in zip(parts, pool.map(_decode_some, parts)):
            tell(len(part))
            yield from faults


_job: tuple[_Job, Reader, np.ndarray]
"""Of this process."""


def _begin_process(job: _Job) -> None:
    die_with_parent()
    _begin(job)


def _begin(job: _Job) -> None:
    global _job
    _job = job, job.place.reader(), open_memmap(job.file, mode="r+")


def _decode_some(part: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    job, reader, array = _job
    faults = []
    for row, file in part:
        try:
            pixels = decode(reader.read(file), job.size, job.how)
            if pixels.shape != array.shape[1:]:
                height, width, _ = array.shape[1:]
                raise Unreadable(f"is not {height} x {width} as the first")
            array[row] = pixels
        except Unreadable as why:
            faults.append((row, str(why)))
    return faults


@contextmanager
def _bar(title: str, total: int) -> Iterator:
    """Shows how far it is, on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task(title, total=total)

        def tell(done: int) -> None:
            progress.update(task, advance=done, refresh=True)

        yield tell


def sizes_and_colour(place: Place, files: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
    """Heights and widths of images, as a person sees them, and whether one of them has colours; what cannot be read
    is passed over."""
    reader, sizes, colour = place.reader(), [], False
    for file in files:
        try:
            data = reader.read(file)
            sizes.append(size_of(data))
            if not colour:
                pixels = decode(data, None, ImageColumn(colour="colour")).astype(np.int16)
                colour = bool((np.abs(pixels - pixels[:, :, :1]) > 8).mean() > 0.01)
        except Unreadable:
            continue
    return sizes, colour
