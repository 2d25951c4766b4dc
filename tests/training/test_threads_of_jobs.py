"""Jobs that compute with threads of their own: they are given as many cores, and nobody waits for ever."""

from __future__ import annotations

import os
import time

import pytest
from neural import job as fit_job
from neural import learner
from test_pool import run

from pipeline.core.config import Execution
from pipeline.core.errors import Faults
from pipeline.training.executors import Job, Processes, Serial, make_executor
from pipeline.training.pool import gather


def worked(number):
    """When it began and ended, and the threads that the libraries have."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((8, 8)) @ np.ones((8, 8))
    began = time.monotonic()
    time.sleep(0.05)
    return began, time.monotonic(), {one["num_threads"] for one in threadpool_info()}, os.environ["OMP_NUM_THREADS"]


def meets(folder, number):
    """As `worked`, but ends only when another of its kind is in the folder (or after a minute without one)."""
    (folder / str(number)).touch()
    before = worked(number)
    while len(list(folder.iterdir())) < 2 and time.monotonic() < before[0] + 60:
        time.sleep(0.01)
    return before[0], time.monotonic(), len(list(folder.iterdir())) > 1


def jobs(name, count, threads=None):
    return gather([Job(f"{name} {number}", worked, (number,), threads=threads) for number in range(count)])


@pytest.mark.parametrize("executor", [Serial(), Processes(workers=2), Processes(workers=1)], ids=str)
def test_a_job_computes_with_its_threads_and_the_others_with_theirs(executor):
    wide, narrow = (task.result for task in run(executor, jobs("wide", 1, threads=2), jobs("narrow", 2)))
    assert [one[2:] for one in wide] == [({2}, "2")]
    assert [one[2:] for one in narrow] == [({1}, "1")] * 2


def test_no_job_runs_beside_one_that_takes_all_places_and_none_overtakes_it(tmp_path):
    pair = gather([Job(f"b {number}", meets, (tmp_path, number)) for number in range(2)])
    tasks = run(Processes(workers=2), jobs("a", 1), jobs("wide", 2, threads=2), pair)
    first, wide, others = (task.result for task in tasks)
    for began, ended, *_ in wide:
        assert not [one for one in first + others if one[0] < ended and began < one[1]]
    assert first[0][1] <= wide[0][0] and max(one[1] for one in wide) <= min(one[0] for one in others)
    assert all(together for *_, together in others)


def test_a_work_that_ends_while_its_job_waits_for_room_stops_nobody():
    def gives_up():
        yield Job("waits", worked, (0,), threads=2)

    tasks = run(Processes(workers=2), jobs("a", 2), gives_up(), jobs("b", 2), deadline=time.monotonic() + 0.02)
    assert all(task.over for task in tasks)


def test_workers_leave_room_for_their_threads():
    everything = make_executor(Execution()).workers
    assert make_executor(Execution(threads=everything)).workers == 1
    assert make_executor(Execution(workers=3, threads=2)) == Processes(workers=3, threads=2)
    executor = Processes(workers=2, threads=2)
    assert [executor.places(threads) for threads in (None, 1, 2, 3, 9)] == [1, 1, 1, 2, 2]


def test_a_network_computes_with_its_threads_when_it_learns_and_when_it_answers():
    import torch

    seen = []
    mine = learner(epochs=2, threads=2)
    given = fit_job()
    given.progress = lambda done, total: seen.append(torch.get_num_threads())
    fitted = mine.fit(given)
    assert seen == [2, 2]
    torch.set_num_threads(1)
    fitted.raw(given.train)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    with pytest.raises(Faults, match="threads"):
        learner(threads=0)
