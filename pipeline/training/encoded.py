"""Encoded folds on disk: what is encoded once is memory-mapped by every job that asks for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.core.errors import UserError
from pipeline.core.files import digest, whole_folder
from pipeline.core.paths import state_folder
from pipeline.core.ragged import Ragged
from pipeline.core.stored import INDEX, PARTS, Stored
from pipeline.core.types import Encoded

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 8 << 30
"""Of all feature sets together; the least recently used are cleared away, never the last one."""
RAGGED = (".values.npy", ".offsets.npy")
"""How the two files of a ragged column end."""
HEADER_BYTES = 128
"""Of a file of one array."""
LONGEST = 7 * 86400.0
"""Seconds after which what nobody has used is cleared away."""


class Elsewhere(Protocol):
    """Where folds may be that this machine has not encoded."""

    def fetch(self, place: Path) -> None:
        """Put a fold's part in its place, where it is known elsewhere."""

    def offer(self, place: Path) -> None:
        """Let others have what lies there now."""


elsewhere: Elsewhere | None = None


class EncodedFolds:
    """The encoded folds of one feature set, by what they were made of.

    fingerprint: of rows, folds, encoders and their code.
    """

    def __init__(self, competition: str, feature_set: str, fingerprint: str) -> None:
        self.folder = encoded_folder() / digest(competition, feature_set, fingerprint)

    def get(self, fold: int | None, part: str, encode: Callable[[], Encoded]) -> Encoded:
        """Arrays of a fold's ``train`` or ``valid`` rows, encoded where they are not there yet.

        They are mapped copy-on-write: a library that writes to its input changes nothing for the others.
        """
        place = self.folder / f"{'all' if fold is None else fold}-{part}"
        found = _load(place)
        if found is None and elsewhere is not None:
            elsewhere.fetch(place)
            found = _load(place)
        if found is None:
            encoded = encode()
            _write(place, encoded)
            found = _load(place)
            if found is None:
                return encoded  # the disk is full: it stays in memory
            if elsewhere is not None:
                elsewhere.offer(place)
        os.utime(self.folder)
        return found


def encoded_folder() -> Path:
    return state_folder() / "encoded"


def _write(place: Path, encoded: Encoded) -> None:
    import numpy as np

    try:
        with whole_folder(place, sync=False) as aside:
            for name, column in encoded.items():
                if isinstance(column, (Ragged, Stored)):
                    column.save(aside, name)
                else:
                    np.save(aside / f"{name}.npy", column, allow_pickle=False)
    except OSError:
        return  # no room, or another job wrote the same a moment before


def _load(place: Path) -> Encoded | None:
    try:
        files = [file for file in sorted(place.glob("*.npy")) if not file.name.endswith((*RAGGED, INDEX))]
        stored = [file.name.removesuffix(PARTS) for file in sorted(place.glob(f"*{PARTS}"))]
        ragged = [file.name.removesuffix(RAGGED[1]) for file in sorted(place.glob(f"*{RAGGED[1]}"))]
        found: Encoded = {file.stem: _mapped(file) for file in files}
        found |= {name: Ragged.load(place, name, "c") for name in ragged}
        return found | {name: Stored.load(place, name) for name in stored} or None
    except (OSError, ValueError, UserError):
        return None


def _mapped(file: Path) -> np.ndarray:
    import numpy as np

    empty = file.stat().st_size <= HEADER_BYTES  # of an array without elements there is nothing to map
    return np.load(file, mmap_mode=None if empty else "c", allow_pickle=False)


def tidy() -> None:
    """Clear away what has not been used for long, and the oldest over the bound."""
    folders = sorted(encoded_folder().glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    total = 0
    for place, folder in enumerate(folders):
        total += sum(file.stat().st_size for file in folder.rglob("*.npy"))
        if (place and total > MOST_BYTES) or time.time() - folder.stat().st_mtime > LONGEST:
            shutil.rmtree(folder, ignore_errors=True)
