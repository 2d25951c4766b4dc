"""Many works at once on one executor.

A *work* is what wants jobs done: a cross-validation, a study, the fits on all rows. It is a generator that
yields jobs and is sent what has come of earlier ones; it yields None where it has no job to give before one of
its own is done, and returns its result. The pool asks works in their order of worth for a job whenever a worker
is free, so that no core idles at a model's last fold. A work knows nothing of the others, and its result depends
on none of them. A job that takes several places waits until these are free, and meanwhile no other begins, which it
would wait for in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from pipeline.training.jobs import Executor, Job

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
    _unwanted: set[int] = field(default_factory=set)
    """Jobs that it ended when it last went on."""
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

    deadline: on ``time.monotonic``; then all that runs is stopped, and every work is thrown OutOfTime once, after it
    was begun. It may turn that into a result, and still have jobs done that it needs to.
    heard: called after each event, and about twice a second, for whoever shows it.
    """

    def __init__(
        self, executor: Executor, deadline: float = float("inf"), heard: Callable[[], None] = lambda: None
    ) -> None:
        self.executor, self.deadline, self.heard = executor, deadline, heard
        self._of: dict[int, tuple[Task[Any], Job]] = {}
        self._next: Task[Any] | None = None
        """The one whose job waits for more places than are free."""

    def run(self, tasks: Sequence[Task[Any]]) -> None:
        """Run all; each task has its result, or the error that ended it, afterwards.

        An error of a job is thrown into its own work, which ends; the others do not notice. What is no
        Exception (an interrupt) ends all and goes on.
        """
        if not tasks:
            return
        out_of_time = False
        try:
            while True:
                if not out_of_time and time.monotonic() >= self.deadline:
                    out_of_time = True
                    for task in tasks:
                        self._end(task, OutOfTime("the budget's time is used up"))
                self._start_what_fits(tasks)
                if not self._of:
                    return
                left = float("inf") if out_of_time else self.deadline - time.monotonic()
                for event in self.executor.wait(max(0.0, min(0.5, left))):
                    self._hear(*event)
                self.heard()
        finally:
            self.executor.close()
            self._of.clear()
            for task in tasks:
                self._close(task)

    def _start_what_fits(self, tasks: Iterable[Task[Any]]) -> None:
        for task in tasks:
            if task._done and not task.over and not task._held and (task._waits or not task._running):
                # At once, whatever it is worth: what it found is written, and a worth may hang on it.
                task._held = self._ask(task)
        while (free := self.executor.workers - self._taken()) > 0:
            first = self._next if self._next is not None and self._next._held is not None else None
            first = first or self._first([task for task in tasks if not task.over and not task._waits])
            self._next = None
            if first is None:
                return
            job = self._ask(first)
            if job is None:
                continue
            try:
                if self.executor.places(job.threads) > free:
                    first._held, self._next = job, first
                    return
                self.executor.start(job)
            except Exception as fault:
                self._end(first, fault)
            else:
                first._running[id(job)] = time.monotonic()
                self._of[id(job)] = first, job

    def _taken(self) -> int:
        """Places of the jobs that run."""
        return sum(self.executor.places(job.threads) for _, job in self._of.values())

    def _first(self, tasks: Sequence[Task[Any]]) -> Task[Any] | None:
        """The one of most worth, the first of equals; None where there is none."""
        worths = []
        for task in tasks:
            try:
                worths.append((task.worth(), task))
            except Exception as fault:
                self._close(task, fault)
        return max(worths, key=lambda pair: pair[0])[1] if worths else None

    def _ask(self, task: Task[Any]) -> Job | None:
        """A work's next job; None where it waits or is over."""
        if task._held is not None:
            held, task._held = task._held, None
            return held
        return self._unless_stuck(task, self._send(task))

    def _send(self, task: Task[Any], error: BaseException | None = None) -> Job | None:
        """Go on with a work to its next job, with what was done or with an error."""
        done, task._done = task._done, []
        task._unwanted = set()
        try:
            if error is not None:
                wanted = task.work.throw(error)
            else:
                wanted = task.work.send(done) if task._begun else next(task.work)
            task._begun = True
            while isinstance(wanted, Stop):
                task._unwanted |= set(map(id, wanted.jobs))
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

    def _unless_stuck(self, task: Task[Any], job: Job | None) -> Job | None:
        """The job; a work that waits though nothing of it runs would wait for ever, and is ended."""
        if job is None and not task.over and not task._running:
            self._close(task, RuntimeError(f"{task.name}: it waits for a job, and none of its jobs runs"))
        return job

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
        if kind == "result":
            task.finished += job.weight
            task._done.append(Done(job, value, seconds))
        else:
            self._end(task, value, job)

    def _end(self, task: Task[Any], error: BaseException, at_fault: Job | None = None) -> None:
        """Stop a work's jobs and throw the error into it; but not where it ends the job at fault by itself, told what
        was done before: it may be about something else by then."""
        if task.over:
            return
        self._stop(task)
        task._held = None
        if task._done or not task._begun:
            goes_on = self._send(task)  # what was done before is not lost; a job that it yields now is not started
            if at_fault is not None and id(at_fault) in task._unwanted:
                task._held = self._unless_stuck(task, goes_on)
                return
        if not task.over:
            task._held = self._unless_stuck(task, self._send(task, error))

    def _close(self, task: Task[Any], error: Exception | None = None) -> None:
        """End a work where it stands, and its jobs; what its own end raises is its error too."""
        if task.over:
            return
        task.over, task.error = True, error
        self._stop(task)
        try:
            task.work.close()
        except Exception as fault:
            task.error = error or fault

    def _stop(self, task: Task[Any], jobs: Iterable[Job] | None = None) -> None:
        """End a work's jobs that run, or some of them."""
        wanted = None if jobs is None else {id(job) for job in jobs}
        for key, (other, job) in list(self._of.items()):
            if other is task and (wanted is None or key in wanted):
                self.executor.stop(job)
                task.seconds += time.monotonic() - task._running.pop(key)
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


def run_alone(work: Work[T], executor: Executor) -> T:
    """Run one work to its end; its result. Raises what ended it."""
    task: Task[T] = Task("alone", work)
    Pool(executor).run([task])
    if task.error is not None:
        raise task.error
    return task.result  # type: ignore[return-value]
