"""Executors: the same results from each, and processes that really die."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.config import Execution
from pipeline.core.errors import Faults, UserError
from pipeline.training.executors import Processes, Serial, make_executor, tell

BOTH = [Serial(), Processes(workers=2)]
ROOT = Path(__file__).parents[2]


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
    first, second = (list(executor.map(function, range(4))) for executor in BOTH)
    assert first == second
    assert len(set(first)) == 4


def test_spawned_processes_give_the_same_bytes_too(monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.START_METHOD", "spawn")
    assert list(Processes(workers=1).map(solve, [3])) == list(Serial().map(solve, [3]))


@pytest.mark.parametrize("executor", BOTH, ids=["serial", "processes"])
def test_results_come_in_the_jobs_order(executor):
    def late_when_early(job):
        time.sleep(0.2 if job == 0 else 0)
        return job, os.getpid()

    results = list(executor.map(late_when_early, iter(range(5))))
    assert [job for job, _ in results] == [0, 1, 2, 3, 4]
    others = {pid for _, pid in results} - {os.getpid()}
    assert len(others) == (0 if isinstance(executor, Serial) else 5)
    assert list(executor.map(late_when_early, [])) == []


def test_a_result_is_given_before_the_last_job_is_done(tmp_path):
    def job(number):
        while number == 1 and not (tmp_path / "seen").exists():
            time.sleep(0.01)
        return number

    results = Processes(workers=2).map(job, range(2))
    assert next(results) == 0
    (tmp_path / "seen").touch()
    assert next(results) == 1


def test_at_most_workers_run_at_once(tmp_path):
    def job(number):
        began = time.monotonic()
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) >= 2, 10)  # another one has begun
        time.sleep(0.1)
        return began, time.monotonic()

    spans = list(Processes(workers=2).map(job, range(5)))
    assert max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans) == 2


def test_results_larger_than_a_pipe_come_whole():
    results = list(Processes(workers=2).map(lambda job: np.full(1_000_000, job), range(3)))
    assert [(r.size, r[0]) for r in results] == [(1_000_000, 0), (1_000_000, 1), (1_000_000, 2)]


@pytest.mark.parametrize("executor", BOTH, ids=["serial", "processes"])
def test_threads_are_capped_and_generators_seeded(executor):
    def job(number):
        import random

        from threadpoolctl import threadpool_info

        np.ones((8, 8)) @ np.ones((8, 8))
        pools = {pool["num_threads"] for pool in threadpool_info()}
        return pools, os.environ["OMP_NUM_THREADS"], random.random(), np.random.random()

    first = list(executor.map(job, range(2)))
    again = list(Serial().map(job, range(2)))
    assert first == again
    assert first[0][:2] == ({1}, "1")
    assert first[0][2:] != first[1][2:]


def test_torch_is_capped_where_it_is_loaded():
    torch = pytest.importorskip("torch")

    def job(number):
        return torch.get_num_threads(), torch.rand(3).tolist()

    (first,), (second,) = (list(e.map(job, [0])) for e in (Serial(threads=1), Processes(threads=1)))
    assert first == second
    assert first[0] == 1


def die_once(folder, job):
    mark = folder / f"tried-{job}"
    if job == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return solve(job)


def test_a_killed_workers_job_is_done_again(tmp_path):
    results = list(Processes(workers=2).map(partial(die_once, tmp_path), range(3)))
    assert (tmp_path / "tried-1").exists()
    assert results == list(Serial().map(solve, range(3)))


def test_a_worker_killed_from_outside_is_done_again(tmp_path):
    def job(number):
        first = not (tmp_path / f"pid-{number}").exists()
        (tmp_path / f"pid-{number}").write_text(str(os.getpid()))
        time.sleep(20 if number == 0 and first else 0)
        return number * 10

    results = Processes(workers=2).map(job, range(2))
    killer = subprocess.Popen(
        ["sh", "-c", f"while [ ! -s {tmp_path}/pid-0 ]; do sleep 0.05; done; kill -9 $(cat {tmp_path}/pid-0)"]
    )
    assert list(results) == [0, 10]
    assert killer.wait() == 0


def test_a_job_that_always_dies_is_named_with_its_signal(tmp_path):
    def job(number):
        with (tmp_path / f"tries-{number}").open("a") as stream:
            stream.write("x")
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    results = Processes(workers=2).map(job, range(3))
    with pytest.raises(UserError, match=r"^job 3 of 3 \(2\): its process died 3 times, last by signal SIGKILL; "):
        list(results)
    assert (tmp_path / "tries-2").read_text() == "xxx"
    assert (tmp_path / "tries-0").read_text() == "x"


def test_a_job_that_leaves_without_an_answer_is_named_with_its_exit_code():
    with pytest.raises(UserError, match="last by exit code 3"):
        list(Processes().map(lambda job: os._exit(3), ["fold"]))


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def failing(job):
    if job == "user":
        raise UserError("columns.target: got None")
    if job == "faults":
        raise Faults(["one", "two"])
    if job == "value":
        raise ValueError("bad value")
    if job == "odd":
        raise Odd(1, 2)
    if job == "exit":
        sys.exit(4)
    return lambda: None  # cannot be pickled


@pytest.mark.parametrize(
    ("job", "kind", "message"),
    [
        ("user", UserError, "columns.target: got None"),
        ("faults", Faults, "one\ntwo"),
        ("value", ValueError, "bad value"),
        ("odd", RuntimeError, "Odd: 1 and 2"),
        ("exit", RuntimeError, "SystemExit: 4"),
        ("unpicklable", Exception, "pickle"),
    ],
)
def test_an_error_comes_back_as_itself(job, kind, message):
    with pytest.raises(kind) as caught:
        list(Processes().map(failing, [job]))
    assert message in str(caught.value)
    if job in ("user", "faults", "value"):
        assert str(caught.value) == message
        assert type(caught.value) is kind
        assert "in failing" in str(caught.value.__cause__)  # the process's own traceback
    if job == "faults":
        assert caught.value.faults == ["one", "two"]


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
def test_closing_early_kills_the_rest(tmp_path):
    results = Processes(workers=3).map(partial(sleepy, tmp_path), range(3))
    assert next(results) == 0
    children = pids(tmp_path, 2)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 2
    assert not any(running(pid) for pid in children)


SCRIPT = """
import signal
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_executors import sleepy
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
from pipeline.training.executors import Processes
if __name__ == "__main__":
    results = Processes(workers=2).map(partial(sleepy, Path({folder!r})), [1, 2])
    next(results)
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


