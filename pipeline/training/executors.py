"""Who runs the jobs (folds, members, trials): this process, or a few beside it.

Each job runs with a fixed number of threads and its own seed, so both give the same results.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar, cast

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.core.process import die_with_parent
from pipeline.core.seeds import derive_seed, fix_threads, seed_everything
from pipeline.core.types import Executor

START_METHOD = "fork" if sys.platform == "linux" else "spawn"

ATTEMPTS = 3
"""A job whose process dies without an answer is done again, this often in all."""


TELL_SECONDS = 0.5
"""Least time between two words of a job about how far it is."""


def make_executor(execution: Execution, beside: int = 1) -> Executor:
    """The executor that the configuration asks for.

    beside: executors that work side by side, and so share the workers.
    """
    workers = (execution.workers or available_cores()) // beside
    if execution.executor == "serial" or (beside > 1 and workers <= 1):
        return Serial(execution.threads)
    return Processes(workers, execution.threads)


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


@dataclass(frozen=True)
class Serial:
    """Runs jobs one after another in this process.

    threads: of the numeric libraries, left so capped afterwards.
    """

    threads: int = 1
    workers: ClassVar[int] = 1

    def map(
        self, function: Callable[[Any], Any], jobs: Iterable[Any], progress: Callable[[float], None] | None = None
    ) -> Iterator[Any]:
        """Yield ``function(job)`` for each job, in order; an error ends it.

        progress: called with the number of jobs done, a job half done counting 0.5.
        """
        for number, job in enumerate(jobs):
            _prepare(number, self.threads)
            before = _listen(None if progress is None else _seldom(partial(_add, progress, number)))
            try:
                result = function(job)
            finally:
                _listen(before)
            if progress is not None:
                progress(number + 1)
            yield result


def _add(progress: Callable[[float], None], done: int, part: float) -> None:
    progress(done + part)


@dataclass(frozen=True)
class Processes:
    """Runs each job in a process of its own, at most ``workers`` at once.

    On Linux the process is forked: what is loaded need not be loaded again, and function and
    jobs may be anything. Elsewhere it is spawned: both must be picklable. Results are pickled
    through a pipe in both.
    """

    workers: int = 2
    threads: int = 1

    def map(
        self, function: Callable[[Any], Any], jobs: Iterable[Any], progress: Callable[[float], None] | None = None
    ) -> Iterator[Any]:
        """Yield ``function(job)`` for each job, in the jobs' order, as soon as each is ready.

        A job whose process dies without an answer is done again, twice at most.
        Closing the iterator kills the processes still running.

        progress: called with the number of jobs done, a job half done counting 0.5.

        Raises what the job raises, with the process's traceback as cause; UserError where a
        job's process died every time.
        """
        _load()
        jobs = list(jobs)
        waiting = deque(range(len(jobs)))
        attempts = [0] * len(jobs)
        answers: dict[int, Any] = {}
        parts = [0.0] * len(jobs)
        running: dict[Connection, tuple[int, BaseProcess]] = {}
        following = 0
        try:
            while following < len(jobs):
                while waiting and len(running) < self.workers:
                    number = waiting.popleft()
                    attempts[number] += 1
                    connection, process = _start(function, jobs[number], number, self.threads)
                    running[connection] = number, process
                for connection in cast("list[Connection]", wait(list(running))):
                    number, process = running[connection]
                    kind, value, modules = _receive(connection)
                    parts[number] = value if kind == "progress" else float(kind != "dead")
                    if kind != "progress":
                        process.join()
                        _forget(running, connection)
                    if kind in ("result", "error"):
                        answers[number] = kind, value
                        _had_to_load.extend(modules)
                        if waiting:
                            _load()
                    elif kind == "dead" and attempts[number] < ATTEMPTS:
                        waiting.appendleft(number)
                    elif kind == "dead":
                        raise UserError(_death(jobs[number], number, len(jobs), process.exitcode))
                    if progress is not None:
                        progress(sum(parts))
                while following in answers:
                    kind, value = answers.pop(following)
                    if kind == "error":
                        raise value
                    following += 1
                    yield value
        finally:
            for connection, (_, process) in list(running.items()):
                process.kill()
                process.join()
                _forget(running, connection)


_alive: set[BaseProcess] = set()
"""Processes still running, for the rare iterator that is neither finished nor closed."""


@atexit.register
def _kill_alive() -> None:
    for process in _alive:
        process.kill()


def _start(function: Callable[[Any], Any], job: Any, number: int, threads: int) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context(START_METHOD)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]
        target=_work, args=(function, job, number, threads, sending, os.getpid())
    )
    process.start()
    _alive.add(process)
    sending.close()  # so that the process's death ends the pipe
    return receiving, process


def _forget(running: dict[Connection, tuple[int, BaseProcess]], connection: Connection) -> None:
    _, process = running.pop(connection)
    _alive.discard(process)
    connection.close()


_had_to_load: list[str] = []
"""Modules that earlier jobs had to import: libraries import parts of themselves at work."""


def _load() -> None:
    """Import them here, so that the next process is forked with them loaded.

    Without this each of a study's fits would pay for that anew (half a second and more).
    """
    while _had_to_load:
        with suppress(ImportError):  # some modules exist only once others have made them
            importlib.import_module(_had_to_load.pop(0))


def _receive(connection: Connection) -> tuple[str, Any, Sequence[str]]:
    """The process's next word: how far it is, its answer, or that it died before it had given it whole.

    ("progress", part, []), ("result" or "error", value, modules it had to load) or ("dead", None, []).
    """
    try:
        return connection.recv()
    except (EOFError, OSError):
        return "dead", None, []


def _work(
    function: Callable[[Any], Any], job: Any, number: int, threads: int, connection: Connection, parent: int
) -> None:
    """The life of a process: one job, how far it is now and then, one answer."""
    _listen(_seldom(lambda part: connection.send(("progress", part, []))))
    _alive.clear()  # a fork's copy of its siblings, none of its business
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which kills us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)
    loaded = set(sys.modules)
    try:
        _prepare(number, threads)
        answer = ("result", function(job))
        connection.send((*answer, [name for name in sys.modules if name not in loaded]))
    except BaseException as error:
        connection.send(("error", _portable(error), []))


def _prepare(number: int, threads: int) -> None:
    """Cap the threads of what is loaded and what will be, and seed by the job's number."""
    from threadpoolctl import threadpool_limits

    fix_threads(threads)
    threadpool_limits(limits=threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    seed_everything(derive_seed("job", number))


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


def _death(job: Any, number: int, total: int, exit_code: int | None) -> str:
    how = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    hint = "; it may have run out of memory: use fewer execution.workers" if exit_code == -signal.SIGKILL else ""
    return f"job {number + 1} of {total}{_name(job)}: its process died {ATTEMPTS} times, last by {how}{hint}"


def _name(job: Any) -> str:
    for key in ("fold", "number", "name"):
        if isinstance(value := getattr(job, key, None), int | str):
            return f" ({key} {value})"
    return f" ({job})" if isinstance(job, int | str) else ""
