"""The one process of a project that speaks to MLflow: it empties the outbox.

It runs at a low priority beside the stages, and ends when nobody has written for a while.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.files import lock, write_json
from pipeline.tracking.background import (
    claim_outbox,
    is_told,
    read_status,
    sender_lock,
    sends_here,
    status_file,
    unreachable_message,
)
from pipeline.tracking.delivery import Delivery, Draw
from pipeline.tracking.faults import reason
from pipeline.tracking.journal import count_waiting, is_alive, journals, outbox_folder, sweep
from pipeline.tracking.store import Unavailable, connect, database_file, probe, shown_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

POLL = 1.0  # seconds between two looks; what came in between goes in one call
LINGER = 15.0  # seconds without a writer; the next stage of a `dvc repro` saves a start of 3 s CPU
PATIENCE = 30.0  # seconds without an answer after the last writer
HANDOVER = 120.0  # seconds for a sender of another address to end: its server may keep it waiting
OUTBOX_LIMIT = 2 << 30  # bytes; beyond, the oldest finished runs are given up


class Replaced(Exception):
    """The database file was deleted or exchanged under the open connection."""


class Displaced(Exception):
    """The records go to another address now, which another sender knows."""


@dataclass
class Sender:
    """State of the one sender while it holds the lock."""

    draw: Draw | None = None
    client: MlflowClient | None = None
    database: tuple[int, int] | None = None
    deliveries: dict[Path, Delivery] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    runs: int = 0

    def deliver(self) -> bool:
        """Send what is new in every journal; True when there was something.

        Raises Unavailable, Displaced, Replaced.
        """
        waiting = journals(outbox_folder())
        if not is_told():  # asked after listing: a stage says its address before it opens a journal
            raise Displaced
        if not waiting:
            return False
        self._connect()
        moved = False
        for journal in waiting:
            if self.client is not None and journal not in self.deliveries:
                self.deliveries[journal] = Delivery(self.client, journal, self.draw)
            delivery = self.deliveries[journal]
            try:
                moved |= delivery.advance()
            except OSError as error:  # the place in it cannot be noted: the disk is full
                raise Unavailable(reason(error)) from error
            finally:
                self.refused += delivery.refused
                delivery.refused = []
            if delivery.done:
                del self.deliveries[journal]
                self.runs += 1
        return moved

    def _connect(self) -> None:
        if self.client is None:
            probe()
            if read_status().get("state") == "unreachable":
                _report("connecting", self)  # its last word would be out of date for seconds
            try:
                self.client = connect()
            except Exception as error:  # whatever keeps MLflow from starting keeps the records here
                raise Unavailable(reason(error)) from error
            self.database = _identity(database_file())
        elif self.database != _identity(database_file()):
            raise Replaced

    def forget(self) -> None:
        """After a failure: read every journal's place again, and look before creating."""
        self.deliveries.clear()


def _identity(file: Path | None) -> tuple[int, int] | None:
    try:
        stat = file.stat() if file else None
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_dev, stat.st_ino) if stat else None


def work_in_background(draw: Draw | None = None) -> None:
    """Deliver until nobody has written for a while, or until the records go to another address.

    Where a sender works, nothing; one of another address is waited for, since it ends soon.
    """
    os.nice(10)
    again, deadline = True, time.monotonic() + HANDOVER
    while again:
        with _only_sender(wait=1.0) as alone:
            if not alone:
                again = is_told() and not sends_here(read_status()) and time.monotonic() < deadline
                continue
            sender = Sender(draw)
            if not sends_here(read_status()):
                _report("connecting", sender)  # whose sender works is told at once
            try:
                _work(sender)
            except Displaced:
                return
            except Replaced:
                # A connection to a deleted file cannot be mended within MLflow: begin anew.
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
            except Exception as error:
                _report("stopped", sender, f"{type(error).__name__}: {reason(error)}")
                raise
        # A stage that saw the lock held has started no sender: look once more after freeing it.
        again = read_status().get("state") == "idle" and bool(journals(outbox_folder()))


def _work(sender: Sender) -> None:
    folder = outbox_folder()
    answered = busy = time.monotonic()
    pause = POLL
    state = ""
    while folder.is_dir():
        now = time.monotonic()
        try:
            if sender.deliver():
                busy = time.monotonic()
            answered, pause = time.monotonic(), POLL
            if state != "delivering":
                state = _report("delivering", sender)
        except Unavailable as error:
            sender.forget()
            pause = min(pause * 2, 15.0)
            state = _report("unreachable", sender, str(error))
        writing = any(is_alive(journal) for journal in journals(folder))
        if writing:
            busy = now
        if state == "unreachable" and not writing and now - max(answered, busy) > PATIENCE:
            break
        if state == "delivering" and now - busy > LINGER:
            state = _report("idle", sender)
            break
        _rest(pause)
    if folder.is_dir() and (given_up := sweep(folder, OUTBOX_LIMIT)):
        sender.refused.append(f"the outbox outgrew {OUTBOX_LIMIT >> 30} GiB; given up: {', '.join(given_up)}")
        _report(state, sender, read_status().get("reason", ""))


def _rest(seconds: float) -> None:
    """Sleep; no longer than a poll once the records go elsewhere, since somebody waits for that."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and is_told():
        time.sleep(min(POLL, left))


def deliver_waiting(draw: Draw | None = None, *, wait: float = 30.0) -> Sender:
    """Deliver everything that waits now, and return; for the command ``track``.

    wait: seconds to wait for a server that does not answer, and beyond that for another sender.
    Raises UserError when records stay behind.
    """
    sender = Sender(draw)
    claim_outbox()
    deadline = time.monotonic() + wait
    while journals(outbox_folder()):
        with _only_sender(wait=0.0) as alone:
            if alone:
                try:
                    sender.deliver()
                    _report("idle", sender)
                    return sender
                except Replaced:
                    raise UserError(f"{shown_uri()} was replaced while it was written to; run again") from None
                except Displaced:
                    raise UserError(f"a stage sends to another address than {shown_uri()} now; run again") from None
                except Unavailable as error:
                    sender.forget()
                    _report("unreachable", sender, str(error))
        # What living writers will still say is not waited for.
        if all(map(is_alive, journals(outbox_folder()))) and not count_waiting(outbox_folder(), shown_uri()):
            return sender
        if time.monotonic() > deadline:
            status = read_status()
            if status.get("state") == "unreachable" and sends_here(status):
                raise UserError(unreachable_message(status))
            raise UserError(
                f"another sender is at work still; {count_waiting(outbox_folder(), shown_uri())} records wait"
            )
        time.sleep(min(POLL, max(0.1, deadline - time.monotonic())))
    return sender


@contextlib.contextmanager
def _only_sender(wait: float) -> Iterator[bool]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(sender_lock(), wait=wait, held="the outbox"))
            alone = True
        except UserError:
            alone = False
        yield alone


def _report(state: str, sender: Sender, why: str = "") -> str:
    body: dict[str, Any] = {"state": state, "address": shown_uri(), "reason": why, "process": os.getpid()}
    if outbox_folder().is_dir():
        write_json(status_file(), {**body, "refused": sender.refused[-20:]})
    return state
