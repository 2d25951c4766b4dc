"""Studies broken off by real kills, and what they must give all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import lock
from pipeline.tuning.study import Study

SPACE = {
    "fit.learning_rate": {"log_float": [1e-4, 1e-1]},
    "model.dropout": {"float": [0, 0.5]},
    "model.hidden": {"choice": [[8], [8, 8], [16]]},
    "model.leaves": {"int": [4, 64]},
}
DECLARED = {"fit.learning_rate": 1e-3, "model.dropout": 0.1, "model.hidden": [8], "model.leaves": 31}


def loss(overrides, fold):
    """A bowl with a known floor, tilted a little by the fold."""
    distance = (overrides["model.dropout"] - 0.3) ** 2 + ((overrides["model.leaves"] - 40) / 60) ** 2
    return distance + abs(overrides["fit.learning_rate"] - 0.01) + len(overrides["model.hidden"]) / 10 + fold / 100


def bowl(overrides, report, killed_once=None, at=None):
    """Three folds of ``loss``; kills its own process in fold 1 of trial ``at``, once each."""
    scores = []
    for fold in range(3):
        if report.number == at and fold == 1 and killed_once and not killed_once.exists():
            killed_once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        scores.append(loss(overrides, fold))
        if report(fold, scores[-1]):
            return None
    return sum(scores) / 3


def make(folder: Path, **changes):
    scores = [loss(DECLARED, fold) for fold in range(3)]
    settings = {"trials": 16, "higher_is_better": False, **changes}
    return Study("bowl", folder / "bowl.journal", SPACE, DECLARED, sum(scores) / 3, scores, **settings)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return make(tmp_path_factory.mktemp("undisturbed")).run(bowl)


def in_process(folder: Path, code: str, **options):
    """Run a script with this module's names; returns the finished process."""
    text = f"from test_study import *\nfolder = Path({str(folder)!r})\nif __name__ == '__main__':\n    {code}\n"
    script = folder / "script.py"
    script.write_text(text)
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    return subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, **options)


def test_first_trial_is_the_declared_one_with_the_score_it_had(undisturbed):
    first = undisturbed.trials[0]
    assert first.overrides == DECLARED
    assert first.scores == tuple(loss(DECLARED, fold) for fold in range(3))
    assert [trial.number for trial in undisturbed.trials] == list(range(16))
    assert undisturbed.best.value < first.value
    assert undisturbed.best.value == min(trial.value for trial in undisturbed.trials)


FIRST = ({"model.leaves": 50}, {"model.hidden": [16], "model.dropout": 0.3})


def test_the_trials_after_the_declared_one_may_be_named(tmp_path):
    named = make(tmp_path / "one", first=FIRST).run(bowl)
    assert [trial.overrides for trial in named.trials[1:3]] == [{**DECLARED, **changes} for changes in FIRST]
    assert in_process(
        tmp_path, "make(folder, first=FIRST).run(partial(bowl, killed_once=folder / 'once', at=2))"
    ).wait()
    assert make(tmp_path, first=FIRST).run(bowl).to_json() == named.to_json()


def test_suggestions_stay_in_the_space(undisturbed):
    for trial in undisturbed.trials:
        assert trial.overrides["model.hidden"] in SPACE["model.hidden"]["choice"]
        assert 4 <= trial.overrides["model.leaves"] <= 64
        assert 1e-4 <= trial.overrides["fit.learning_rate"] <= 1e-1


def test_the_declared_trial_is_never_tried_again_and_the_total_is_a_total(tmp_path, undisturbed):
    asked = []

    def counted(overrides, report):
        asked.append(report.number)
        return bowl(overrides, report)

    make(tmp_path, trials=6).run(counted)
    assert asked == [1, 2, 3, 4, 5]
    make(tmp_path, trials=6).run(counted)
    assert asked == [1, 2, 3, 4, 5]
    more = make(tmp_path).run(counted)
    assert asked == list(range(1, 16))
    assert more == undisturbed
    fewer = make(tmp_path, trials=6).run(counted)
    assert fewer.trials == undisturbed.trials[:6]
    assert asked == list(range(1, 16))


