"""Digests of data files, each read again only where its inode, size or time is another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import state_folder


def kept_digest(path: Path) -> str:
    """Of the file's bytes, or of the names and bytes of all files in a folder, 32 hexadecimal digits. Raises OSError
    where it cannot be read."""
    mark = _folder_mark(path) if path.is_dir() else _mark(path)
    known = _known()
    entry = known.get(str(path.resolve()))
    if entry is None or entry["mark"] != mark:
        if path.is_dir():
            entry = {"mark": mark, "digest": _folder_digest(path)}
        else:
            with path.open("rb") as stream:
                entry = {"mark": mark, "digest": hashlib.file_digest(stream, "sha256").hexdigest()[:32]}
        known[str(path.resolve())] = entry
        write_json(_file(), known)
    return entry["digest"]


def _mark(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(here, name) for name in sorted(names))


def _folder_mark(folder: Path) -> list[str]:
    """One for all files: a folder may hold a hundred thousand."""
    total = hashlib.sha256()
    for path in _files(folder):
        total.update(f"{path.relative_to(folder)} {_mark(path)}\n".encode())
    return [total.hexdigest()[:32]]


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as stream:
            total.update(f"{path.relative_to(folder)} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:32]


def _file() -> Path:
    return state_folder() / "digests.json"


def _known() -> dict[str, Any]:
    try:
        return read_json(_file())
    except UserError:
        return {}
