"""Who runs a job: this process, one beside it, or a worker of a cluster. Executors know jobs alone; whose they are
knows the pool."""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.core.config import Execution
from pipeline.core.errors import UserError, quoted
from pipeline.core.process import die_with_parent, launched
from pipeline.core.processor import take_gpu
from pipeline.training.jobs import (
    ATTEMPTS,
    Event,
    Executor,
    Job,
    available_cores,
    libraries,
    listen,
    portable,
    prepare,
    seldom,
)

START_METHOD = "fork" if sys.platform == "linux" else "spawn"
VARIABLE = "PODIUM_EXECUTOR"
"""Names an executor in place of ``execution.executor``: the same params.yaml on a laptop and on a cluster."""
EXECUTORS = ("serial", "processes", "ray")


def make_executor(execution: Execution) -> Executor:
    """The executor that the configuration, or ``PODIUM_EXECUTOR``, asks for; of itself never more threads at work
    than there are cores. Raises UserError where there is none of that name."""
    name = os.environ.get(VARIABLE) or execution.executor
    if name not in EXECUTORS:
        raise UserError(f"{VARIABLE}: needs one of {', '.join(EXECUTORS)}, got {quoted(name)}")
    if name == "serial" or launched() > 1:
        return Serial(execution.threads)
    if name == "ray":
        from pipeline.training.on_ray import OnRay

        return OnRay(execution)
    return Processes(execution.workers or max(available_cores() // execution.threads, 1), execution.threads)


@dataclass
class Serial:
    """Runs jobs one after another in this process, each when it is waited for; none can be stopped midway,
    or is heard of before its end.

    threads: of the numeric libraries, left so capped afterwards.
    """

    threads: int = 1
    workers: int = field(default=1, init=False)
    _waiting: deque[Job] = field(default_factory=deque, init=False)

    def places(self, threads: int | None) -> int:
        return 1

    def start(self, job: Job) -> None:
        self._waiting.append(job)

    def wait(self, seconds: float | None) -> list[Event]:
        if not self._waiting:
            return []
        job = self._waiting.popleft()
        before = listen(None)
        try:
            prepare(job.name, job.threads or self.threads)
            return [Event(job, "result", job.function(*job.arguments))]
        except Exception as error:
            return [Event(job, "error", error)]
        finally:
            listen(before)

    def stop(self, job: Job) -> None:
        with suppress(ValueError):
            self._waiting.remove(job)

    def close(self) -> None:
        self._waiting.clear()


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    attempt: int
    place: int
    """Among those that run side by side, the least that was free."""


@dataclass
class Processes:
    """Runs each job in a process of its own.

    On Linux the process is forked: what is loaded need not be loaded again, and functions and arguments may
    be anything. Elsewhere it is spawned: they must be picklable. Results are pickled through a pipe in both.
    Of several GPUs each process sees one, so that those side by side are spread over all.
    A job whose process dies without an answer is done again, twice at most. This process itself computes
    with one thread always, since a fork of one that has computed with several hangs.
    """

    workers: int = 2
    threads: int = 1
    _running: dict[Connection, _Running] = field(default_factory=dict, init=False)
    _had_to_load: list[str] = field(default_factory=list, init=False)
    """Modules that earlier jobs had to import: libraries import parts of themselves at work."""

    def places(self, threads: int | None) -> int:
        """At most all: more threads than these have compute none the less."""
        return min(-(-(threads or self.threads) // self.threads), self.workers)

    def start(self, job: Job) -> None:
        self._load()
        self._fork(job, 1)

    def _fork(self, job: Job, attempt: int) -> None:
        context = multiprocessing.get_context(START_METHOD)
        receiving, sending = context.Pipe(duplex=False)
        taken = {running.place for running in self._running.values()}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        process = context.Process(  # type: ignore[attr-defined]
            target=_work, args=(job, job.threads or self.threads, sending, os.getpid(), place)
        )
        process.start()
        _alive.add(process)
        sending.close()  # so that the process's death ends the pipe
        self._running[receiving] = _Running(job, process, attempt, place)

    def wait(self, seconds: float | None) -> list[Event]:
        if not self._running:
            return []
        events = []
        for connection in wait(list(self._running), seconds):
            running = self._running[connection]  # type: ignore[index]
            kind, value, modules = _receive(connection)  # type: ignore[arg-type]
            if kind == "progress":
                events.append(Event(running.job, "progress", value))
                continue
            self._forget(connection)  # type: ignore[arg-type]
            self._had_to_load.extend(modules)
            if kind != "dead":
                events.append(Event(running.job, kind, value))
            elif running.attempt < ATTEMPTS:
                events.append(Event(running.job, "progress", 0.0))  # what it had done is lost
                self._fork(running.job, running.attempt + 1)
            else:
                events.append(Event(running.job, "error", UserError(_death(running.job, running.process.exitcode))))
        return events

    def stop(self, job: Job) -> None:
        for connection, running in list(self._running.items()):
            if running.job is job:
                running.process.kill()
                self._forget(connection)

    def close(self) -> None:
        for running in self._running.values():
            running.process.kill()
        for connection in list(self._running):
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        process = self._running.pop(connection).process
        process.join()
        _alive.discard(process)
        connection.close()

    def _load(self) -> None:
        """Import here what jobs had to, so that the next is forked with it loaded: without this each of a
        study's fits would pay for that anew (half a second and more)."""
        while self._had_to_load:
            # Some modules exist only once others have made them, and some fail where a job did not.
            with suppress(Exception):
                importlib.import_module(self._had_to_load.pop(0))
        libraries()


_alive: set[BaseProcess] = set()
"""Processes still running, for an executor that nobody closed."""


@atexit.register
def _kill_alive() -> None:
    for process in _alive:
        process.kill()


def _receive(connection: Connection) -> tuple[Any, Any, Sequence[str]]:
    """The process's next word: how far it is, its answer, or that it died before it had given it whole.

    ("progress", part, []), ("result" or "error", value, modules it had to load) or ("dead", None, []).
    """
    try:
        word = connection.recv_bytes()
    except (EOFError, OSError):
        return "dead", None, []
    try:
        return pickle.loads(word)  # type: ignore[no-any-return]  # noqa: S301 - from our own process
    except Exception as fault:
        return "error", fault, []


def _work(job: Job, threads: int, connection: Connection, parent: int, place: int) -> None:
    """The life of a process: one job, how far it is now and then, one answer."""
    gc.freeze()  # a collection writes to whatever it looks at: all that a fork shares would become its own
    listen(seldom(lambda part: connection.send(("progress", part, []))))
    _alive.clear()  # a fork's copy of its siblings, none of its business
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which kills us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)
    take_gpu(place)
    loaded = set(sys.modules)
    try:
        prepare(job.name, threads)
        answer = ("result", job.function(*job.arguments))
        connection.send((*answer, [name for name in sys.modules if name not in loaded]))
    except BaseException as error:
        connection.send(("error", portable(error), []))


def _death(job: Job, exit_code: int | None) -> str:
    how = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    hint = "; it may have run out of memory: use fewer execution.workers" if exit_code == -signal.SIGKILL else ""
    return f"{job.name}: its process died {ATTEMPTS} times, last by {how}{hint}"
