"""Digests of data files, each read again only where its inode, size or time is another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import state_folder


def kept_digest(path: Path) -> str:
    """Of the file's bytes, 32 hexadecimal digits. Raises OSError where it cannot be read."""
    stat = path.stat()
    mark = [stat.st_ino, stat.st_size, stat.st_mtime_ns]
    known = _known()
    entry = known.get(str(path.resolve()))
    if entry is None or entry["mark"] != mark:
        with path.open("rb") as stream:
            entry = {"mark": mark, "digest": hashlib.file_digest(stream, "sha256").hexdigest()[:32]}
        known[str(path.resolve())] = entry
        write_json(_file(), known)
    return entry["digest"]


def _file() -> Path:
    return state_folder() / "digests.json"


def _known() -> dict[str, Any]:
    try:
        return read_json(_file())
    except UserError:
        return {}
