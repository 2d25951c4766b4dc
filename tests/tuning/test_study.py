"""Studies broken off by real kills, and what they must give all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial  # noqa: F401 - for the scripts that import all of this
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


def bowl(overrides, asked, killed_once=None, at=None):
    """Three folds of ``loss``; kills its own process in fold 1 of trial ``at``, once each."""
    scores = []
    for fold in range(3):
        if asked.number == at and fold == 1 and killed_once and not killed_once.exists():
            killed_once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        scores.append(loss(overrides, fold))
        if asked.report(fold, scores[-1]):
            return None
    return sum(scores) / 3


def run(study: Study, objective, on_trial=lambda trial: None, seconds=0.0):
    """Ask, try one trial after another, and tell; what is left of a batch is given back on an error."""
    with study.opened() as opened:
        while (asked := opened.ask()) or opened.unfinished():
            time.sleep(0 if asked else 0.05)
            try:
                while asked:
                    try:
                        outcome = objective(asked[0].overrides, asked[0])
                    except Diverged as fault:
                        outcome = fault
                    if (trial := opened.tell(asked.pop(0), outcome, seconds)) is not None:
                        on_trial(trial)
            finally:
                opened.give_back(asked)
        return opened.result()


def make(folder: Path, **changes):
    scores = [loss(DECLARED, fold) for fold in range(3)]
    settings = {"trials": 16, "higher_is_better": False, **changes}
    return Study("bowl", folder / "bowl.journal", SPACE, DECLARED, sum(scores) / 3, scores, **settings)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(make(tmp_path_factory.mktemp("undisturbed")), bowl)


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
    named = run(make(tmp_path / "one", first=FIRST), bowl)
    assert [trial.overrides for trial in named.trials[1:3]] == [{**DECLARED, **changes} for changes in FIRST]
    assert in_process(
        tmp_path, "run(make(folder, first=FIRST), partial(bowl, killed_once=folder / 'once', at=2))"
    ).wait()
    assert run(make(tmp_path, first=FIRST), bowl).to_json() == named.to_json()


def test_suggestions_stay_in_the_space(undisturbed):
    for trial in undisturbed.trials:
        assert trial.overrides["model.hidden"] in SPACE["model.hidden"]["choice"]
        assert 4 <= trial.overrides["model.leaves"] <= 64
        assert 1e-4 <= trial.overrides["fit.learning_rate"] <= 1e-1


def test_the_declared_trial_is_never_tried_again_and_the_total_is_a_total(tmp_path, undisturbed):
    tried = []

    def counted(overrides, asked):
        tried.append(asked.number)
        return bowl(overrides, asked)

    run(make(tmp_path, trials=6), counted)
    assert tried == [1, 2, 3, 4, 5]
    run(make(tmp_path, trials=6), counted)
    assert tried == [1, 2, 3, 4, 5]
    more = run(make(tmp_path), counted)
    assert tried == list(range(1, 16))
    assert more == undisturbed
    fewer = run(make(tmp_path, trials=6), counted)
    assert fewer.trials == undisturbed.trials[:6]
    assert tried == list(range(1, 16))


def test_what_is_given_back_is_asked_again(tmp_path, undisturbed):
    def at_fault(overrides, asked):
        if asked.number == 7:
            raise UserError("rows.parquet: not there")
        return bowl(overrides, asked)

    with pytest.raises(UserError, match=r"rows\.parquet"):
        run(make(tmp_path), at_fault)
    with make(tmp_path).opened() as opened:
        [asked] = opened.ask()
        assert (asked.number, asked.overrides) == (7, undisturbed.trials[7].overrides)
        opened.give_back([asked])
        assert [one.number for one in opened.ask()] == [7]
    assert run(make(tmp_path), bowl) == undisturbed


def test_studies_that_interleave_ask_as_each_would_alone(tmp_path, undisturbed):
    alone = run(make(tmp_path / "alone", seed=1), bowl)
    with make(tmp_path / "one").opened() as one, make(tmp_path / "two", seed=1).opened() as two:
        for _ in range(15):
            for opened in (one, two):
                [asked] = opened.ask()
                opened.tell(asked, bowl(asked.overrides, asked), 0.0)
        assert (one.ask(), two.ask()) == ([], [])
        assert (one.result(), two.result()) == (undisturbed, alone)


def test_result_is_plain_data_without_times(undisturbed):
    value = undisturbed.to_json()
    assert json.loads(json.dumps(value)) == value
    assert value["count"] == 16
    assert set(value["trials"][0]) == {"number", "state", "value", "scores", "overrides"}


@pytest.mark.parametrize("killed", [(12,), (1, 10, 15)])
def test_killed_in_the_middle_of_trials_it_asks_what_an_undisturbed_study_asks(tmp_path, undisturbed, killed):
    for at in killed:
        code = f"run(make(folder), partial(bowl, killed_once=folder / 'at-{at}', at={at}))"
        assert in_process(tmp_path, code).wait() == -signal.SIGKILL
    assert run(make(tmp_path), bowl) == undisturbed


def test_killed_at_any_moment_it_ends_as_an_undisturbed_study(tmp_path, undisturbed):
    journal = tmp_path / "bowl.journal"
    size = 0
    for extra in (1, 700, 2800, 6000):
        process = in_process(tmp_path, "run(make(folder), lambda o, r: (time.sleep(0.02), bowl(o, r))[1])")
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < size + extra):
            time.sleep(0.001)
        process.kill()
        process.wait()
        size = journal.stat().st_size
    assert run(make(tmp_path), bowl) == undisturbed


def test_a_torn_last_line_is_cut(tmp_path, undisturbed):
    run(make(tmp_path, trials=8), bowl)
    journal = tmp_path / "bowl.journal"
    whole = journal.read_bytes()
    for torn in (b'{"torn":4,"worker_', b'{"torn":\n', b"\0\0\0\0", b"\0\0\n"):
        journal.write_bytes(whole + torn)
        run(make(tmp_path, trials=8), bowl)
        assert journal.read_bytes().startswith(whole)
        assert torn not in journal.read_bytes()
    for end in (len(whole) // 3, len(whole) - 200):
        journal.write_bytes(whole[:end])
        assert run(make(tmp_path), bowl) == undisturbed


def test_damage_in_the_middle_of_a_journal_is_told(tmp_path):
    run(make(tmp_path, trials=4), bowl)
    journal = tmp_path / "bowl.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"{\n", *lines[4:]]))
    with pytest.raises(UserError, match=r"bowl\.journal: line 4 .* delete the file"):
        run(make(tmp_path, trials=4), bowl)


def test_a_second_run_beside_the_first_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.study.lock", lambda path, wait, held: lock(path, wait=0.1, held=held))
    with lock(tmp_path / "bowl.lock", wait=0, held="it"), pytest.raises(UserError, match=f"process {os.getpid()}"):
        run(make(tmp_path), bowl)


def test_minutes_count_the_seconds_that_were_told_alone(tmp_path):
    began = time.monotonic()
    timed = run(make(tmp_path / "timed", trials=None, minutes=1.0), bowl, seconds=7.5)
    assert time.monotonic() - began < 30
    assert len(timed.trials) == 1 + 8
    assert run(make(tmp_path / "timed", trials=None, minutes=1.0), bowl, seconds=7.5) == timed
    longer = run(make(tmp_path / "timed", trials=None, minutes=1.1), bowl, seconds=7.5)
    assert longer.trials[:9] == timed.trials and len(longer.trials) == 10
    assert run(make(tmp_path / "counted", trials=timed.to_json()["count"]), bowl) == timed
    assert len(run(make(tmp_path / "both", trials=2, minutes=1), bowl, seconds=7.5).trials) == 2
    with pytest.raises(UserError, match="needs trials or minutes"):
        run(make(tmp_path, trials=None), bowl)


def test_a_diverged_fit_is_a_bad_trial(tmp_path):
    def diverging(overrides, asked):
        if asked.number == 2:
            raise Diverged("loss is nan in epoch 3")
        if asked.number == 3:
            asked.report(0, float("nan"))
        return float("inf") if asked.number == 4 else bowl(overrides, asked)

    result = run(make(tmp_path), diverging)
    states = [trial.state for trial in result.trials]
    assert states[2:5] == ["diverged"] * 3
    assert set(states[:2] + states[5:]) == {"complete"}
    assert result.trials[2].value is None
    json.dumps(result.to_json(), allow_nan=False)


def test_higher_is_better_and_ties_go_to_the_lowest_number(tmp_path):
    result = run(make(tmp_path, higher_is_better=True, trials=5), lambda overrides, asked: 100.0)
    assert result.best.number == 1


def test_another_declaration_is_another_study_in_the_same_journal(tmp_path):
    run(make(tmp_path, trials=5), bowl)
    changed = run(make(tmp_path, trials=3, seed=1), bowl)
    assert len(changed.trials) == 3
    assert changed.trials[1] != run(make(tmp_path, trials=5), bowl).trials[1]


def test_a_journal_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: the study cannot be kept: File exists"):
        run(make(tmp_path / "file"), bowl)


def test_a_full_disk_is_told_and_the_study_goes_on_once_there_is_room(tmp_path, undisturbed):
    limited = "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); run(make(folder), bowl)"
    process = in_process(tmp_path, f"import resource; {limited}", stderr=subprocess.PIPE, text=True)
    assert "UserError: the study cannot be kept: File too large" in process.communicate()[1]
    journal = (tmp_path / "bowl.journal").read_bytes()
    assert len(journal) == 20_000 and not journal.endswith(b"\n")
    assert run(make(tmp_path), bowl) == undisturbed


def test_a_real_cross_validation_is_tuned(tmp_path):
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score

    rows, target = load_diabetes(return_X_y=True)

    def score(alpha):
        return -cross_val_score(Ridge(alpha=alpha), rows, target, scoring="neg_root_mean_squared_error", cv=3)

    def objective(overrides, asked):
        scores = score(overrides["model.alpha"])
        return None if any(asked.report(k, s) for k, s in enumerate(scores)) else float(scores.mean())

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
    best = run(study, objective).best
    assert best.value == pytest.approx(float(score(best.overrides["model.alpha"]).mean()), rel=1e-12)
    assert best.value < score(3.0).mean()
