"""Many works at once on one executor.

A *work* is what wants jobs done: a cross-validation, a study, the fits on all rows. It is a generator that
yields jobs and is sent what has come of earlier ones; it yields None where it has no job to give before one of
its own is done, and returns its result. The pool asks works in their order of worth for a job whenever a worker
is free, so that no core idles at a model's last fold. A work knows nothing of the others, and its result depends
on none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from pipeline.training.executors import Executor, Job

T = TypeVar("T")


class OutOfTime(Exception):
    """The budget is used up."""


class Done(NamedTuple):
    """A job's result, and the seconds it took."""

    job: Job
    result: Any
    seconds: float


@dataclass(frozen=True)
class Stop:
    """What a work yields to end those of its jobs that still run, without an answer."""

    jobs: Sequence[Job]


Work: TypeAlias = "Generator[Job | Stop | None, list[Done], T]"
"""Yields a job, or None to wait; is sent what was done since it last yielded."""


@dataclass
class Task(Generic[T]):
    """A work in a pool.

    name: whose it is. worth: asked whenever a worker is free; the work with the largest is asked first, of
    equals the first in the list.
    """

    name: str
    work: Work[T]
    worth: Callable[[], float] = lambda: 0.0
    result: T | None = None
    error: BaseException | None = None
    over: bool = False
    seconds: float = 0.0
    """That its jobs have taken."""
    finished: int = 0
    """Things that its jobs have done."""
    _running: dict[int, float] = field(default_factory=dict)
    _done: list[Done] = field(default_factory=list)
    _held: Job | None = None
    """A job that it yielded when no worker was asked for."""
    _begun: bool = False
    _waits: bool = False
    _parts: dict[int, float] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """Jobs of it that run."""
        return len(self._running)

    @property
    def part(self) -> float:
        """Of its jobs that run, how far they are, in the things they do."""
        return sum(self._parts.values())


class Pool:
    """Runs works to their end.

    deadline: on ``time.monotonic``; then all that runs is stopped, and every work is thrown OutOfTime once. It may
    turn that into a result, and still have jobs done that it needs to.
    heard: called after each event, and about twice a second, for whoever shows it.
    """

    def __init__(
        self, executor: Executor, deadline: float = float("inf"), heard: Callable[[], None] = lambda: None
    ) -> None:
        self.executor, self.deadline, self.heard = executor, deadline, heard
        self._of: dict[int, tuple[Task[Any], Job]] = {}
        self.busy = 0.0
        """Seconds that jobs have run, side by side ones added up."""

    def run(self, tasks: Sequence[Task[Any]]) -> None:
        """Run all; each task has its result, or the error that ended it, afterwards.

        An error of a job is thrown into its own work, which ends; the others do not notice. What is no
        Exception (an interrupt) ends all and goes on.
        """
        try:
            while True:
                self._start_what_fits(tasks)
                if not self._of:
                    return
                left = self.deadline - time.monotonic()
                events = self.executor.wait(max(0.0, min(0.5, left)))
                for event in events:
                    self._hear(*event)
                self.heard()
                if time.monotonic() >= self.deadline:
                    self.deadline = float("inf")
                    for task in tasks:
                        self._end(task, OutOfTime("the budget's time is used up"))
        finally:
            self.executor.close()
            for task in tasks:
                if not task.over:
                    task.over = True
                    task.work.close()

    def _start_what_fits(self, tasks: Iterable[Task[Any]]) -> None:
        while len(self._of) < self.executor.workers:
            open_ = [task for task in tasks if not task.over and (task._done or task._held or not task._waits)]
            if not open_:
                return
            task = max(open_, key=lambda task: task.worth())  # the first of equals
            job = self._ask(task)
            if job is not None:
                task._running[id(job)] = time.monotonic()
                self._of[id(job)] = task, job
                self.executor.start(job)

    def _ask(self, task: Task[Any], error: BaseException | None = None) -> Job | None:
        if task._held is not None:
            held, task._held = task._held, None
            return held
        done, task._done = task._done, []
        try:
            if not task._begun:
                task._begun, wanted = True, next(task.work)
            elif error is None:
                wanted = task.work.send(done)
            if error is not None:
                wanted = task.work.throw(error)
            while isinstance(wanted, Stop):
                self._stop(task, wanted.jobs)
                wanted = task.work.send([])
            task._waits = wanted is None
            return wanted
        except StopIteration as stop:
            task.over, task.result = True, stop.value
        except Exception as fault:
            task.over, task.error = True, fault
        self._stop(task)
        return None

    def _hear(self, job: Job, kind: str, value: Any) -> None:
        if id(job) not in self._of:
            return  # of a work that ended meanwhile
        task, _ = self._of[id(job)]
        if kind == "progress":
            task._parts[id(job)] = value * job.weight
            return
        seconds = time.monotonic() - task._running.pop(id(job))
        del self._of[id(job)]
        task._parts.pop(id(job), None)
        task.seconds += seconds
        self.busy += seconds
        if kind == "result":
            task.finished += job.weight
            task._done.append(Done(job, value, seconds))
        else:
            self._end(task, value)

    def _end(self, task: Task[Any], error: BaseException) -> None:
        """Stop a work's jobs and throw the error into it."""
        if task.over:
            return
        self._stop(task)
        if task._begun and task._done:
            task._held = None
            self._ask(task)  # what was done before is not lost; a job that it yields now is not started
        if not task.over:
            task._held = None
            task._held = self._ask(task, error)

    def _stop(self, task: Task[Any], jobs: Iterable[Job] | None = None) -> None:
        """End a work's jobs that run, or some of them."""
        wanted = None if jobs is None else {id(job) for job in jobs}
        for key, (other, job) in list(self._of.items()):
            if other is task and (wanted is None or key in wanted):
                self.executor.stop(job)
                seconds = time.monotonic() - task._running.pop(key)
                task.seconds += seconds
                self.busy += seconds
                task._parts.pop(key, None)
                del self._of[key]


def gather(jobs: Sequence[Job]) -> Work[list[Any]]:
    """Give all jobs, wait for all, return their results in the jobs' order."""
    places = {id(job): place for place, job in enumerate(jobs)}
    found: dict[int, Any] = {}
    waiting = iter(jobs)
    while len(found) < len(jobs):
        for done in (yield next(waiting, None)):
            if id(done.job) in places:
                found[places[id(done.job)]] = done.result
    return [found[place] for place in range(len(jobs))]
