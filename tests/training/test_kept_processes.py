"""A forked process does one job after another while it is as good as a new one."""

import os
import sys

import pytest
from test_executors import draw, fit_booster, gather, solve

from pipeline.core.errors import UserError
from pipeline.training import pool
from pipeline.training.executors import MOST_LEFT, Job, Processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each job has a process of its own")
left_behind: list[bytes] = []


def process(number):
    return os.getpid()


def one_after_another(*functions):
    """Results of jobs of these, on one worker."""
    jobs = [Job(f"job {number}", function, (number,)) for number, function in enumerate(functions)]
    return pool.run_alone(pool.gather(jobs), Processes(workers=1))


def test_jobs_that_leave_nothing_behind_share_a_process():
    assert len(set(one_after_another(*[process] * 4))) == 1
    assert len(set(gather(Processes(workers=2), process, range(8)))) <= 2


def leaves(number):
    left_behind.append(b"x" * (MOST_LEFT + 1))
    return os.getpid()


def kept(number):
    """Lets go what it has had, a cycle too."""
    cycle = [b"x" * (2 * MOST_LEFT)]
    cycle.append(cycle)
    return os.getpid()


def test_a_process_that_has_grown_does_no_other_job():
    first, second, third = one_after_another(leaves, process, process)
    assert first != second == third
    assert len(set(one_after_another(kept, process))) == 1


def test_what_this_process_loads_meanwhile_its_workers_have_loaded(tmp_path, monkeypatch):
    (tmp_path / "loaded_late.py").write_text("import os\nprocess = os.getpid()\n")
    monkeypatch.syspath_prepend(tmp_path)

    def work():
        (before,) = yield from pool.gather([Job("before", process, (0,))])
        __import__("loaded_late")
        (after,) = yield from pool.gather([Job("after", loaded_in, (0,))])
        return before, after

    before, (after, loaded) = pool.run_alone(work(), Processes(workers=1))
    assert before != after and loaded == os.getpid()
    del sys.modules["loaded_late"]


def loaded_in(number):
    import loaded_late

    return os.getpid(), loaded_late.process


def fails(number):
    raise UserError(str(os.getpid()))


def test_a_process_whose_job_failed_does_no_other():
    def work():
        (before,) = yield from pool.gather([Job("before", process, (0,))])
        try:
            yield from pool.gather([Job("fails", fails, (0,))])
        except UserError as fault:
            failed = int(str(fault))
        (after,) = yield from pool.gather([Job("after", process, (0,))])
        return before, failed, after

    before, failed, after = pool.run_alone(work(), Processes(workers=1))
    assert before == failed != after


class Here:
    """Only the process that made it can read it."""

    def __init__(self, maker: int) -> None:
        if maker != os.getpid():
            raise ValueError("elsewhere")
        self.maker = maker

    def __reduce__(self):
        return Here, (self.maker,)


def maker_of(here):
    return here.maker if isinstance(here, Here) else 0


def test_what_cannot_be_sent_is_forked(tmp_path):
    here = Here(os.getpid())
    assert gather(Processes(workers=1), maker_of, [0, here, lambda: 0, 1]) == [0, os.getpid(), 0, 0]


def test_a_job_is_the_same_in_a_process_that_has_done_others():
    for function in (draw, fit_booster, solve):
        used = one_after_another(process, solve, fit_booster, draw, function)
        assert used[-1] == pool.run_alone(pool.gather([Job("job 4", function, (4,))]), Processes(workers=1))[0]


def test_words_of_jobs_are_told(capfd):
    one_after_another(*[says] * 2)
    assert capfd.readouterr().out == "said 0\nsaid 1\n"


def says(number):
    sys.stdout.write(f"said {number}\n")
