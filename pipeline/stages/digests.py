"""Digests of a source's files."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json, shown
from pipeline.core.kept_digests import kept_digest
from pipeline.core.paths import CompetitionPaths


def source_digests(competition: CompetitionConfig) -> dict[str, str]:
    """Name to digest of each file that the source would bring now; none for sources without files of their own.

    Where they cannot be reached they are taken to be what they were, with a warning.
    """
    try:
        files = competition.source.origin()
        return {name: kept_digest(path) for name, path in sorted(files.items())}
    except (OSError, UserError) as error:
        file = CompetitionPaths(competition.name).checked("fetch")
        before = read_json(file)["files"] if file.exists() else {}
        if not before:
            return {}  # ``fetch`` itself says best what is wrong
        _warn(competition, error, "taken to be unchanged")
        return dict(before)


def warn_if_unreachable(competition: CompetitionConfig) -> None:
    """A line where the source's files are not there, as after a slip in its path."""
    try:
        competition.source.origin()
    except (OSError, UserError) as error:
        _warn(competition, error, "mend its source, or bring them before `dvc repro`")


def _warn(competition: CompetitionConfig, error: Exception, then: str) -> None:
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {shown(Path(error.filename))}" if error.filename else error.strerror
    print(  # noqa: T201
        f"warning: {competition.name}: its files cannot be looked at ({reason}); {then}", file=sys.stderr
    )
