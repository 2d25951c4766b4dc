"""What a job is, who may run one, and what a job does wherever it runs.

Each job runs with a fixed number of threads and a seed of its own, so all executors give the same results.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pipeline.core.seeds import derive_seed, fix_threads, seed_everything

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

ATTEMPTS = 3
"""A job whose process dies without an answer is done again, this often in all."""

TELL_SECONDS = 0.5
"""Least time between two words of a job about how far it is."""


@dataclass(frozen=True, eq=False)
class Job:
    """A call to make: a fold, a stack of members, a trial's folds, a final fit. Equal to itself alone.

    name: what it is, which seeds it. weight: how many things (folds, seeds) it does. threads: that it computes with;
    None: as many as the executor gives each. reads, writes: files and folders of the project, which travel where a
    machine does not share its disk; what lies at ``writes`` already travels there too.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    weight: int = 1
    threads: int | None = None
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


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


def available_cores() -> int:
    """Cores this process may use, which a container or taskset may have cut."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_listener: Callable[[float], None] | None = None
"""Who hears how far the job that this process runs is."""


def tell(done: int, total: int) -> None:
    """Say from within a job how far it is, in parts of any size; heard about twice a second."""
    if _listener is not None:
        _listener(min(done / max(total, 1), 1.0))


def listen(listener: Callable[[float], None] | None) -> Callable[[float], None] | None:
    """Set who hears; gives who heard until now."""
    global _listener
    before, _listener = _listener, listener
    return before


def seldom(listener: Callable[[float], None]) -> Callable[[float], None]:
    """The same, called only when ``TELL_SECONDS`` have passed."""
    last = time.monotonic()

    def heard(part: float) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            listener(part)

    return heard


def prepare(name: str, threads: int) -> None:
    """Cap the threads of what is loaded and what will be, and seed by the job's name."""
    fix_threads(threads)
    libraries().limit(limits=threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    seed_everything(derive_seed("job", name))


def libraries() -> ThreadpoolController:
    """Those that are loaded and have threads of their own: a process that has looked for them spares its forks that."""
    return _libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def portable(error: BaseException) -> Any:
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