def test_processes_may_map_inside_a_process():
    def outer(job):
        return list(Processes(workers=2).map(lambda inner: inner + job, range(2)))

    assert list(Processes(workers=2).map(outer, [10, 20])) == [[10, 11], [20, 21]]


def test_the_configuration_chooses():
    assert make_executor(Execution(executor="serial", threads=2)) == Serial(threads=2)
    assert make_executor(Execution(workers=3, threads=1)) == Processes(workers=3, threads=1)
    assert make_executor(Execution(workers=0)).workers >= 1


@pytest.mark.parametrize("executor", BOTH, ids=["serial", "processes"])
def test_jobs_half_done_count_for_half(executor, monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.TELL_SECONDS", 0.0)
    heard = []

    def job(number):
        tell(1, 2)
        tell(7, 5)  # more than all there is
        return number

    assert list(executor.map(job, range(3), heard.append)) == [0, 1, 2]
    assert heard[-1] == 3
    assert 0.5 in heard
    assert all(0 < done <= 3 for done in heard)
    if isinstance(executor, Serial):
        assert heard == [0.5, 1, 1, 1.5, 2, 2, 2.5, 3, 3]
    tell(1, 2)  # nobody listens any more
    assert heard[-1] == 3


def test_a_job_is_heard_about_twice_a_second_and_no_more():
    heard = []

    def job(number):
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            tell(1, 4)
            time.sleep(0.001)

    list(Processes().map(job, [0], heard.append))
    assert heard in ([0.25, 0.25, 1], [0.25, 1])


def test_a_job_that_dies_loses_what_it_had_done(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.TELL_SECONDS", 0.0)
    heard = []

    def job(number):
        tell(3, 4)
        die_once(tmp_path, number)

    list(Processes(workers=1).map(job, [1], heard.append))
    assert heard == [0.75, 0, 0.75, 1]


def test_executors_side_by_side_share_the_workers():
    four = Execution(workers=4)
    assert [make_executor(four, beside=n) for n in (1, 2, 3, 9)] == [Processes(4), Processes(2), Serial(), Serial()]
