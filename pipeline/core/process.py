"""A stage dies with whoever started it; what it holds open, its forked children do not."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Protocol

PR_SET_PDEATHSIG = 1
SHELLS = ("sh", "ash", "bash", "dash", "fish", "ksh", "zsh")


class Closable(Protocol):
    """An open file or what holds one; closing it twice does no harm."""

    def close(self) -> None: ...


_own: weakref.WeakSet[Closable] = weakref.WeakSet()


def close_in_children(held: Closable) -> None:
    """Close ``held`` in every process forked off this one, at its start.

    A forked child shares its parent's open files, and the kernel keeps a lock as long as any of
    them is open: a child that lives on would hold what its parent let go, or died with.
    """
    _own.add(held)


def _close_the_parents() -> None:
    for held in list(_own):
        with suppress(OSError):
            held.close()
    _own.clear()


os.register_at_fork(after_in_child=_close_the_parents)


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent dies.

    Linux does it in the kernel; elsewhere, and where a shell stands between DVC and the stage,
    a watching thread does. Polled twice a second.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    watched = _ancestors_to_watch()
    if "DVC_STAGE" in os.environ and _orphaned():
        os.kill(os.getpid(), signal.SIGKILL)

    def watch() -> None:
        parent = os.getppid()
        while True:
            time.sleep(0.5)
            if os.getppid() != parent or any(_start_time(pid) != began for pid, began in watched):
                os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def _ancestors_to_watch() -> list[tuple[int, str | None]]:
    """Parent and, where the parent is a shell, its parent too, each with its start time."""
    watched: list[tuple[int, str | None]] = []
    pid = os.getppid()
    for _ in range(3):
        if pid <= 1 or _start_time(pid) is None:
            break
        watched.append((pid, _start_time(pid)))
        if _command(pid) not in SHELLS:
            break
        pid = _parent(pid)
    # A person's own shell is no reason to die: only watch it when a stage runs under DVC.
    return watched if "DVC_STAGE" in os.environ else []


def starter() -> tuple[str, float] | None:
    """The `dvc repro` that this stage runs in: a name of its own, and when it began in seconds since 1970. None
    by hand, and where the system does not say."""
    if "DVC_STAGE" not in os.environ or not (watched := _ancestors_to_watch()):
        return None
    pid, began = watched[-1]
    try:
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        age = up - float(began or 0) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    return f"{pid}-{began}", time.time() - age


def _orphaned() -> bool:
    """Whether DVC died before its stage could ask to die with it: then the first process, which
    takes orphans in and is neither DVC nor the Python that runs it, is the parent."""
    pid = os.getppid()
    while pid > 1 and _command(pid) in SHELLS:
        pid = _parent(pid)
    return pid == 1 and not _command(pid).startswith(("dvc", "python", "pypy"))


def _stat(pid: int) -> list[str] | None:
    try:
        with Path(f"/proc/{pid}/stat").open() as stream:
            return stream.read().rpartition(")")[2].split()
    except OSError:
        return None


def _start_time(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in ("Z", "X") else None


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _command(pid: int) -> str:
    try:
        with Path(f"/proc/{pid}/comm").open() as stream:
            return stream.read().strip()
    except OSError:
        return ""


def launched() -> int:
    """Processes that `torchrun` started to train together; 1 where it did not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """Of this process among them; 0 leads."""
    return int(os.environ["RANK"]) if launched() > 1 else 0
