"""Trials asked several at once: reproducible, broken off and gone on with, halved between epochs."""

import inspect
import math
from pathlib import Path

import optuna
import pytest
from projects import Project, small_competition

from pipeline.core.errors import Diverged
from pipeline.core.files import read_json
from pipeline.stages import fetch, preprocess, train, tune
from pipeline.stages.project import load_project
from pipeline.training import folds, stacked_loop
from pipeline.tuning.batches import batch_of
from pipeline.tuning.study import OpenStudy, Study
from pipeline.tuning.trial import StudyResult

SPACE = {"x": {"float": [-4.0, 4.0]}, "y": {"float": [-4.0, 4.0]}}


class Bowl:
    """(x - 1)² + (y + 2)², told batch by batch; breaks off before the batch that asks for ``until``, or in it once
    so many trials are told."""

    def __init__(self, until: int | None = None, after: int | None = None) -> None:
        self.until, self.after, self.batches, self.told = until, after, [], 0

    def run(self, study: Study) -> StudyResult:
        with study.opened() as opened:
            while asked := opened.ask():
                self.batches.append([one.number for one in asked])
                try:
                    if self.until in self.batches[-1]:
                        raise KeyboardInterrupt
                    for one in asked:
                        if self.told == self.after:
                            raise KeyboardInterrupt
                        opened.tell(one, self.score(one), 0.1)
                        self.told += 1
                finally:
                    opened.give_back(asked)
            return opened.result()

    def score(self, asked) -> float | Diverged:
        value = (asked.overrides["x"] - 1) ** 2 + (asked.overrides["y"] + 2) ** 2
        if asked.overrides["x"] > 3:
            return Diverged("too far")
        asked.report(0, value)
        return value


def study(path: Path, **changes) -> Study:
    settings = {"trials": 20, "batch": 6, "seed": 3, **changes}
    declared = {"x": 0.0, "y": 0.0}
    return Study("bowl", path / "bowl.journal", SPACE, declared, 5.0, [5.0], False, **settings)


def test_numbers_are_dealt_into_batches():
    assert list(batch_of(1, 6, None)) == [1, 2, 3, 4, 5, 6]
    assert list(batch_of(6, 6, None)) == [1, 2, 3, 4, 5, 6]
    assert list(batch_of(7, 6, 9)) == [7, 8]


def test_a_study_asks_for_batches_and_finds_the_bottom(tmp_path):
    bowl = Bowl()
    result = bowl.run(study(tmp_path, trials=60))
    assert bowl.batches[:3] == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [13, 14, 15, 16, 17, 18]]
    assert result.best.value < 0.5
    assert len(result.trials) == 60
    asked = [(trial.overrides["x"], trial.overrides["y"]) for trial in result.trials]
    assert len(set(asked)) == 60  # no two of a batch ask for the same


def test_what_a_batch_asks_hangs_on_no_default_of_optunas(tmp_path, monkeypatch):
    expected = Bowl().run(study(tmp_path / "one", trials=30))
    init = inspect.unwrap(optuna.samplers.TPESampler.__init__)
    changed = {**init.__kwdefaults__, "constant_liar": False, "multivariate": False}
    monkeypatch.setattr(init, "__kwdefaults__", changed)
    assert Bowl().run(study(tmp_path / "two", trials=30)) == expected


def test_the_first_batch_begins_with_the_trials_that_are_named(tmp_path):
    first = ({"x": 1.0}, {"x": 2.0, "y": -1.0})
    named = Bowl().run(study(tmp_path / "one", first=first))
    assert [trial.overrides for trial in named.trials[1:3]] == [{"x": 1.0, "y": 0.0}, {"x": 2.0, "y": -1.0}]
    with pytest.raises(KeyboardInterrupt):
        Bowl(until=2).run(study(tmp_path / "two", first=first))
    assert Bowl().run(study(tmp_path / "two", first=first)).to_json() == named.to_json()


@pytest.mark.parametrize("broken", [2, 8, 19])
def test_a_study_broken_off_in_a_batch_goes_on_as_if_undisturbed(tmp_path, broken):
    undisturbed = Bowl().run(study(tmp_path / "one"))
    with pytest.raises(KeyboardInterrupt):
        Bowl(until=broken).run(study(tmp_path / "two"))
    assert Bowl().run(study(tmp_path / "two")).to_json() == undisturbed.to_json()


def test_a_batch_told_in_part_asks_for_the_rest(tmp_path):
    undisturbed = Bowl().run(study(tmp_path / "one"))
    with pytest.raises(KeyboardInterrupt):
        Bowl(after=8).run(study(tmp_path / "two"))  # in the second batch, after two of its trials
    rest = Bowl()
    assert rest.run(study(tmp_path / "two")).to_json() == undisturbed.to_json()
    assert rest.batches[0] == [9, 10, 11, 12]


def test_minutes_count_what_trials_took(tmp_path):
    timed = Bowl().run(study(tmp_path, trials=None, minutes=1.0 / 60))  # of 0.1 seconds each, in batches of six
    assert len(timed.trials) == 1 + 12
    assert Bowl().run(study(tmp_path, trials=None, minutes=1.0 / 60)) == timed
    assert len(Bowl().run(study(tmp_path, trials=None, minutes=2.0 / 60)).trials) == 1 + 24


