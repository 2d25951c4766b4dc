"""What ends a work in a pool: its faults, being stopped, the deadline, an interrupt."""

import os
import signal
import subprocess
import time

import pytest
from test_executors import BOTH, needs_proc, pids, running, sleepy, wait_until
from test_pool import fold, folds, results, run, study

from pipeline.training.executors import Job, Processes, Serial
from pipeline.training.pool import OutOfTime, Pool, Stop, Task, gather


class Fault(Exception):
    pass


def fail(*ignored):
    raise Fault("a fault")


@needs_proc
def test_an_error_ends_its_own_work_and_stops_its_jobs(tmp_path):
    closed = []

    def failing():
        def late(number):
            wait_until(lambda: (tmp_path / "pid-1").exists(), 20)
            fail()

        try:
            yield from gather([Job("long", sleepy, (tmp_path, 1)), Job("fails", late, (0,))])
        finally:
            closed.append(pids(tmp_path, 1))

    first, second, third = run(Processes(3), folds("a"), failing(), study("b"))
    assert (type(second.error), str(second.error), second.result) == (Fault, "a fault", None)
    assert not running(closed[0][0])
    assert (first.error, third.error) == (None, None)
    assert [first.result, third.result] == results(Serial(), folds("a"), study("b"))


@BOTH
def test_a_work_may_turn_an_error_into_a_result_and_go_on(executor):
    def careful():
        try:
            yield from gather([Job("fails", fail), *(Job(f"{k}", fold, (k,)) for k in range(3))])
        except Fault as fault:
            left_out = str(fault)
        return left_out, (yield from folds("careful", 2))

    found, other = results(executor, careful(), folds("other"))
    assert found == ("a fault", results(Serial(), folds("careful", 2))[0])
    assert other == results(Serial(), folds("other"))[0]


class AllAtOnce(Serial):
    """Hands out what its jobs come to when all of two are done."""

    workers = 2

    def __init__(self):
        super().__init__()
        self.begun = []

    def start(self, job):
        self.begun.append(job)

    def wait(self, timeout=None):
        events = []
        for job in self.begun:
            super().start(job)
            events += super().wait(timeout)
        self.begun.clear()
        return events


def test_a_job_that_a_work_no_longer_wants_is_no_fault_of_what_it_does_next():
    """As of a trial that is dropped for one fold while another fold of it fails."""

    def dropping():
        told = []
        for trial in range(2):
            jobs = [Job(f"trial {trial}: fold 0", fold, (0,)), *([] if trial else [Job("trial 0: fold 1", fail)])]
            waiting, found = iter(jobs), []
            try:
                while not found:
                    found += yield next(waiting, None)
                told.append([one.job.name for one in found])
            except Fault:
                told.append("a fault")
            yield Stop(jobs)
        return told

    assert results(AllAtOnce(), dropping()) == [[["trial 0: fold 0"], ["trial 1: fold 0"]]]


@BOTH
def test_the_error_of_a_works_own_code_is_its_own_too(executor):
    def faulty():
        yield from folds("faulty", 2)
        fail()

    first, second = run(executor, faulty(), folds("a"))
    assert type(first.error) is Fault
    assert second.result == results(Serial(), folds("a"))[0]


@BOTH
@pytest.mark.parametrize("how", ["at once", "later", "stops all", "in spite of all"])
def test_a_work_that_waits_for_nothing_is_told_so(executor, how):
    closed = []

    def waiting():
        try:
            if how == "later":
                yield from folds("waiting", 2)
            if how == "stops all":
                job = Job("job", fold, (0,))
                yield job
                yield Stop([job])
            while True:
                try:
                    yield None
                except Exception:
                    if how != "in spite of all":
                        raise
        finally:
            closed.append(how)

    first, second = run(executor, waiting(), folds("a"))
    assert str(first.error) == "0: it waits for a job, and none of its jobs runs"
    assert closed == [how]
    assert second.result == results(Serial(), folds("a"))[0]


