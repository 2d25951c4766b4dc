"""Files of others that saved models carry along, each copied once for all of them."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from pipeline.core.files import link_or_copy, whole_file
from pipeline.core.kept_digests import kept_digest
from pipeline.core.paths import state_folder

UNUSED = 86400.0
"""Seconds after which a copy that no model links to is cleared away."""


def carry(file: Path, target: Path) -> None:
    """Put a copy of ``file`` at ``target``: one for all models with the same content, where links are possible.

    The file itself is never linked to: it may be written to, and what is made of it may not.
    """
    copy = state_folder() / "carried" / kept_digest(file)
    if not copy.exists():
        _tidy(copy.parent)
        with whole_file(copy) as aside:
            shutil.copyfile(file, aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(copy, target)


def _tidy(folder: Path) -> None:
    for copy in sorted(folder.glob("*")):
        with suppress(OSError):
            stat = copy.stat()
            if stat.st_nlink == 1 and time.time() - stat.st_mtime > UNUSED:
                copy.unlink()
