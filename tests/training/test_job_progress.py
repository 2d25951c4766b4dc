"""How far a job is, heard while it runs."""

import time

from test_executors import gather
from test_job_faults import die_once

from pipeline.training.executors import Processes, Serial
from pipeline.training.jobs import Event, Job, tell


def all_events(executor):
    """What is heard until something other than progress is."""
    events = []
    while not events or events[-1].kind == "progress":
        events += executor.wait(10)
    return events


def test_how_far_a_job_is_is_heard(monkeypatch):
    monkeypatch.setattr("pipeline.training.jobs.TELL_SECONDS", 0.0)

    def function():
        tell(1, 2)
        tell(7, 5)  # more than all there is
        return "done"

    executor, job = Processes(), Job("job", function)
    executor.start(job)
    heard = all_events(executor)
    assert heard == [Event(job, "progress", 0.5), Event(job, "progress", 1.0), Event(job, "result", "done")]
    tell(1, 2)  # nobody listens here


def test_jobs_half_done_count_for_half(monkeypatch):
    monkeypatch.setattr("pipeline.training.jobs.TELL_SECONDS", 0.0)
    heard = []

    def function(number):
        tell(1, 2)
        time.sleep(0.05)
        return number

    gather(Processes(workers=2), function, range(3), lambda task: heard.append(task.finished + task.part))
    assert heard[-1] == 3
    assert 0.5 in heard
    assert all(0 < done <= 3 for done in heard)


def test_a_job_without_a_process_is_heard_once_it_is_done():
    heard = []
    gather(Serial(), lambda number: tell(1, 2), range(3), lambda task: heard.append(task.finished + task.part))
    assert heard == [1, 2, 3]


def test_a_job_is_heard_about_twice_a_second_and_no_more():
    def function():
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            tell(1, 4)
            time.sleep(0.001)

    executor = Processes()
    executor.start(Job("job", function))
    heard = [event.value for event in all_events(executor)]
    assert heard in ([0.25, 0.25, None], [0.25, None])


def test_a_job_that_dies_loses_what_it_had_done(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.training.jobs.TELL_SECONDS", 0.0)

    def function():
        tell(3, 4)
        return len(die_once(tmp_path, 1))

    executor = Processes(workers=1)
    executor.start(Job("job", function))
    heard = [event.value for event in all_events(executor)]
    assert heard == [0.75, 0, 0.75, 2400]
