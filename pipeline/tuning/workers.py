"""N processes on one study: each asks and tells in the same storage, a killed one is replaced."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, cast

from pipeline.core.errors import UserError
from pipeline.core.files import lock
from pipeline.core.process import die_with_parent
from pipeline.tuning.running import fail_running, mark
from pipeline.tuning.storage import quiet, shared
from pipeline.tuning.study import Study
from pipeline.tuning.trial import Clock, Objective, Trial

if TYPE_CHECKING:
    import optuna

LOSSES_IN_A_ROW = 3


def run_workers(
    study: Study, opened: optuna.Study, objective: Objective, clock: Clock, on_trial: Callable[[Trial], None]
) -> None:
    """Run ``study.workers`` processes until each finds nothing left to ask.

    A worker that dies has its trial failed and another takes its place; after three in a row
    without a finished trial between, UserError. Workers are spawned, not forked: a fork of a
    process whose numeric libraries have started threads hangs.
    """
    context = multiprocessing.get_context("spawn")
    alive: dict[Connection, SpawnProcess] = {}

    def start() -> None:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(study, objective, clock, theirs, os.getpid()))
        process.start()
        theirs.close()
        alive[ours] = process

    lost = 0
    try:
        for _ in range(study.workers):
            start()
        while alive:
            for connection in cast("list[Connection]", wait(list(alive))):
                try:
                    kind, content = connection.recv()
                except (EOFError, ConnectionResetError):
                    process = alive.pop(connection)
                    process.join()
                    if process.exitcode != 0:
                        lost += 1
                        _take_back(study, opened, process)
                        start()
                    if lost >= LOSSES_IN_A_ROW:
                        raise UserError(
                            f"study {study.name}: {lost} workers in a row were killed before they finished a trial; "
                            f"give it more memory or fewer than {study.workers} tune.workers"
                        ) from None
                    continue
                if kind == "trial":
                    lost = 0
                    on_trial(content)
                elif kind == "fault":
                    raise UserError(content)
                else:
                    raise RuntimeError(f"a worker of the study {study.name} failed:\n{content}")
    finally:
        for process in alive.values():
            process.kill()
        for process in alive.values():
            process.join()


def _take_back(study: Study, opened: optuna.Study, process: SpawnProcess) -> None:
    # Under the lock of claims a journal's running trial without a mark is of one killed while it claimed;
    # in a database another machine may be claiming it.
    marks = [mark(study.path, process.pid), *([] if shared() else [None])]
    with lock(study.path.with_suffix(".claim"), wait=600, held=f"the next trial of the study {study.name}"):
        fail_running(opened, lambda trial: trial.user_attrs.get("process") in marks)


def _work(study: Study, objective: Objective, clock: Clock, connection: Connection, parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:  # it died before it could be watched
        return
    try:
        with quiet():
            study.work(study.open(), objective, clock, lambda trial: connection.send(("trial", trial)))
    except UserError as error:
        connection.send(("fault", str(error)))
    except Exception:
        connection.send(("crash", traceback.format_exc()))
