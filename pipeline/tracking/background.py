"""Starts the one background sender of a project, and tells when it reaches nobody."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core.files import write_text
from pipeline.core.paths import main_root
from pipeline.tracking.journal import count_waiting, outbox_folder
from pipeline.tracking.store import shown_uri

_started: list[subprocess.Popen[bytes]] = []  # kept: a dropped Popen warns when it is collected


def sender_lock() -> Path:
    return outbox_folder() / "sender.lock"


def status_file() -> Path:
    return outbox_folder() / "status.json"


def address_file() -> Path:
    return outbox_folder() / "address"


def claim_outbox() -> None:
    """Say where the records go from now on. A sender that was told another address ends when it sees it.

    Before a stage's first record: none of its own then goes where the last one's went.
    """
    if address_file().is_file() and is_told():
        return
    with suppress(OSError):  # whoever records into this outbox will tell what is wrong with it
        write_text(address_file(), shown_uri())


def is_told() -> bool:
    """Whether this process's address is the one that records go to now."""
    try:
        return address_file().read_text(encoding="utf-8") == shown_uri()
    except OSError:
        return True  # nobody said another


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
    """Start a sender detached from this process, unless one works for its address. Never raises, never waits.

    It holds none of this process's pipes (DVC and shells wait for those), and lives in a
    session of its own, so that neither Ctrl-C nor a dying stage takes it along.
    """
    try:
        _started[:] = [process for process in _started if process.poll() is None]
        if _started or (sender_works() and sends_here(read_status())):  # one just started has no lock yet
            return
        _started.append(
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.commands.track", "--background"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=main_root(),
                env=_environment(),
                start_new_session=True,
            )
        )
    except OSError as error:
        print(f"warning: tracking could not start its sender: {error}", file=sys.stderr)  # noqa: T201


def _environment() -> dict[str, str]:
    root = str(main_root().resolve())
    return {**os.environ, "DVC_ROOT": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_status() -> dict[str, Any]:
    import json

    try:
        return json.loads(status_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def sends_here(status: dict[str, Any]) -> bool:
    """Whether a sender's word is about the address that this process is told."""
    return status.get("address") == shown_uri()


def warn_if_unreachable() -> None:
    """One line on stderr when the sender's last word is that it cannot deliver there."""
    status = read_status()
    if status.get("state") in ("unreachable", "stopped") and sends_here(status):
        print(f"warning: {unreachable_message(status)}", file=sys.stderr)  # noqa: T201


def unreachable_message(status: dict[str, Any]) -> str:
    waiting = count_waiting(outbox_folder(), str(status.get("address")))
    what = "does not answer" if status.get("state") == "unreachable" else "could not be written to"
    reason = f" ({status['reason']})" if status.get("reason") else ""
    return (
        f"MLflow at {status.get('address')} {what}{reason}; {waiting} records are kept in .podium/outbox "
        "and will be sent by the next run or `python -m pipeline track`"
    )
