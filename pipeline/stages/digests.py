"""Digests of a source's files."""

from __future__ import annotations

import sys

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
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
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        told = f"{competition.name}: its files cannot be looked at ({reason}); taken to be unchanged"
        print(f"warning: {told}", file=sys.stderr)  # noqa: T201
        return dict(before)
