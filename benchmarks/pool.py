"""How many workers the pool keeps busy: the part of linear speed-up reached by jobs of one length.

    python benchmarks/pool.py [--seconds 0.5] [--batches 2]

Eleven models of 5 folds, each followed by its search: batches of 2 trials of 5 folds, a batch asked when the one
before it is done. All are works in one Pool. Beside it the way that it replaces: one model after another, its folds
on the executor, then its trials one by one. Linear is what the same seconds take as one long job a worker, in the
same run: on a machine that is busy otherwise spinning ones take longer. Sleeping jobs leave the cores free, so that
8 workers can be measured on fewer; spinning ones use as many seconds of CPU, on 2 workers. Bar: 0.9.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator

from pipeline.core.seeds import fix_threads
from pipeline.training.executors import Job, Processes, available_cores
from pipeline.training.pool import Pool, Task, Work, gather

MODELS, FOLDS, TRIALS = 11, 5, 2
MODES = {"sleep": 8, "spin": 2}


def spin(seconds: float) -> None:
    """Use as much of a core."""
    while time.process_time() < seconds:  # of a process that has just begun
        sum(range(10_000))


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def stacks(function: Callable[[float], None], seconds: float, batches: int, model: int) -> Iterator[list[Job]]:
    """A model's jobs: its folds, then its trials' folds, trial by trial."""
    for trial in range(1 + batches * TRIALS):
        yield [Job(f"model {model}: trial {trial}: fold {k}", function, (seconds,)) for k in range(FOLDS)]


def alone(jobs: list[list[Job]]) -> Work[None]:
    """One trial after another."""
    for trial in jobs:
        yield from gather(trial)


def searched(jobs: list[list[Job]]) -> Work[None]:
    """The folds, then batches of trials."""
    yield from gather(jobs[0])
    for first in range(1, len(jobs), TRIALS):
        yield from gather([job for trial in jobs[first : first + TRIALS] for job in trial])


def a_job_a_worker(executor: Processes, models: list[list[list[Job]]]) -> None:
    jobs = [job for stacks in models for trial in stacks for job in trial]
    seconds = sum(job.arguments[0] for job in jobs) / executor.workers
    long = [Job(f"worker {n}", jobs[0].function, (seconds,)) for n in range(executor.workers)]
    Pool(executor).run([Task("linear", gather(long))])


def one_after_another(executor: Processes, models: list[list[list[Job]]]) -> None:
    for jobs in models:
        Pool(executor).run([Task("model", alone(jobs))])


def in_one_pool(executor: Processes, models: list[list[list[Job]]]) -> None:
    tasks = [Task(f"model {number}", searched(jobs)) for number, jobs in enumerate(models)]
    for task in tasks:
        task.worth = lambda task=task: -task.finished  # the longest way to go first, as searches of a count have it
    Pool(executor).run(tasks)
    if any(task.error for task in tasks):
        raise next(task.error for task in tasks if task.error)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="that a job takes")
    parser.add_argument("--batches", type=int, default=2, help="of a model's search")
    parser.add_argument("--mode", choices=[*MODES, "both"], default="both")
    chosen = parser.parse_args()
    fix_threads(1)
    import numpy  # noqa: F401 - so that no job has to
    import threadpoolctl  # noqa: F401

    print(f"{available_cores()} cores, Python {platform.python_version()}, jobs of {chosen.seconds:g} s\n")
    print("| jobs | workers | way | seconds | part of linear |\n|---|---:|---|---:|---:|")
    for mode, workers in MODES.items():
        if chosen.mode not in (mode, "both"):
            continue
        function = sleep if mode == "sleep" else spin
        linear = 0.0
        for way in (a_job_a_worker, one_after_another, in_one_pool):
            models = [list(stacks(function, chosen.seconds, chosen.batches, model)) for model in range(MODELS)]
            count = sum(len(trial) for jobs in models for trial in jobs)
            began = time.perf_counter()
            way(Processes(workers), models)
            took = time.perf_counter() - began
            linear = linear or took
            name = way.__name__.replace("_", " ")
            print(f"| {count} that {mode} | {workers} | {name} | {took:.1f} | {linear / took:.2f} |", flush=True)


if __name__ == "__main__":
    main()
