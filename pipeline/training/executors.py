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
from pipeline.core.memory import own_bytes
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
MOST_LEFT = 64 << 20
"""Bytes that jobs may leave behind in a process that is to do another."""


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


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    place: int
    """Among those that run side by side, the least that was free."""
    modules: set[str]
    """That it has loaded, as far as this process knows."""
    job: Job | None
    """That it runs; None: it waits for one."""
    attempt: int = 1


@dataclass
class Processes:
    """Runs each job in a process beside this one.

    On Linux they are forked: what is loaded need not be loaded again, and functions and arguments may be anything.
    A forked process does the next job too, where that can be pickled and the process is as good as a new one: it has
    what this one has loaded meanwhile, its last job went well, and left little in memory. Elsewhere there is a spawned
    process a job, and functions and arguments must be picklable. Results are pickled in both.
    Of several GPUs each process sees one, so that those side by side are spread over all.
    A job whose process dies without an answer is done again in a new one, twice at most. This process itself computes
    with one thread always, since a fork of one that has computed with several hangs.
    """

    workers: int = 2
    threads: int = 1
    _workers: dict[Connection, _Worker] = field(default_factory=dict, init=False)
    _had_to_load: list[str] = field(default_factory=list, init=False)
    """Modules that earlier jobs had to import: libraries import parts of themselves at work."""

    def places(self, threads: int | None) -> int:
        """At most all: more threads than these have compute none the less."""
        return min(-(-(threads or self.threads) // self.threads), self.workers)

    def start(self, job: Job) -> None:
        self._load()
        taken = {worker.place for worker in self._workers.values() if worker.job is not None}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        waiting = next((one for one in self._workers.values() if one.job is None and one.place == place), None)
        if waiting is None or not self._give(waiting, job):
            if waiting is not None:
                self._end(waiting)
            self._fork(job, 1, place)

    def _give(self, worker: _Worker, job: Job) -> bool:
        """Have a process that waits do a job; whether it can."""
        if not worker.modules.issuperset(sys.modules):
            return False  # a new one has loaded what it would have to
        try:
            worker.connection.send_bytes(pickle.dumps((job, job.threads or self.threads)))
        except Exception:  # it cannot be pickled, or the process has been killed
            return False
        worker.job, worker.attempt = job, 1
        return True

    def _fork(self, job: Job, attempt: int, place: int) -> None:
        context = multiprocessing.get_context(START_METHOD)
        mine, its = context.Pipe()
        threads, stays = job.threads or self.threads, START_METHOD == "fork"
        process = context.Process(  # type: ignore[attr-defined]
            target=_work, args=(job, threads, its, os.getpid(), place, stays)
        )
        process.start()
        _alive.add(process)
        its.close()  # so that the process's death ends the pipe
        self._workers[mine] = _Worker(process, mine, place, set(sys.modules), job, attempt)

    def wait(self, seconds: float | None) -> list[Event]:
        at_work = {worker.connection: worker.job for worker in self._workers.values() if worker.job is not None}
        if not at_work:
            return []
        events = []
        for connection in wait(list(at_work), seconds):
            worker, job = self._workers[connection], at_work[connection]  # type: ignore[index]
            kind, value, modules, stays = _receive(worker.connection)
            if kind == "progress":
                events.append(Event(job, "progress", value))
                continue
            worker.job = None
            if kind == "dead":
                self._forget(worker)
            elif not stays:
                self._end(worker)
            worker.modules.update(modules)
            self._had_to_load.extend(modules)
            if kind != "dead":
                events.append(Event(job, kind, value))
            elif worker.attempt < ATTEMPTS:
                events.append(Event(job, "progress", 0.0))  # what it had done is lost
                self._fork(job, worker.attempt + 1, worker.place)
            else:
                events.append(Event(job, "error", UserError(_death(job, worker.process.exitcode))))
        return events

    def stop(self, job: Job) -> None:
        for worker in list(self._workers.values()):
            if worker.job is job:
                self._end(worker)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.process.kill()
        for worker in list(self._workers.values()):
            self._forget(worker)

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        del self._workers[worker.connection]
        worker.process.join()
        _alive.discard(worker.process)
        worker.connection.close()

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


def _receive(connection: Connection) -> tuple[Any, Any, Sequence[str], bool]:
    """The process's next word: how far it is, its answer, or that it died before it had given it whole.

    ("progress", part, [], True), ("result" or "error", value, modules it had to load, whether it stays for another
    job), ("dead", None, [], False).
    """
    try:
        word = connection.recv_bytes()
    except (EOFError, OSError):
        return "dead", None, [], False
    try:
        return pickle.loads(word)  # type: ignore[no-any-return]  # noqa: S301 - from our own process
    except Exception as fault:
        return "error", fault, [], False


def _work(job: Job, threads: int, connection: Connection, parent: int, place: int, stays: bool) -> None:
    """The life of a process: a job, how far it is now and then, one answer; while it ``stays``, another one."""
    gc.freeze()  # a collection writes to whatever it looks at: all that a fork shares would become its own
    _alive.clear()  # a fork's copy of its siblings, none of its business
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which kills us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)
    take_gpu(place)
    before = _left() if stays else 0
    while True:
        loaded = set(sys.modules)
        listen(seldom(lambda part: connection.send(("progress", part, [], True))))
        try:
            prepare(job.name, threads)
            value = job.function(*job.arguments)
            stays = stays and _left() - before < MOST_LEFT
            sys.stdout.flush()
            connection.send(("result", value, [name for name in sys.modules if name not in loaded], stays))
        except BaseException as error:
            sys.stdout.flush()
            connection.send(("error", portable(error), [], False))
            return
        if not stays:
            return
        del job, value
        try:
            job, threads = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own parent
        except Exception:
            return  # what cannot be read is done by a new process


def _left() -> int:
    """Bytes that this process has for itself, once what a job has let go is cleared away."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # which those beside it on that GPU may need
    return own_bytes()


def _death(job: Job, exit_code: int | None) -> str:
    how = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    hint = "; it may have run out of memory: use fewer execution.workers" if exit_code == -signal.SIGKILL else ""
    return f"{job.name}: its process died {ATTEMPTS} times, last by {how}{hint}"