def test_result_is_plain_data_without_times(undisturbed):
    value = undisturbed.to_json()
    assert json.loads(json.dumps(value)) == value
    assert value["count"] == 16
    assert set(value["trials"][0]) == {"number", "state", "value", "scores", "overrides"}


@pytest.mark.parametrize("killed", [(12,), (1, 10, 15)])
def test_killed_in_the_middle_of_trials_it_asks_what_an_undisturbed_study_asks(tmp_path, undisturbed, killed):
    for at in killed:
        code = f"make(folder).run(partial(bowl, killed_once=folder / 'at-{at}', at={at}))"
        assert in_process(tmp_path, code).wait() == -signal.SIGKILL
    assert make(tmp_path).run(bowl) == undisturbed


def test_killed_at_any_moment_it_ends_as_an_undisturbed_study(tmp_path, undisturbed):
    journal = tmp_path / "bowl.journal"
    size = 0
    for extra in (1, 700, 2800, 6000):
        process = in_process(tmp_path, "make(folder).run(lambda o, r: (time.sleep(0.02), bowl(o, r))[1])")
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < size + extra):
            time.sleep(0.001)
        process.kill()
        process.wait()
        size = journal.stat().st_size
    assert make(tmp_path).run(bowl) == undisturbed


def test_a_torn_last_line_is_cut(tmp_path, undisturbed):
    make(tmp_path, trials=8).run(bowl)
    journal = tmp_path / "bowl.journal"
    whole = journal.read_bytes()
    for torn in (b'{"torn":4,"worker_', b'{"torn":\n', b"\0\0\0\0", b"\0\0\n"):
        journal.write_bytes(whole + torn)
        make(tmp_path, trials=8).run(bowl)
        assert journal.read_bytes().startswith(whole)
        assert torn not in journal.read_bytes()
    for end in (len(whole) // 3, len(whole) - 200):
        journal.write_bytes(whole[:end])
        assert make(tmp_path).run(bowl) == undisturbed


def test_damage_in_the_middle_of_a_journal_is_told(tmp_path):
    make(tmp_path, trials=4).run(bowl)
    journal = tmp_path / "bowl.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"{\n", *lines[4:]]))
    with pytest.raises(UserError, match=r"bowl\.journal: line 4 .* delete the file"):
        make(tmp_path, trials=4).run(bowl)


def test_workers_share_the_total_and_a_killed_one_is_replaced(tmp_path):
    told = []
    objective = partial(bowl, killed_once=tmp_path / "killed", at=4)
    result = make(tmp_path, workers=2).run(objective, told.append)
    assert (tmp_path / "killed").exists()
    assert [trial.number for trial in result.trials] == list(range(16))
    assert sorted(told, key=lambda trial: trial.number) == list(result.trials[1:])


def wait_for_ever(overrides, report, folder):
    (folder / str(os.getpid())).touch()
    time.sleep(60)


def test_workers_die_with_their_parent(tmp_path):
    process = in_process(tmp_path, "make(folder, workers=2).run(partial(wait_for_ever, folder=folder))")
    deadline = time.monotonic() + 60
    while len(workers := [int(path.name) for path in tmp_path.glob("[0-9]*")]) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() and "Z" not in status(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def status(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def always_killed(overrides, report):
    os.kill(os.getpid(), signal.SIGKILL)


def at_fault(overrides, report):
    raise UserError("rows.parquet: not there")


def test_workers_that_are_always_killed_or_at_fault_end_the_study(tmp_path):
    with pytest.raises(UserError, match="workers in a row were killed"):
        make(tmp_path, workers=2).run(always_killed)
    with pytest.raises(UserError, match=r"trial 1 with .*: rows.parquet: not there"):
        make(tmp_path).run(at_fault)


def test_a_second_run_beside_the_first_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.study.lock", lambda path, wait, held: lock(path, wait=0.1, held=held))
    with lock(tmp_path / "bowl.lock", wait=0, held="it"), pytest.raises(UserError, match=f"process {os.getpid()}"):
        make(tmp_path).run(bowl)


def test_time_budget_and_its_count_give_the_same(tmp_path):
    def slow(overrides, report):
        time.sleep(0.1)
        return bowl(overrides, report)

    timed = make(tmp_path / "timed", trials=None, minutes=0.6 / 60).run(slow)
    assert 3 <= len(timed.trials) <= 8
    assert make(tmp_path / "timed", trials=None, minutes=0.6 / 60).run(slow) == timed
    assert make(tmp_path / "counted", trials=timed.to_json()["count"]).run(bowl) == timed
    assert len(make(tmp_path / "both", trials=2, minutes=1).run(slow).trials) == 2
    with pytest.raises(UserError, match="needs trials or minutes"):
        make(tmp_path, trials=None).run(bowl)


@pytest.mark.parametrize("pruner", ["median", "wilcoxon"])
def test_pruned_trials_count_and_never_win(tmp_path, pruner):
    def folds(overrides, report):
        scores = []
        for fold in range(6):
            scores.append(loss(overrides, fold))
            if report(fold, scores[-1]):
                return None
        return sum(scores) / 6

    scores = [loss(DECLARED, fold) for fold in range(6)]
    settings = {"higher_is_better": False, "trials": 20, "pruner": pruner}
    study = Study("folds", tmp_path / "a.journal", SPACE, DECLARED, sum(scores) / 6, scores, **settings)
    result = study.run(folds)
    pruned = [trial for trial in result.trials if trial.state == "pruned"]
    assert len(result.trials) == 20 and pruned
    for trial in pruned:
        assert trial.value is None and 2 <= len(trial.scores) <= 6
        assert sum(loss(trial.overrides, fold) for fold in range(6)) / 6 > result.best.value


def test_a_diverged_fit_is_a_bad_trial(tmp_path):
    def diverging(overrides, report):
        if report.number == 2:
            raise Diverged("loss is nan in epoch 3")
        if report.number == 3:
            report(0, float("nan"))
        return float("inf") if report.number == 4 else bowl(overrides, report)

    result = make(tmp_path).run(diverging)
    states = [trial.state for trial in result.trials]
    assert states[2:5] == ["diverged"] * 3
    assert set(states[:2] + states[5:]) == {"complete"}
    assert result.trials[2].value is None
    json.dumps(result.to_json(), allow_nan=False)


def test_higher_is_better_and_ties_go_to_the_lowest_number(tmp_path):
    result = make(tmp_path, higher_is_better=True, trials=5).run(lambda overrides, report: 100.0)
    assert result.best.number == 1


def test_another_declaration_is_another_study_in_the_same_journal(tmp_path):
    make(tmp_path, trials=5).run(bowl)
    changed = make(tmp_path, trials=3, seed=1).run(bowl)
    assert len(changed.trials) == 3
    assert changed.trials[1] != make(tmp_path, trials=5).run(bowl).trials[1]


def test_a_journal_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: the study cannot be kept: File exists"):
        make(tmp_path / "file").run(bowl)


def test_a_full_disk_is_told_and_the_study_goes_on_once_there_is_room(tmp_path, undisturbed):
    limited = "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); make(folder).run(bowl)"
    process = in_process(tmp_path, f"import resource; {limited}", stderr=subprocess.PIPE, text=True)
    assert "UserError: the study cannot be kept: File too large" in process.communicate()[1]
    journal = (tmp_path / "bowl.journal").read_bytes()
    assert len(journal) == 20_000 and not journal.endswith(b"\n")
    assert make(tmp_path).run(bowl) == undisturbed


def test_a_real_cross_validation_is_tuned(tmp_path):
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score

    rows, target = load_diabetes(return_X_y=True)

    def score(alpha):
        return -cross_val_score(Ridge(alpha=alpha), rows, target, scoring="neg_root_mean_squared_error", cv=3)

    def objective(overrides, report):
        scores = score(overrides["model.alpha"])
        return None if any(report(k, s) for k, s in enumerate(scores)) else float(scores.mean())

    space = {"model.alpha": {"log_float": [1e-3, 1e3]}}
    start = score(100.0)
    study = Study(
        "ridge",
        tmp_path / "ridge.journal",
        space,
        {"model.alpha": 100.0},
        float(start.mean()),
        list(start),
        higher_is_better=False,
        trials=15,
    )
    best = study.run(objective).best
    assert best.value == pytest.approx(float(score(best.overrides["model.alpha"]).mean()), rel=1e-12)
    assert best.value < score(3.0).mean()