def test_a_worth_that_fails_ends_its_work_alone():
    begun = []
    worths = [lambda: fail() if begun else 2, lambda: 1]
    first, second = run(Serial(), folds("a"), folds("b"), worths=worths, heard=lambda: begun.append(1))
    assert type(first.error) is Fault
    assert second.result == results(Serial(), folds("b"))[0]


def test_a_job_that_cannot_be_begun_is_an_error_of_its_work(monkeypatch):
    monkeypatch.setattr("pipeline.training.executors.START_METHOD", "spawn")
    first, second = run(Processes(1), gather([Job("unsendable", lambda: 0)]), gather([Job("fine", abs, (-1,))]))
    assert "pickle" in str(first.error)
    assert second.result == [1]


@BOTH
def test_what_is_no_job_is_an_error_of_its_work(executor):
    first, second = run(executor, iter_of(["fold 0"]), folds("a"))
    assert isinstance(first.error, Exception)
    assert second.error is None


def iter_of(items):
    yield from items


# Stopping.


@needs_proc
def test_stopped_jobs_end_without_an_answer_and_the_work_goes_on(tmp_path):
    delivered = []

    def stopping():
        jobs = [Job("long", sleepy, (tmp_path, 1)), Job("quick", wait_until, (lambda: pids(tmp_path, 1), 20))]
        yield jobs[0]
        delivered.extend((yield jobs[1]))
        while not delivered:
            delivered.extend((yield None))
        yield Stop(jobs)
        assert not running(pids(tmp_path, 1)[0])
        return (yield from folds("stopping", 2))

    found, other = results(Processes(2), stopping(), folds("a", 1))
    assert [one.job.name for one in delivered] == ["quick"]
    assert (found, other) == (results(Serial(), folds("stopping", 2))[0], results(Serial(), folds("a", 1))[0])


def test_a_late_result_of_a_stopped_trial_is_nobodys():
    def trials():
        first = [Job("the same name", abs, (-1,)), Job("the same name", abs, (-2,))]
        yield first[0]
        delivered = yield first[1]
        time.sleep(0.5)  # both are done, and nobody has heard
        yield Stop(first[1:])
        second = [Job("the same name", abs, (-3,)), Job("the same name", abs, (-4,))]
        for job in [*second, None, None, None]:
            delivered += yield job
            if len(delivered) == 3:
                return sorted(one.result for one in delivered)

    assert results(Processes(3), trials()) == [[1, 3, 4]]


def test_a_result_that_comes_with_an_error_is_nobodys():
    """Both are heard at once, and the error ends the trial: the result is not taken for the next trial's."""

    def trials():
        try:
            yield Job("fails", fail)
            yield Job("late", abs, (-1,))
            time.sleep(0.5)  # both are done, and nobody has heard
            yield None
        except Fault:
            pass
        done = yield Job("next", abs, (-2,))
        while not done:
            done = yield None
        return [one.result for one in done]

    assert results(Processes(2), trials()) == [[2]]


# Time.


def test_at_the_deadline_all_that_runs_is_stopped_and_each_work_told_once(tmp_path):
    told = []

    def patient(name, jobs):
        """Has two more jobs done when the time is over."""
        try:
            yield from gather(jobs)
        except OutOfTime as error:
            told.append((name, str(error)))
        return (yield from folds(name, 2))

    def plain():
        yield from gather([Job(f"plain {n}", time.sleep, (0,)) for n in range(2)])

    def again():  # as a stage that sets the deadline whenever it hears
        pool.deadline = deadline

    deadline = time.monotonic() + 1
    works = {"runs": patient("runs", [Job(f"{n}", sleepy, (tmp_path, n)) for n in (1, 2)])}
    works |= {"not begun": patient("not begun", [Job("never", os.mkdir, (tmp_path / "never",))]), "plain": plain()}
    works |= {"ends": iter_of([])}
    tasks = [Task(name, work) for name, work in works.items()]
    pool = Pool(Processes(2), deadline, again)
    pool.run(tasks)
    assert 1 <= time.monotonic() - deadline + 1 < 10
    assert told == [("runs", "the budget's time is used up"), ("not begun", "the budget's time is used up")]
    assert [task.result for task in tasks[:2]] == results(Serial(), folds("runs", 2), folds("not begun", 2))
    assert type(tasks[2].error) is OutOfTime
    assert tasks[3].error is None
    assert not (tmp_path / "never").exists()
    assert not any(running(pid) for pid in pids(tmp_path, 2))
    assert 1.5 <= tasks[0].seconds < 20  # two that were stopped after a second


