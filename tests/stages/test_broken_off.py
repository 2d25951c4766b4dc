"""Stages killed in the middle of long fits go on from there; studies of several workers share the cores."""

import importlib
import os
import pickle
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from projects import Project, small_competition

from pipeline.core import files
from pipeline.core.files import read_json
from pipeline.stages import fetch, preprocess, train, tune
from pipeline.stages.project import load_project, rebuild_model
from pipeline.training import cross_validation, stacked_loop
from pipeline.training.executors import Processes, Serial, make_executor
from pipeline.training.identity import identity
from pipeline.tuning.objective import Objective

EPOCHS = 20
STAGE = """
import time
from pathlib import Path
from pipeline.stages.project import load_project
from pipeline.stages import {stage}
from pipeline.training import cross_validation, member, stacked_loop

member.SECONDS = 0.05
cross_validation.KEEP_SECONDS = 0.0
epoch = stacked_loop.Run.epoch

def noted(run):
    epoch(run)
    with Path("epochs").open("a") as stream:
        stream.write("epoch\\n" * len(run.members))
    time.sleep(0.02)

stacked_loop.Run.epoch = noted
{stage}.run(load_project(), "lines-mlp")
"""


def params(tune: dict | None, **model) -> dict:
    fit = {"optimizer": "adam", "learning_rate": 1e-5, "epochs": EPOCHS}
    common = {"competition": "lines", "features": "numbers", **model}
    return {
        "competitions": {"lines": small_competition(rows=120, test_rows=30)},
        "models": {"lines-mlp": {**common, "model": {"name": "mlp", "hidden": [4]}, "fit": fit, "tune": tune}},
        "execution": {"executor": "serial"},
    }


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A project through its first stages, as far as ``train``."""
    monkeypatch.chdir(tmp_path)

    def begin(settings: dict) -> Project:
        project = Project(tmp_path)
        project.params(settings)
        config = load_project()
        for stage, name in ((fetch, "lines"), (preprocess, "lines"), (train, "lines-mlp")):
            stage.run(config, name)
        return project

    return begin


def epochs(stage: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a stage in this process; how many epochs it trained."""
    trained = []
    epoch = stacked_loop.Run.epoch
    with monkeypatch.context() as patch:
        patch.setattr(cross_validation, "KEEP_SECONDS", 0.0)
        patch.setattr(stacked_loop.Run, "epoch", lambda run: (trained.extend(run.members), epoch(run)))
        importlib.import_module(f"pipeline.stages.{stage}").run(load_project(), "lines-mlp")
    return len(trained)


def epochs_until_killed(project: Project, stage: str, after: int) -> int:
    """Run a stage and kill it after so many epochs; how many it trained."""
    file = project.root / "epochs"
    file.touch()
    running = project.start(sys.executable, "-c", STAGE.format(stage=stage))
    while running.poll() is None and len(file.read_text().splitlines()) < after:
        time.sleep(0.005)
    running.kill()
    output, _ = running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL, output
    return len(file.read_text().splitlines())


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_retraining_goes_on(begun, monkeypatch):
    project = begun(params(None, retrain={"seeds": 2}))
    tune.run(load_project(), "lines-mlp")
    final = project.data("lines", "models", "lines-mlp", "final")
    assert epochs("retrain", monkeypatch) == 2 * EPOCHS
    undisturbed = outputs(final)
    seen = epochs_until_killed(project, "retrain", EPOCHS)  # both seeds half way
    again = epochs("retrain", monkeypatch)
    assert again <= 2 * EPOCHS - seen + 10  # those since the last checkpoint
    assert outputs(final) == undisturbed
    assert not (project.root / ".podium/checkpoints/lines-mlp/final").exists()


