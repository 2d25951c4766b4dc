"""Executors: the same results from each, and processes that really die."""

import gc
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.config import Execution
from pipeline.core.processor import take_gpu
from pipeline.training import pool
from pipeline.training.executors import Event, Job, Processes, Serial, available_cores, make_executor

BOTH = pytest.mark.parametrize("executor", [Serial(), Processes(workers=2)], ids=["serial", "processes"])
ROOT = Path(__file__).parents[2]


def gather(executor, function, arguments, heard=lambda task: None):
    """A job for each argument, done by a pool of one work: the results in the arguments' order.

    heard: is given the work's task each time that something was heard.
    """
    jobs = [Job(f"job {number}", function, (argument,)) for number, argument in enumerate(arguments)]
    task = pool.Task("work", pool.gather(jobs))
    pool.Pool(executor, heard=lambda: heard(task)).run([task])
    if task.error is not None:
        raise task.error
    return task.result


def fit_booster(job):
    """A real fit; shuffles by the global generators too, which the executor has seeded."""
    import lightgbm

    features = np.random.normal(size=(400, 6))
    target = features @ np.arange(6) + np.random.normal(size=400)
    params = {"verbose": -1, "deterministic": True, "force_row_wise": True, "num_leaves": 7, "seed": job}
    booster = lightgbm.train(params, lightgbm.Dataset(features, target), 20)
    return booster.model_to_string(), booster.predict(features).tobytes()


def solve(job):
    matrix = np.random.default_rng(job).normal(size=(300, 300))
    return np.linalg.svd(matrix @ matrix.T)[1].tobytes()


@pytest.mark.parametrize("function", [fit_booster, solve])
def test_serial_and_processes_give_the_same_bytes(function):
    first, second = (gather(executor, function, range(4)) for executor in (Serial(), Processes(workers=2)))
    assert first == second
    assert len(set(first)) == 4


def own_megabytes() -> float:
    told = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s*(\d+)", told)[1]) / 1024


def collects(job):
    before = own_megabytes()
    gc.collect()
    return own_megabytes() - before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is shared")
def test_a_collection_in_a_job_copies_nothing_of_what_the_fork_shares():
    shared = [{"number": number} for number in range(200_000)]  # some 50 MB
    (grown,) = gather(Processes(workers=1), collects, [0])
    assert grown < 10 and len(shared) == 200_000


def test_spawned_processes_give_the_same_bytes_too(monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.START_METHOD", "spawn")
    assert gather(Processes(workers=1), solve, [3]) == gather(Serial(), solve, [3])


@BOTH
def test_results_come_in_the_jobs_order(executor):
    def late_when_early(job):
        time.sleep(0.2 if job == 0 else 0)
        return job, os.getpid()

    results = gather(executor, late_when_early, range(5))
    assert [job for job, _ in results] == [0, 1, 2, 3, 4]
    others = {pid for _, pid in results} - {os.getpid()}
    assert len(others) == (0 if isinstance(executor, Serial) else 5)
    assert gather(executor, late_when_early, []) == []


def test_a_result_is_given_before_the_last_job_is_done(tmp_path):
    def job(number):
        while number == 1 and not (tmp_path / "seen").exists():
            time.sleep(0.01)
        return number

    executor, jobs = Processes(workers=2), [Job(f"job {number}", job, (number,)) for number in range(2)]
    for one in jobs:
        executor.start(one)
    assert executor.wait(10) == [Event(jobs[0], "result", 0)]
    (tmp_path / "seen").touch()
    assert executor.wait(10) == [Event(jobs[1], "result", 1)]


def test_at_most_workers_run_at_once(tmp_path):
    def job(number):
        began = time.monotonic()
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) >= 2, 10)  # another one has begun
        time.sleep(0.1)
        return began, time.monotonic()

    spans = gather(Processes(workers=2), job, range(5))
    assert max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans) == 2


