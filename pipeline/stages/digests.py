"""Digests of a source's files, each read again only where its inode, size or time is another."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, state_folder


def source_digests(competition: CompetitionConfig) -> dict[str, str]:
    """Name to digest of each file that the source would bring now; none for sources without files of their own.

    Where they cannot be reached they are taken to be what they were, with a warning.
    """
    try:
        files = competition.source.origin()
        return {name: _digest(path) for name, path in sorted(files.items())}
    except (OSError, UserError) as error:
        file = CompetitionPaths(competition.name).checked("fetch")
        before = read_json(file)["files"] if file.exists() else {}
        if not before:
            return {}  # ``fetch`` itself says best what is wrong
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        told = f"{competition.name}: its files cannot be looked at ({reason}); taken to be unchanged"
        print(f"warning: {told}", file=sys.stderr)  # noqa: T201
        return dict(before)


def _digest(path: Path) -> str:
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