def test_a_study_killed_in_a_trial_goes_on_with_its_folds(begun, monkeypatch):
    space = {"fit.learning_rate": {"log_float": [1e-5, 1e-1]}}
    project = begun(params({"trials": 3, "space": space}, retrain={"mode": "folds"}))
    tuned = project.data("lines", "models", "lines-mlp", "tuned")
    trials = 2 * 3 * EPOCHS  # trial 0 is what `train` found
    assert epochs("tune", monkeypatch) == trials  # and the best one's folds need no second fit
    undisturbed = outputs(tuned)
    assert read_json(tuned / "trials.json")["best"] > 0
    assert "members/2/predictor.json" in undisturbed
    for study in (project.root / ".podium/studies").iterdir():
        study.unlink()
    seen = epochs_until_killed(project, "tune", trials // 2)  # both trials half way
    again = epochs("tune", monkeypatch)
    assert again <= trials - seen + 30
    assert outputs(tuned) == undisturbed
    assert not (project.root / ".podium/checkpoints/lines-mlp/trials").exists()


def test_workers_of_a_study_share_the_cores_and_encode_for_themselves(begun, monkeypatch):
    search = {"trials": 5, "workers": 2, "space": {"model.alpha": {"log_float": [1e-3, 1e3]}}}
    settings = {**params(search), "execution": {"workers": 3}}
    settings["models"]["lines-mlp"] |= {"model": {"name": "ridge"}, "fit": {}}  # no torch for each worker to load
    project = begun(settings)
    made = []
    monkeypatch.setattr(tune, "make_executor", lambda *a, **k: made.append(make_executor(*a, **k)) or made[-1])
    tune.run(load_project(), "lines-mlp")
    assert made == [Serial()]
    study = read_json(project.data("lines", "models", "lines-mlp", "tuned", "trials.json"))
    assert (study["count"], [trial["number"] for trial in study["trials"]]) == (5, list(range(5)))

    config = load_project()
    competition, model = config.competition("lines"), config.model("lines-mlp")
    build = partial(rebuild_model, competition, model.name)
    objective = Objective(competition, model, build, Processes(1), 1, project.root / "trials", competition.metric)
    before = len(pickle.dumps(objective))
    objective.data("numbers")
    assert len(pickle.dumps(objective)) == before


def test_a_fold_is_kept_whole_and_synced(begun, monkeypatch):
    project = begun(params(None))
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        files.os,
        "fsync",
        lambda number: (synced.append(Path(f"/proc/self/fd/{number}").readlink().name), fsync(number)),
    )
    monkeypatch.setattr(cross_validation, "KEEP_SECONDS", 0.0)
    config = load_project()
    data = cross_validation.TrainingData(config.competition("lines"), "numbers")
    jobs = [cross_validation.FoldJob(config.model("lines-mlp"), 1, project.root / "kept")]
    (first,) = cross_validation.fit_folds(data, jobs)
    assert {"predictions.parquet", "done.json"} <= set(synced)
    # Torn as a run cut off while it wrote leaves it: aside, and so not believed.
    place = project.root / "kept/fold-1"
    assert sorted(path.name for path in place.iterdir()) == ["result"]
    (place / "result").rename(place / ".result.1.part")
    (place / ".result.1.part/predictions.parquet").write_bytes(b"PAR1")
    (again,) = cross_validation.fit_folds(data, jobs)
    assert again.valid == first.valid
    assert cross_validation.fit_folds(data, jobs)[0].predictions.equals(first.predictions)


def test_a_checkpoint_hangs_on_all_that_a_fit_hangs_on(begun):
    def identities(**changes) -> str:
        settings = params(None)
        settings["models"]["lines-mlp"] |= changes
        project.params(settings)
        config = load_project()
        data = cross_validation.TrainingData(config.competition("lines"), "numbers")
        return identity(data, config.model("lines-mlp"), 1)

    project = begun(params(None))
    same = identities()
    assert same == identities(tune={"trials": 9, "space": {"fit.batch_size": {"int": [1, 99]}}})
    fit = {"optimizer": "adam", "learning_rate": 1e-5, "epochs": EPOCHS + 1}
    changed = [{"seed": 5}, {"retrain": {"mode": "folds"}}, {"model": {"name": "linear"}}, {"fit": fit}]
    assert len({same, *(identities(**change) for change in changed)}) == 5
    config = load_project()
    data = cross_validation.TrainingData(config.competition("lines"), "numbers")
    assert identity(data, config.model("lines-mlp"), 1) != identity(data, config.model("lines-mlp"), 2)


@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
def test_the_epochs_of_a_fold_are_heard(begun, monkeypatch, executor):
    begun(params(None))
    monkeypatch.setattr("pipeline.training.executors.TELL_SECONDS", 0.0)
    config = load_project()
    data = cross_validation.TrainingData(config.competition("lines"), "numbers")
    heard = []
    list(cross_validation.cross_validate(data, config.model("lines-mlp"), executor, progress=heard.append))
    assert heard[-1] == 3
    assert len({round(done * EPOCHS) for done in heard}) >= EPOCHS  # an epoch is a part of a fold
