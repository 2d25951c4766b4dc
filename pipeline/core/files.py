"""Files that appear whole or not at all, and locks that die with their holder."""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.paths import project_root
from pipeline.core.process import close_in_children


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _machine() -> str:
    """A name for where processes have numbers of their own: a machine, a container."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{platform.node()} {numbers}".encode()).hexdigest()[:8]


MACHINE = _machine()


def _alive(process: str) -> bool:
    """Whether the process that a temporary file's name tells (``.123-machine``) may still write to it."""
    number, _, machine = process.removeprefix(".").partition("-")
    if machine not in ("", MACHINE):
        return True  # of another machine that shares the disk
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed into place.

    The temporary file lies in the target's own folder, since a rename across file systems
    is a copy. On any error it is removed and ``path`` is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        if not _alive(stale.suffixes[-2]):
            stale.unlink(missing_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}-{MACHINE}.part")
    try:
        yield aside
        _fsync(aside)
        aside.replace(path)
        _fsync(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _raise_as_os_error(error: BaseException) -> None:
    """Raise OSError, its number with it, for what is told of the disk in words alone: by a library
    in Rust (safetensors), and by ``shutil.copytree``, which gathers its errors."""
    if isinstance(error, UserError) or getattr(error, "errno", None) is not None:
        return
    if told := re.search(r"\(os error (\d+)\)|\[Errno (\d+)\]", str(error)):
        number = int(told[1] or told[2])
        raise OSError(number, os.strerror(number)) from error


def refused_by_disk(error: OSError) -> str | None:
    """What to tell where the disk, or what stands on it, is a person's to mend; None where the fault is another."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    closed = (errno.EROFS, errno.EACCES, errno.EPERM)
    in_the_way = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
    if error.errno in in_the_way:
        advice = "give another name, or take what stands there away"
    elif error.errno in (*full, *closed):
        advice = "make room or give access, run again"
    else:
        return None
    named = error.filename2 or error.filename  # of a rename, what it was to become
    where = f"{Path(named).name}: " if isinstance(named, str | os.PathLike) else ""
    return f"{where}{error.strerror}; nothing was written, {advice}"


@contextmanager
def whole_folder(path: str | Path, *, beside: str | Path | None = None, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it replaces ``path`` in one rename.

    Every file in it is synced first. A reader sees the old folder, none, or the new one whole.
    beside: the place beside which it is made, on the same file system, where ``path``'s own folder is watched.
    sync: False for what may be lost with the power.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name if beside is None else f"{Path(beside).name}.{path.name}"
    place = Path(beside or path).parent
    for stale in place.glob(f".{glob.escape(name)}.*.part"):
        if stale.suffixes[-2:-1] == [".old"] or not _alive(stale.suffixes[-2]):
            shutil.rmtree(stale, ignore_errors=True)
    aside = place / f".{name}.{os.getpid()}-{MACHINE}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        if sync:
            for item in sorted(aside.rglob("*"), reverse=True):
                _fsync(item)
            _fsync(aside)
        if path.exists():
            old = place / f".{name}.old.part"
            path.replace(old)
            try:
                aside.replace(path)
            except OSError:
                old.replace(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            aside.replace(path)
        if sync:
            _fsync(path.parent)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        _raise_as_os_error(error)
        raise


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A hard link where the file system has them: files are replaced by renames, never written to."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)


def write_text(path: str | Path, text: str) -> None:
    with whole_file(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with sorted keys; floats keep every digit, NaN is refused (ValueError)."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON; a missing or torn file is a UserError that names the stage to run again."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: not there yet; run `dvc repro` to make it") from None
    except ValueError as error:
        raise UserError(f"{shown(path)}: not valid JSON ({error}); delete it and run `dvc repro`") from None


def shown(path: str | Path) -> str:
    """A path as messages show it: within the project relative to it, elsewhere as it was given."""
    path, root = Path(path), project_root().absolute()
    absolute = Path(os.path.normpath(path.absolute()))  # ``..`` taken out, links left as they are
    if absolute.is_relative_to(root):
        return str(absolute.relative_to(root))
    return str(path.relative_to(root) if path.is_relative_to(root) else path)  # ``../elsewhere`` of params.yaml


def digest(*values: Any) -> str:
    """A short SHA-256 of plain values, stable across runs and machines."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_files(*paths: str | Path) -> str:
    """A short SHA-256 of the content and relative names of files and folders."""
    total = hashlib.sha256()
    for root in map(Path, paths):
        files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for file in files:
            total.update(str(file.relative_to(root.parent)).encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    total.update(block)
    return total.hexdigest()[:16]


class Held(UserError):
    """Another process holds a lock."""


@contextmanager
def lock(path: str | Path, *, wait: float, held: str) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when the process dies, however it dies.
    A child forked meanwhile has no part in it.

    wait: seconds to wait for another holder before a ``Held``.
    held: what is being guarded, for the message.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        close_in_children(stream)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    stream.seek(0)
                    raise Held(
                        f"{held} is being written by process {stream.read().strip() or 'unknown'}; "
                        "wait for it or stop it, then run again"
                    ) from None
                time.sleep(0.1)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