@BOTH
def test_a_deadline_that_is_over_already_begins_no_job(executor, tmp_path):
    def work(name):
        try:
            yield from gather([Job("never", (tmp_path / name).touch)])
        except OutOfTime:
            return "out of time"

    assert results(executor, work("a"), work("b"), deadline=0) == ["out of time"] * 2
    assert list(tmp_path.iterdir()) == []


@BOTH
def test_what_was_done_in_time_is_not_lost(executor):
    def work():
        delivered = []
        try:
            for n in range(10):
                delivered += yield Job(f"{n}", time.sleep, (0.4,))
            while True:
                delivered += yield None
        except OutOfTime:
            return [one.job.name for one in delivered]

    (task,) = run(executor, work(), deadline=time.monotonic() + 1)
    assert 1 <= len(set(task.result)) == len(task.result) == task.finished < 10


def test_serial_hears_of_the_deadline_after_a_job():
    tasks = run(Serial(), gather([Job(f"{n}", time.sleep, (0.2,)) for n in range(9)]), deadline=time.monotonic() + 0.3)
    assert (type(tasks[0].error), tasks[0].finished) == (OutOfTime, 2)


# The end of all.


class Gone(BaseException):
    pass


@needs_proc
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Gone])
@pytest.mark.parametrize("where", ["in a work", "in heard"])
def test_an_interrupt_ends_all_and_children_are_gone(tmp_path, kind, where):
    closed = []

    def long(number):
        try:
            yield from gather([Job(f"{number}", sleepy, (tmp_path, number))])
        finally:
            closed.append((number, [running(pid) for pid in pids(tmp_path, 2)]))

    def stubborn():
        try:
            yield from folds("stubborn", 99)
        finally:
            fail()  # which keeps no other from being closed

    def raising():
        yield from gather([Job("first", wait_until, (lambda: pids(tmp_path, 2), 20))])
        raise kind

    def heard():
        if where == "in heard" and len(list(tmp_path.glob("pid-[0-9]"))) == 2:
            raise kind

    works = {"1": long(1), "2": long(2), "3": stubborn(), "4": raising() if where == "in a work" else folds("4", 99)}
    tasks = [Task(name, work) for name, work in {**works, "never begun": long(3)}.items()]
    tasks[2].worth = lambda: -1 if tasks[2]._begun else 1
    with pytest.raises(kind):
        Pool(Processes(3), heard=heard).run(tasks)
    assert closed == [(1, [False, False]), (2, [False, False])]
    assert all(task.over for task in tasks)
    assert type(tasks[2].error) is Fault


@needs_proc
def test_ctrl_c_ends_all(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    pressing = f"while [ ! -e {tmp_path}/pid-1 -o ! -e {tmp_path}/pid-2 ]; do sleep 0.05; done; kill -INT {os.getpid()}"
    presser = subprocess.Popen(["sh", "-c", pressing])
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Processes(2), *(gather([Job(f"{n}", sleepy, (tmp_path, n))]) for n in (1, 2)))
    finally:
        signal.signal(signal.SIGINT, before)
        presser.wait()
    assert not any(running(pid) for pid in pids(tmp_path, 2))
    assert results(Processes(2), folds("after"))[0] == results(Serial(), folds("after"))[0]
