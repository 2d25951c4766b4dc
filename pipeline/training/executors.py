"""Who runs a job: this process, or one beside it. Executors know jobs alone; whose they are knows the pool.

Each job runs with a fixed number of threads and a seed of its own, so all executors give the same results.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple, Protocol

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.core.process import die_with_parent, launched
from pipeline.core.processor import take_gpu
from pipeline.core.seeds import derive_seed, fix_threads, seed_everything

START_METHOD = "fork" if sys.platform == "linux" else "spawn"

ATTEMPTS = 3
"""A job whose process dies without an answer is done again, this often in all."""

TELL_SECONDS = 0.5
"""Least time between two words of a job about how far it is."""


@dataclass(frozen=True, eq=False)
class Job:
    """A call to make: a fold, a stack of members, a trial's folds, a final fit. Equal to itself alone.

    name: what it is, which seeds it. weight: how many things (folds, seeds) it does. threads: that it computes with;
    None: as many as the executor gives each.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    weight: int = 1
    threads: int | None = None


class Event(NamedTuple):
    """What an executor hears of a job: how far it is (0 to 1), its result, or the error it raised."""

    job: Job
    kind: Literal["progress", "result", "error"]
    value: Any


class Executor(Protocol):
    """Runs jobs. They take up ``workers`` places at most at once: the caller starts no more."""

    @property
    def workers(self) -> int: ...

    def places(self, threads: int | None) -> int:
        """Places that a job of so many threads takes up while it runs; one, where it has as many as all."""
        ...

    def start(self, job: Job) -> None: ...

    def wait(self, seconds: float | None) -> list[Event]:
        """What happened, as soon as something has, or nothing once the seconds have passed, and at once where
        nothing runs."""
        ...

    def stop(self, job: Job) -> None:
        """End a job that runs, without an answer."""
        ...

    def close(self) -> None:
        """End all that runs."""
        ...


def make_executor(execution: Execution) -> Executor:
    """The executor that the configuration asks for; of itself never more threads at work than there are cores."""
    workers = execution.workers or max(available_cores() // execution.threads, 1)
    serial = execution.executor == "serial" or launched() > 1
    return Serial(execution.threads) if serial else Processes(workers, execution.threads)


def available_cores() -> int:
    """Cores this process may use, which a container or taskset may have cut."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_listener: Callable[[float], None] | None = None
"""Who hears how far the job that this process runs is."""


def tell(done: int, total: int) -> None:
    """Say from within a job how far it is, in parts of any size; heard about twice a second."""
    if _listener is not None:
        _listener(min(done / max(total, 1), 1.0))


def _listen(listener: Callable[[float], None] | None) -> Callable[[float], None] | None:
    """Set who hears; gives who heard until now."""
    global _listener
    before, _listener = _listener, listener
    return before


def _seldom(listener: Callable[[float], None]) -> Callable[[float], None]:
    """The same, called only when ``TELL_SECONDS`` have passed."""
    last = time.monotonic()

    def heard(part: float) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            listener(part)

    return heard


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
        before = _listen(None)
        try:
            _prepare(job.name, job.threads or self.threads)
            return [Event(job, "result", job.function(*job.arguments))]
        except Exception as error:
            return [Event(job, "error", error)]
        finally:
            _listen(before)

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
    _listen(_seldom(lambda part: connection.send(("progress", part, []))))
    _alive.clear()  # a fork's copy of its siblings, none of its business
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which kills us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)
    take_gpu(place)
    loaded = set(sys.modules)
    try:
        _prepare(job.name, threads)
        answer = ("result", job.function(*job.arguments))
        connection.send((*answer, [name for name in sys.modules if name not in loaded]))
    except BaseException as error:
        connection.send(("error", _portable(error), []))


def _prepare(name: str, threads: int) -> None:
    """Cap the threads of what is loaded and what will be, and seed by the job's name."""
    from threadpoolctl import threadpool_limits

    fix_threads(threads)
    threadpool_limits(limits=threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    seed_everything(derive_seed("job", name))


def _portable(error: BaseException) -> Any:
    """The error as something that arrives as itself, its traceback as its cause."""
    text = "".join(traceback.format_exception(error))
    try:
        packed: Any = ExceptionWithTraceback(error, error.__traceback__)
        arrived = pickle.loads(pickle.dumps(packed))  # noqa: S301 - our own bytes, a moment old
        if isinstance(arrived, Exception) and type(arrived) is type(error) and str(arrived) == str(error):
            return packed
    except Exception as fault:
        text += f"\n(the error could not be passed on as it is: {fault})"
    return RuntimeError(f"{type(error).__name__}: {error}\n{text}")


def _death(job: Job, exit_code: int | None) -> str:
    how = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    hint = "; it may have run out of memory: use fewer execution.workers" if exit_code == -signal.SIGKILL else ""
    return f"{job.name}: its process died {ATTEMPTS} times, last by {how}{hint}"
