"""Works in a pool: each gives what it gives alone, whatever its company, and no worker idles."""

import random
import time

import numpy as np
from test_executors import wait_until

from pipeline.training.executors import Job, Processes, Serial
from pipeline.training.pool import Pool, Stop, Task, gather

FOREVER = float("inf")


def run(executor, *works, worths=None, deadline=FOREVER, heard=lambda: None):
    """The tasks of these works, done, each named by its place. worths: what each is worth."""
    tasks = [Task(str(place), work) for place, work in enumerate(works)]
    for task, worth in zip(tasks, worths or []):
        task.worth = worth
    Pool(executor, deadline, heard).run(tasks)
    assert all(task.over and task.running == 0 and task.part == 0 for task in tasks)
    return tasks


def results(executor, *works, **options):
    tasks = run(executor, *works, **options)
    for task in tasks:
        if task.error is not None:
            raise task.error
    return [task.result for task in tasks]


# Works of several kinds.


def fold(k, rate=1.0):
    """Some bytes of the job's own generators, and the time that such a fold may take."""
    time.sleep(random.random() / 50)
    return float(np.linalg.norm(np.random.normal(scale=rate, size=(40, 40)))) + k


def folds(name, count=5):
    """As a cross-validation does: all jobs at once."""
    return (yield from gather([Job(f"{name}: fold {k}", fold, (k,)) for k in range(count)]))


def study(name, batches=3):
    """As a study does: the next batch hangs on the last one's scores."""
    best, told = 1.0, []
    for batch in range(batches):
        rates = [best + 0.1 * trial for trial in range(2)]
        jobs = [
            Job(f"{name}: trial {2 * batch + i}: fold {k}", fold, (k, rate))
            for i, rate in enumerate(rates)
            for k in (0, 1)
        ]
        scores = yield from gather(jobs)
        told.append(scores)
        best = rates[0] if sum(scores[:2]) < sum(scores[2:]) else rates[1]
    return told


def pruned(name, trials=3, count=4):
    """As a pruner does: a trial's folds are judged in their order, and the rest stopped where it is behind."""
    told = []
    for trial in range(trials):
        jobs = [Job(f"{name}: trial {trial}: fold {k}", fold, (k,)) for k in range(count)]
        waiting, done, ended = iter(jobs), {}, 0
        while ended < count and not (ended and done[jobs[ended - 1]] > 41):
            for one in (yield next(waiting, None)):
                done[one.job] = one.result
            while ended < count and jobs[ended] in done and not (ended and done[jobs[ended - 1]] > 41):
                ended += 1
        yield Stop(jobs)
        told.append([done[job] for job in jobs[:ended]])
    return told


def one_by_one(name, steps=4):
    """Each job gets the last one's result."""
    value = 0.0
    for step in range(steps):
        (value,) = yield from gather([Job(f"{name}: step {step}", fold, (value,))])
    return value


KINDS = [folds, study, pruned, one_by_one]


def test_each_work_gives_what_it_gives_alone():
    pairs = [(kind, name) for name in "ab" for kind in KINDS]
    alone = [results(Serial(), kind(name))[0] for kind, name in pairs]
    assert len(set(map(str, alone))) == len(alone)
    assert len({len(trial) for found in alone[2::4] for trial in found}) > 1, "some trials are stopped, some are not"
    for executor, count in ((Serial(), 8), (Processes(1), 2), (Processes(2), 8)):
        assert results(executor, *(kind(name) for kind, name in pairs[:count])) == alone[:count]
    turned = [lambda: random.random() for _ in pairs]  # asked in an order that nobody knows
    assert results(Processes(3), *(kind(name) for kind, name in pairs[::-1]), worths=turned) == alone[::-1]


def test_many_works_of_jobs_that_nobody_keeps():
    """So that another job may soon stand where one stood in memory."""

    def counting(number):
        total = 0
        for step in range(20):
            done = yield Job(f"{number} {step}", lambda *both: both, (number, step))
            while not done:
                done = yield None
            assert [one.result for one in done] == [(number, step)]
            total += done[0].result[1]
        return total

    assert results(Serial(), *map(counting, range(20))) == [190] * 20
    assert results(Processes(3), *(folds(str(number), 1) for number in range(20)))[19][0] > 0
    assert run(Serial()) == []


# Who is asked.


def noting(notes, name, count=2):
    return (yield from gather([Job(f"{name}{k}", notes.append, (f"{name}{k}",)) for k in range(count)]))


def test_the_work_of_most_worth_is_asked_first():
    notes = []
    worths = [lambda: 1, lambda: 3, lambda: 2, lambda: 3]
    run(Serial(), *(noting(notes, name) for name in "abcd"), worths=worths)
    assert notes == ["b0", "b1", "d0", "d1", "c0", "c1", "a0", "a1"]


def test_worth_is_asked_anew_for_each_job():
    notes = []
    tasks = [Task(name, noting(notes, name, 3)) for name in "abc"]
    for task in tasks:
        task.worth = lambda task=task: -task.finished
    Pool(Serial()).run(tasks)
    assert notes == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_work_that_waits_is_told_at_once_whatever_it_is_worth():
    """What is found is written, and counts for its worth, though others have jobs to give for long."""
    notes, worth = [], {"low": 3}

    def low():
        yield from gather([Job("low", worth.update, ({"low": 1},))])
        notes.append("low is told")
        yield from noting(notes, "low", 1)

    run(Serial(), noting(notes, "many", 3), low(), worths=[lambda: 2, lambda: worth["low"]])
    assert notes == ["low is told", "many0", "many1", "many2", "low0"]


def test_results_that_come_while_a_job_is_held_are_not_lost(tmp_path):
    """The held job is one that a work gave on being told, when those of more worth took all workers."""
    delivered = []

    def low():
        for name, seconds in (("first", 0.0), ("second", 0.3)):
            delivered.extend((yield Job(name, time.sleep, (seconds,))))
        while len(delivered) < 1:
            delivered.extend((yield None))
        delivered.extend((yield Job("third", time.sleep, (0.0,))))
        while len(delivered) < 3:
            delivered.extend((yield None))
        return [one.job.name for one in delivered]

    def high():
        yield from gather([Job(f"high {n}", time.sleep, (0.2,)) for n in range(4)])

    begun = []
    worths = [lambda: 0, lambda: 1 if begun else -1]
    (names, _) = results(Processes(2), low(), high(), worths=worths, heard=lambda: begun.append(1))
    assert names == ["first", "second", "third"]


def test_no_worker_idles_at_a_works_last_job(tmp_path):
    """With 2 workers and 3 folds a model, a model's last fold runs beside the next one's first."""

    def job(name, beside):
        (tmp_path / name).touch()
        wait_until(lambda: (tmp_path / beside).exists(), 20)

    def model(*pairs):
        yield from gather([Job(name, job, (name, beside)) for name, beside in pairs])

    results(
        Processes(2),
        model(("a0", "a1"), ("a1", "a0"), ("a2", "b0")),
        model(("b0", "a2"), ("b1", "b2"), ("b2", "b1")),
    )


def test_what_works_have_used_is_counted():
    task, other = run(
        Processes(2), gather([Job("a", time.sleep, (0.3,), 4), Job("b", time.sleep, (0.3,))]), folds("c", 0)
    )
    assert (task.finished, other.finished, other.seconds, other.result) == (5, 0, 0, [])
    assert 0.6 <= task.seconds < 5
