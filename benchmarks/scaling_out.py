"""How jobs scale out, on processes of this machine and on Ray: efficiency, and what a job costs besides its work.

    PYTHONPATH=. python benchmarks/scaling_out.py [--seconds 0.5] [--jobs 24] [--executors processes ray]

As many jobs of fixed length for each worker, 1 to 8 of them. Jobs sleep, so that more workers than cores can be
measured; what else happens shares the cores there are. Efficiency is the jobs' own seconds, laid end to end on the
workers, over the seconds that the pool took. Overhead is what was left of these, for a job and worker. Workers have
done a job each before the clock starts; those of processes are forked anew within it, once each. The last column is
the jobs a second of one that asks for nothing: what the pool and this process can hand out, whatever the workers.
Bars: efficiency 0.9; 20 ms a job on processes, 50 on Ray.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

from pipeline.core.config import Execution
from pipeline.core.seeds import fix_threads
from pipeline.training.executors import make_executor
from pipeline.training.jobs import Executor, Job, available_cores
from pipeline.training.pool import Pool, Task, gather

WORKERS = (1, 2, 4, 8)


def run(executor: Executor, count: int, seconds: float) -> float:
    """Seconds that so many jobs took."""
    task = Task("jobs", gather([Job(f"job {number}", time.sleep, (seconds,)) for number in range(count)]))
    began = time.perf_counter()
    Pool(executor).run([task])
    if task.error is not None:
        raise task.error
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="that a job takes")
    parser.add_argument("--jobs", type=int, default=24, help="for each worker")
    parser.add_argument("--executors", nargs="+", default=["processes", "ray"], choices=["processes", "ray"])
    chosen = parser.parse_args()
    fix_threads(1)
    import lightgbm  # noqa: F401 - what a stage has loaded: a fork costs by the size of the process
    import pandas  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401

    print(f"{available_cores()} cores, Python {platform.python_version()}, jobs of {chosen.seconds:g} s\n")
    print("| executor | workers | jobs | seconds | efficiency | overhead, ms a job | empty jobs a second |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        for kind in chosen.executors:
            # One cluster for all: workers are counted by the pool.
            most = make_executor(Execution(executor=kind, workers=max(WORKERS)))
            run(most, 2 * max(WORKERS), 0.5)
            for workers in WORKERS:
                executor = make_executor(Execution(executor=kind, workers=workers))
                run(executor, workers, 0.0)
                count = chosen.jobs * workers
                took = run(executor, count, chosen.seconds)
                work = chosen.seconds * chosen.jobs
                empty = 50 * workers / run(executor, 50 * workers, 0.0)
                cells = [kind, str(workers), str(count), f"{took:.1f}", f"{work / took:.3f}"]
                cells += [f"{1000 * (took - work) / chosen.jobs:.1f}", f"{empty:.0f}"]
                print("| " + " | ".join(cells) + " |", flush=True)
        os.chdir(Path(__file__).parent)


if __name__ == "__main__":
    main()