def test_jobs_side_by_side_are_spread_over_the_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")

    def job(number):
        wait_until((tmp_path / str(number)).exists, 20)
        return os.environ["CUDA_VISIBLE_DEVICES"]

    def end(number):
        (tmp_path / str(number)).touch()
        (event,) = executor.wait(20)
        seen[number] = event.value

    executor, seen = Processes(workers=3), {}
    for number in (0, 1):
        executor.start(Job(f"job {number}", job, (number,)))
    end(0)  # its place is free again, and the next one's
    for number in (2, 3):
        executor.start(Job(f"job {number}", job, (number,)))
    for number in (1, 2, 3):
        end(number)
    assert seen == {0: "4", 1: "6", 2: "4", 3: "4"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,6"


@pytest.mark.parametrize(("visible", "left"), [("", ""), ("0", "0"), ("GPU-a,GPU-b,-1,3", "GPU-b"), ("-1,0", "-1,0")])
def test_one_gpu_of_several_is_left_to_a_process(visible, left, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    take_gpu(3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left


def test_results_larger_than_a_pipe_come_whole():
    results = gather(Processes(workers=2), lambda job: np.full(1_000_000, job), range(3))
    assert [(r.size, r[0]) for r in results] == [(1_000_000, 0), (1_000_000, 1), (1_000_000, 2)]


def draw(number):
    from threadpoolctl import threadpool_info

    np.ones((8, 8)) @ np.ones((8, 8))
    pools = {pool["num_threads"] for pool in threadpool_info()}
    return pools, os.environ["OMP_NUM_THREADS"], random.random(), np.random.random()


@BOTH
def test_threads_are_capped_and_generators_seeded(executor):
    first = gather(executor, draw, range(2))
    again = gather(Serial(), draw, range(2))
    assert first == again
    assert first[0][:2] == ({1}, "1")
    assert first[0][2:] != first[1][2:]


@BOTH
def test_the_seed_is_of_the_jobs_name_whatever_its_place(executor):
    def drawn(*names):
        task = pool.Task("work", pool.gather([Job(name, draw, (0,)) for name in names]))
        pool.Pool(executor).run([task])
        return task.result

    assert drawn("a", "b") == drawn("b", "a")[::-1]


def test_torch_is_capped_where_it_is_loaded():
    torch = pytest.importorskip("torch")

    def job(number):
        return torch.get_num_threads(), torch.rand(3).tolist()

    (first,), (second,) = (gather(executor, job, [0]) for executor in (Serial(threads=1), Processes(threads=1)))
    assert first == second
    assert first[0] == 1


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleepy(folder, job):
    if job:
        (folder / f"pid-{job}.part").write_text(str(os.getpid()))
        (folder / f"pid-{job}.part").rename(folder / f"pid-{job}")
        time.sleep(60)
    return job


def pids(folder, count):
    wait_until(lambda: len(list(folder.glob("pid-[0-9]"))) == count, 10)
    return [int(path.read_text()) for path in folder.glob("pid-[0-9]")]


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@needs_proc
def test_stopping_a_job_kills_its_process_alone(tmp_path):
    executor, jobs = Processes(workers=3), [Job(f"job {n}", sleepy, (tmp_path, n)) for n in (1, 2, 0)]
    for job in jobs[:2]:
        executor.start(job)
    children = {name: int((tmp_path / name).read_text()) for name in ("pid-1", "pid-2") if pids(tmp_path, 2)}
    executor.stop(jobs[0])
    assert (running(children["pid-1"]), running(children["pid-2"])) == (False, True)
    executor.stop(jobs[0])  # it does not run any more
    assert executor.wait(0.1) == []
    executor.start(jobs[2])
    assert executor.wait(10) == [Event(jobs[2], "result", 0)]
    executor.close()


@needs_proc
def test_closing_early_kills_the_rest(tmp_path):
    executor = Processes(workers=3)
    for number in range(3):
        executor.start(Job(f"job {number}", sleepy, (tmp_path, number)))
    assert [event.value for event in executor.wait(10)] == [0]
    children = pids(tmp_path, 2)
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 2
    assert not any(running(pid) for pid in children)
    executor.start(Job("another", sleepy, (tmp_path, 0)))  # it can be used again
    assert [event.value for event in executor.wait(10)] == [0]


@BOTH
def test_nothing_is_heard_where_nothing_runs(executor):
    assert executor.wait(None) == []  # at once
    executor.close()


def test_waiting_ends_with_its_seconds(tmp_path):
    executor = Processes()
    executor.start(Job("long", sleepy, (tmp_path, 1)))
    began = time.monotonic()
    assert executor.wait(0.2) == []
    assert 0.2 <= time.monotonic() - began < 5
    executor.close()


def test_serial_runs_a_job_when_it_is_waited_for():
    ran = []
    executor = Serial()
    first, second, third = (Job("the same", ran.append, (np.arange(n),)) for n in range(3))
    executor.start(first)
    executor.start(second)
    executor.stop(third)  # which was never started
    executor.stop(first)
    assert ran == []
    assert executor.wait(0) == [Event(second, "result", None)]
    assert [len(one) for one in ran] == [1]
    executor.start(third)
    executor.close()
    assert executor.wait(0) == []
    assert len(ran) == 1


SCRIPT = """
import signal, sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_executors import gather, sleepy
from pipeline.training.executors import Processes
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    gather(Processes(workers=2), partial(sleepy, Path({folder!r})), [1, 2])
"""


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_die_with_their_parent(tmp_path, how):
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
    children = pids(tmp_path, 2)
    assert all(running(pid) for pid in children)
    # Ctrl-C in a terminal reaches the whole group, the other signals the parent alone.
    os.killpg(parent.pid, how) if how == signal.SIGINT else os.kill(parent.pid, how)
    parent.wait(timeout=5)
    wait_until(lambda: not any(running(pid) for pid in children), 2)
    assert parent.stderr.read().decode().count("KeyboardInterrupt") == (how == signal.SIGINT)


def test_a_pool_may_run_inside_a_process():
    def outer(job):
        return gather(Processes(workers=2), lambda inner: inner + job, range(2))

    assert gather(Processes(workers=2), outer, [10, 20]) == [[10, 11], [20, 21]]


def test_the_configuration_chooses():
    assert make_executor(Execution(executor="serial", threads=2)) == Serial(threads=2)
    assert make_executor(Execution(workers=3, threads=1)) == Processes(workers=3, threads=1)
    assert make_executor(Execution(workers=0)).workers == available_cores() >= 1
