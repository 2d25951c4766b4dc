"""One tracked run's file in the outbox: JSON lines, only ever appended to.

Everyone who writes to it holds a shared lock on it, which the kernel drops when the process
dies. Whoever gets the exclusive lock knows that no writer is left and the file is final.
A forked child has no part in its parent's writers; it joins with one of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.core.paths import state_folder
from pipeline.core.process import close_in_children

SUFFIX = ".jsonl"


def outbox_folder() -> Path:
    return state_folder() / "outbox"


def attachments(journal: Path) -> Path:
    """The folder beside a journal that keeps its artifacts."""
    return journal.with_suffix(".files")


def progress_file(journal: Path) -> Path:
    """The sender's notes beside a journal: how far it is delivered, and as which MLflow runs."""
    return journal.with_suffix(".sent.json")


class Writer:
    """Appends records to a journal. Several processes may write to the same one."""

    def __init__(self, path: Path) -> None:
        """Join an existing journal (OSError when it is gone)."""
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_APPEND)
        close_in_children(self)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    @classmethod
    def create(cls, folder: Path, record: dict[str, Any]) -> Writer:
        """A new journal with its first record, visible to the sender only once it is locked."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        aside = path.with_name(f".{path.name}.part")
        aside.touch(mode=0o600)
        writer = cls(aside)
        writer.write(record)
        aside.rename(path)
        writer.path = path
        return writer

    def write(self, record: dict[str, Any]) -> None:
        """Append a record; nothing once closed. Raises OSError where not all of it could be written."""
        if self._descriptor is None:
            return
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=_plain) + "\n"
        data = line.encode("utf-8", "replace")
        # One write call, so that lines of several processes never mix (O_APPEND).
        if (written := os.write(self._descriptor, data)) < len(data):
            raise OSError(f"{self.path.name}: only {written} of {len(data)} bytes could be written")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _plain(value: Any) -> Any:
    """numpy scalars and arrays (without importing numpy), paths and the rest."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def is_alive(journal: Path) -> bool:
    """Whether a process that can still write to it lives. A vanished journal is not alive."""
    try:
        with journal.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except FileNotFoundError:
        pass
    return False


def journals(folder: Path) -> list[Path]:
    """Journals in the outbox that this user may read, oldest first: people who share a folder each send their own."""
    found = (path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    return sorted(path for path in found if os.access(path, os.R_OK, effective_ids=True))


def read_lines(journal: Path, position: int, size: int) -> tuple[list[dict[str, Any]], int]:
    """Whole records from byte ``position`` on, about ``size`` bytes of them, and the new position.

    A torn line (a process killed or a disk full in the middle of it) is left out: at the end
    it is not whole yet, before the end it does not parse.
    """
    with journal.open("rb") as stream:
        stream.seek(position)
        data = stream.read(size)
        if b"\n" not in data:
            data += stream.readline()
    data = data[: data.rfind(b"\n") + 1]
    return list(_records(data)), position + len(data)


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def read_progress(journal: Path) -> dict[str, Any]:
    try:
        return json.loads(progress_file(journal).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def count_waiting(folder: Path, address: str) -> int:
    """Records not delivered to ``address`` yet; those delivered to another one wait too."""
    total = 0
    for journal in journals(folder):
        try:
            with journal.open("rb") as stream:
                progress = read_progress(journal)
                stream.seek(progress.get("position", 0) if progress.get("address") == address else 0)
                total += sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
        except FileNotFoundError:
            continue  # delivered and deleted meanwhile
    return total


def delete(journal: Path) -> None:
    """Remove a journal and all that lies beside it, the journal last: until then it is found again."""
    shutil.rmtree(attachments(journal), ignore_errors=True)
    journal.unlink(missing_ok=True)
    progress_file(journal).unlink(missing_ok=True)


def sweep(folder: Path, limit: int) -> list[str]:
    """Clear away what killed processes left, and the oldest finished journals over ``limit`` bytes.

    Returns the names of the journals given up.
    """
    for part in folder.glob(f".*{SUFFIX}.part"):
        if not is_alive(part) and _age(part) > 60:  # a younger one may be about to be locked
            part.unlink(missing_ok=True)
    beside_journals = [*folder.glob("*.files"), *folder.glob("*.sent.json")]
    known = {journal.stem for journal in folder.glob(f"*{SUFFIX}")}  # listed last: a journal comes before its folder
    for beside in beside_journals:
        if beside.name.partition(".")[0] not in known:
            shutil.rmtree(beside, ignore_errors=True) if beside.is_dir() else beside.unlink(missing_ok=True)
    sizes = {journal: _size(journal) for journal in journals(folder)}
    total = sum(sizes.values())
    given_up = []
    for journal, size in sizes.items():
        if total <= limit:
            break
        if not is_alive(journal):
            delete(journal)
            given_up.append(journal.name)
            total -= size
    return given_up


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(journal: Path) -> int:
    files = [journal, *attachments(journal).rglob("*")]
    return sum(file.stat().st_size for file in files if file.is_file())
