"""Starts the one background sender of a project, and tells when it reaches nobody."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.core.paths import project_root
from pipeline.tracking.journal import count_waiting, outbox_folder

_started: list[subprocess.Popen[bytes]] = []  # kept: a dropped Popen warns when it is collected


def sender_lock() -> Path:
    return outbox_folder() / "sender.lock"


def status_file() -> Path:
    return outbox_folder() / "status.json"


def sender_works() -> bool:
    """Whether a sender holds its lock. Asks with a shared lock, so that askers do not meet."""
    try:
        with sender_lock().open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except FileNotFoundError:
        pass
    return False


def ensure_sender() -> None:
    """Start a sender detached from this process, unless one works. Never raises, never waits.

    It holds none of this process's pipes (DVC and shells wait for those), and lives in a
    session of its own, so that neither Ctrl-C nor a dying stage takes it along.
    """
    try:
        _started[:] = [process for process in _started if process.poll() is None]
        if _started or sender_works():  # one just started does not hold the lock yet
            return
        _started.append(
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.commands.track", "--background"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=project_root(),
                env=_environment(),
                start_new_session=True,
            )
        )
    except OSError as error:
        print(f"warning: tracking could not start its sender: {error}", file=sys.stderr)  # noqa: T201


def _environment() -> dict[str, str]:
    root = str(project_root().resolve())
    return {**os.environ, "DVC_ROOT": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_status() -> dict[str, Any]:
    import json

    try:
        return json.loads(status_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def warn_if_unreachable() -> None:
    """One line on stderr when the sender's last word is that it cannot deliver."""
    status = read_status()
    if status.get("state") in ("unreachable", "stopped"):
        print(f"warning: {unreachable_message(status)}", file=sys.stderr)  # noqa: T201


def unreachable_message(status: dict[str, Any]) -> str:
    waiting = count_waiting(outbox_folder())
    what = "does not answer" if status.get("state") == "unreachable" else "could not be written to"
    reason = f" ({status['reason']})" if status.get("reason") else ""
    return (
        f"MLflow at {status.get('address')} {what}{reason}; {waiting} records are kept in .podium/outbox "
        "and will be sent by the next run or `python -m pipeline track`"
    )
