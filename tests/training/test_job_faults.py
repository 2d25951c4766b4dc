"""Jobs that fail and processes that die: told as they are, done again where that may help."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from test_executors import gather, solve

from pipeline.core.errors import Faults, UserError
from pipeline.training.executors import Job, Processes, Serial


def die_once(folder, job):
    mark = folder / f"tried-{job}"
    if job == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return solve(job)


def test_a_killed_workers_job_is_done_again(tmp_path):
    results = gather(Processes(workers=2), partial(die_once, tmp_path), range(3))
    assert (tmp_path / "tried-1").exists()
    assert results == gather(Serial(), solve, range(3))


def test_a_worker_killed_from_outside_is_done_again(tmp_path):
    def job(number):
        first = not (tmp_path / f"pid-{number}").exists()
        (tmp_path / f"pid-{number}").write_text(str(os.getpid()))
        time.sleep(20 if number == 0 and first else 0)
        return number * 10

    killer = subprocess.Popen(
        ["sh", "-c", f"while [ ! -s {tmp_path}/pid-0 ]; do sleep 0.05; done; kill -9 $(cat {tmp_path}/pid-0)"]
    )
    assert gather(Processes(workers=2), job, range(2)) == [0, 10]
    assert killer.wait() == 0


def test_a_job_that_always_dies_is_named_with_its_signal(tmp_path):
    def job(number):
        with (tmp_path / f"tries-{number}").open("a") as stream:
            stream.write("x")
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(UserError, match=r"^job 2: its process died 3 times, last by signal SIGKILL; it may have run"):
        gather(Processes(workers=2), job, range(3))
    assert (tmp_path / "tries-2").read_text() == "xxx"
    assert (tmp_path / "tries-0").read_text() == "x"


def test_a_job_that_leaves_without_an_answer_is_named_with_its_exit_code():
    with pytest.raises(UserError, match=r"^job 0: its process died 3 times, last by exit code 3$"):
        gather(Processes(), lambda job: os._exit(3), ["fold"])


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
        gather(Processes(), failing, [job])
    assert message in str(caught.value)
    if job in ("user", "faults", "value"):
        assert str(caught.value) == message
        assert type(caught.value) is kind
        assert "in failing" in str(caught.value.__cause__)  # the process's own traceback
    if job == "faults":
        assert caught.value.faults == ["one", "two"]


@pytest.mark.parametrize("job", ["user", "faults", "value", "odd"])
def test_an_error_is_itself_without_a_process_too(job):
    with pytest.raises((UserError, Faults, ValueError, Odd)) as caught:
        gather(Serial(), failing, [job])
    assert caught.traceback[-1].name == "failing"


def test_a_result_that_cannot_be_read_is_its_jobs_error():
    assert pickle.dumps(Odd(1, 2))  # it leaves the process, and does not arrive
    executor, job = Processes(), Job("odd", lambda: Odd(1, 2))
    executor.start(job)
    ((heard, kind, error),) = executor.wait(10)
    assert (heard, kind, type(error)) == (job, "error", TypeError)


def test_a_module_that_only_a_job_can_import_ends_nobody(tmp_path, monkeypatch):
    (tmp_path / "shy_module.py").write_text(
        f"import os\nif os.getpid() == {os.getpid()}:\n    raise ValueError('not here')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert gather(Processes(workers=1), lambda job: __import__("shy_module").__name__, range(2)) == ["shy_module"] * 2