def test_halving_goes_with_fits_of_a_single_epoch(tmp_path, monkeypatch):
    halved, _ = search(tmp_path / "halved", monkeypatch, epochs=1, batch=8, pruner="halving")
    assert len(halved["trials"]) == 9


def params(epochs: int = 12, **tune) -> dict:
    model = {"name": "mlp", "hidden": [8]}
    fit = {"optimizer": "adam", "learning_rate": 1e-3, "epochs": epochs}
    space = {"fit.learning_rate": {"log_float": [1e-4, 1e-1]}, "model.dropout": {"float": [0.0, 0.5]}}
    body = {"competition": "lines", "features": "numbers", "model": model, "fit": fit}
    return {
        "competitions": {"lines": small_competition(rows=120, test_rows=30)},
        "models": {"lines-mlp": {**body, "tune": {"trials": 9, "space": space, **tune}}},
        "execution": {"executor": "serial"},
    }


def search(root: Path, monkeypatch: pytest.MonkeyPatch, **tune_settings) -> tuple[dict, int]:
    """The table of trials of a real search, and how many epochs of members it trained."""
    root.mkdir()
    monkeypatch.chdir(root)
    project = Project(root)
    project.params(params(**tune_settings))
    config = load_project()
    for stage, name in ((fetch, "lines"), (preprocess, "lines"), (train, "lines")):
        stage.run(config, name)
    trained, epoch = [], stacked_loop.Run.epoch
    with monkeypatch.context() as patch:
        patch.setattr(folds, "KEEP_SECONDS", 0.0)  # else the best trial is fitted again
        patch.setattr(stacked_loop.Run, "epoch", lambda run: (trained.extend(run.members), epoch(run)))
        tune.run(config, "lines")
    return read_json(project.data("lines", "tuned", "lines-mlp", "trials.json")), len(trained)


def test_a_search_of_stacks_is_the_same_each_time(tmp_path, monkeypatch):
    stacked, epochs = search(tmp_path / "stacked", monkeypatch, batch=4)
    again, _ = search(tmp_path / "again", monkeypatch, batch=4)
    assert stacked == again
    assert epochs == 8 * 3 * 12
    assert stacked["count"] == 9
    assert all(len(trial["scores"]) == 3 for trial in stacked["trials"])
    best = min(trial["value"] for trial in stacked["trials"])
    assert stacked["trials"][stacked["best"]]["value"] == best


def test_halving_drops_the_worse_half_twice(tmp_path, monkeypatch):
    halved, epochs = search(tmp_path / "halved", monkeypatch, batch=8, pruner="halving")
    # Of 8 trials in 3 folds all train 3 epochs, four 6, and two to the end.
    assert epochs == 3 * (8 * 3 + 4 * 3 + 2 * 6)
    states = [trial["state"] for trial in halved["trials"]]
    assert (states.count("complete"), states.count("pruned")) == (3, 6)
    for trial in halved["trials"]:
        assert all(map(math.isfinite, trial["scores"]))
    assert halved["trials"][halved["best"]]["state"] == "complete"


def test_the_epochs_of_dropped_trials_count_against_the_minutes(tmp_path, monkeypatch):
    seconds, tell = [], OpenStudy.tell
    monkeypatch.setattr(OpenStudy, "tell", lambda self, *told: (seconds.append(told[2]), tell(self, *told))[1])
    halved, _ = search(tmp_path / "halved", monkeypatch, batch=8, pruner="halving")
    assert [trial["state"] for trial in halved["trials"]].count("pruned") == 6
    assert len(seconds) == 8 and min(seconds) > 0


def test_halving_broken_off_while_its_batch_is_told_ends_as_undisturbed(tmp_path, monkeypatch):
    """The rest of a batch must not be halved by itself."""
    undisturbed, _ = search(tmp_path / "whole", monkeypatch, batch=8, pruner="halving")
    broken_off(tmp_path / "broken", monkeypatch)
    tune.run(load_project(), "lines")
    assert read_json(tmp_path / "broken/data/lines/tuned/lines-mlp/trials.json") == undisturbed


def broken_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search by halving that dies once three trials of its first batch are told; in its folder afterwards."""
    tell, told = OpenStudy.tell, []

    def dies(self, *arguments):
        if len(told) == 3:
            raise KeyboardInterrupt
        told.append(tell(self, *arguments))
        return told[-1]

    with monkeypatch.context() as patch:
        patch.setattr(OpenStudy, "tell", dies)
        with pytest.raises(KeyboardInterrupt):
            search(root, monkeypatch, batch=8, pruner="halving")
    monkeypatch.chdir(root)


def test_what_a_broken_off_search_dropped_is_no_other_search_s(tmp_path, monkeypatch):
    undisturbed, _ = search(tmp_path / "whole", monkeypatch, batch=8, pruner="halving", seed=1)
    broken_off(tmp_path / "broken", monkeypatch)
    Project(tmp_path / "broken").params(params(batch=8, pruner="halving", seed=1))
    tune.run(load_project(), "lines")
    assert read_json(tmp_path / "broken/data/lines/tuned/lines-mlp/trials.json") == undisturbed
