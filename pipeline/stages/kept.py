"""Models' folders in a persistent output: each is left alone while all it came from is the same.

A folder holds its identity: the digest of what it came from, and of every file in it. It is replaced whole by
a rename and never opened for writing, since DVC may have linked it to its cache. DVC keeps no run cache for
persistent outputs, so finished folders also stand in a bounded store in ``.podium/models/``: going back to
earlier settings fits nothing again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.core.files import digest_files, link_or_copy, read_json, whole_folder, write_json
from pipeline.core.paths import state_folder

IDENTITY = "identity.json"
STORE_BYTES = 4 << 30


class KeptModels:
    """The folder of a stage's models, ``root/<model>/``.

    again: fit all anew, whatever is kept.
    """

    def __init__(self, root: Path, *, again: bool = False) -> None:
        self.root, self.again = root, again

    def has(self, model: str, identity: str) -> bool:
        """Whether the model's folder is there and is what came of ``identity``; brought out of the store where
        only that has it."""
        if self.again:
            return False
        if _is_whole(self.root / model, identity):
            return True
        stored = _store() / identity
        if not _is_whole(stored, identity):
            return False
        with self._whole(model) as aside:
            shutil.copytree(stored, aside, copy_function=link_or_copy, dirs_exist_ok=True)
        os.utime(stored)
        return True

    def is_whole(self, model: str) -> bool:
        """Whether the model's folder is as it was written, whatever it came of."""
        try:
            return _is_whole(self.root / model, read_json(self.root / model / IDENTITY)["identity"])
        except (UserError, KeyError, TypeError):
            return False

    @contextmanager
    def replace(self, model: str, identity: str | None) -> Iterator[Path]:
        """A folder to fill, which becomes the model's on success. identity: None for what is never kept."""
        with self._whole(model) as aside:
            yield aside
            write_json(aside / IDENTITY, {"identity": identity, "files": _digests(aside)})
            _keep(self.root / model)  # which may have come from DVC's cache
        _keep(self.root / model)

    def tidy(self, models: Iterable[str]) -> None:
        """Remove the folders of models that are no more, and the oldest of the store over its bound."""
        kept = set(models)
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in self.root.iterdir():
            if folder.name not in kept and folder.is_dir():  # a file manager may have left a file there
                _keep(folder)
                shutil.rmtree(folder)
        folders = sorted(_store().glob("[!.]*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        total = 0
        for folder in folders:
            total += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            if total > STORE_BYTES:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _whole(self, model: str) -> Iterator[Path]:
        with whole_folder(self.root / model, beside=self.root) as aside:
            yield aside


def link_tree(source: Path, target: Path) -> None:
    """A folder's files, linked where that is possible."""
    shutil.copytree(source, target, copy_function=link_or_copy)


def _keep(folder: Path) -> None:
    """Put a finished folder into the store, if it is not there whole."""
    try:
        identity = read_json(folder / IDENTITY)["identity"]
    except (UserError, KeyError, TypeError):
        return
    if identity is not None and not _is_whole(_store() / identity, identity) and _is_whole(folder, identity):
        with whole_folder(_store() / identity, sync=False) as stored:
            shutil.copytree(folder, stored, copy_function=link_or_copy, dirs_exist_ok=True)


def _store() -> Path:
    return state_folder() / "models"


def _digests(folder: Path) -> dict[str, str]:
    """Of each file but hidden ones, which no model writes: a file manager's (``.DS_Store``) change nothing."""
    files = sorted(path for path in folder.rglob("[!.]*") if path.is_file() and path.name != IDENTITY)
    return {path.relative_to(folder).as_posix(): digest_files(path) for path in files}


def _is_whole(folder: Path, identity: str) -> bool:
    """Whether the folder came of ``identity``, and every file in it is as it was written."""
    try:
        known = read_json(folder / IDENTITY)
        return known["identity"] == identity and known["files"] == _digests(folder)
    except (UserError, KeyError, TypeError):
        return False
