"""Stages killed in the middle of long fits go on from there."""

import importlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from projects import Project, small_competition

from pipeline.core import files
from pipeline.core.files import read_json
from pipeline.stages import blend, fetch, preprocess, train, tune
from pipeline.stages.project import load_project
from pipeline.training import cross_validation, folds, stacked_loop
from pipeline.training.executors import Processes
from pipeline.training.identity import identity
from pipeline.training.pool import Pool, Task

EPOCHS = 20
STAGE = """
import time
from pathlib import Path
from pipeline.stages.project import load_project
from pipeline.stages import {stage}
from pipeline.training import folds, member, stacked_loop

member.SECONDS = 0.05
folds.KEEP_SECONDS = 0.0
epoch = stacked_loop.Run.epoch

def noted(run):
    epoch(run)
    with Path("epochs").open("a") as stream:
        stream.write("epoch\\n" * len(run.members))
    time.sleep(0.02)

stacked_loop.Run.epoch = noted
{stage}.run(load_project(), "lines")
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
        for stage in (fetch, preprocess, train):
            stage.run(config, "lines")
        return project

    return begin


def epochs(stage: str, monkeypatch: pytest.MonkeyPatch, **options) -> int:
    """Run a stage in this process; how many epochs it trained."""
    trained = []
    epoch = stacked_loop.Run.epoch
    with monkeypatch.context() as patch:
        patch.setattr(folds, "KEEP_SECONDS", 0.0)
        patch.setattr(stacked_loop.Run, "epoch", lambda run: (trained.extend(run.members), epoch(run)))
        importlib.import_module(f"pipeline.stages.{stage}").run(load_project(), "lines", **options)
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


def forget(project: Project, *outputs: str) -> None:
    """Nothing of these is left, in the project or among what finished models and folds leave."""
    state = (project.root / ".podium" / name for name in ("models", "checkpoints"))
    for folder in (*(project.data("lines", name) for name in outputs), *state):
        shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_cross_validation_goes_on(begun, monkeypatch):
    project = begun(params(None))
    undisturbed = outputs(project.data("lines", "cv"))
    forget(project, "cv")
    seen = epochs_until_killed(project, "train", EPOCHS)  # all folds a third of the way
    assert epochs("train", monkeypatch) <= 3 * EPOCHS - seen + 15  # those since the last checkpoint
    assert outputs(project.data("lines", "cv")) == undisturbed


def test_a_killed_retraining_goes_on(begun, monkeypatch):
    project = begun(params(None, retrain={"seeds": 2}))
    for stage in (tune, blend):
        stage.run(load_project(), "lines")
    final = project.data("lines", "final")
    assert epochs("retrain", monkeypatch) == 2 * EPOCHS
    undisturbed = outputs(final)
    forget(project, "final")
    seen = epochs_until_killed(project, "retrain", EPOCHS)  # both seeds half way
    again = epochs("retrain", monkeypatch)
    assert again <= 2 * EPOCHS - seen + 10  # those since the last checkpoint
    assert outputs(final) == undisturbed
    assert not (project.root / ".podium/checkpoints/lines/lines-mlp/final").exists()


def test_a_study_killed_in_a_trial_goes_on_with_its_folds(begun, monkeypatch):
    space = {"fit.learning_rate": {"log_float": [1e-5, 1e-1]}}
    project = begun(params({"trials": 3, "space": space}, retrain={"mode": "folds"}))
    tuned = project.data("lines", "tuned")
    trials = 2 * 3 * EPOCHS  # trial 0 is what `train` found
    assert epochs("tune", monkeypatch) == trials  # and the best one's folds need no second fit
    undisturbed = outputs(tuned)
    assert read_json(tuned / "lines-mlp/trials.json")["best"] > 0
    assert "lines-mlp/members/2/predictor.json" in undisturbed
    for study in (project.root / ".podium/studies").iterdir():
        study.unlink()
    forget(project, "tuned")
    seen = epochs_until_killed(project, "tune", trials // 2)  # both trials half way
    again = epochs("tune", monkeypatch)
    assert again <= trials - seen + 30
    assert outputs(tuned) == undisturbed
    assert not (project.root / ".podium/checkpoints/lines/lines-mlp/trials").exists()


def test_a_fold_is_kept_whole_and_synced(begun, monkeypatch):
    project = begun(params(None))
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        files.os,
        "fsync",
        lambda number: (synced.append(Path(f"/proc/self/fd/{number}").readlink().name), fsync(number)),
    )
    monkeypatch.setattr(folds, "KEEP_SECONDS", 0.0)
    config = load_project()
    data = cross_validation.TrainingData(config.competition("lines"), "numbers")
    jobs = [folds.FoldJob(config.model("lines-mlp"), 1, project.root / "kept")]
    (first,) = folds.fit_folds(data, jobs)
    assert {"predictions.parquet", "done.json"} <= set(synced)
    # Torn as a run cut off while it wrote leaves it: aside, and so not believed.
    place = project.root / "kept/fold-1"
    assert sorted(path.name for path in place.iterdir()) == ["result"]
    (place / "result").rename(place / ".result.1.part")
    (place / ".result.1.part/predictions.parquet").write_bytes(b"PAR1")
    (again,) = folds.fit_folds(data, jobs)
    assert again.valid == first.valid
    assert folds.fit_folds(data, jobs)[0].predictions.equals(first.predictions)


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


def test_the_epochs_of_a_fold_are_heard(begun, monkeypatch):
    begun(params(None))
    monkeypatch.setattr("pipeline.training.jobs.TELL_SECONDS", 0.0)
    config = load_project()
    data = cross_validation.TrainingData(config.competition("lines"), "numbers")
    work = cross_validation.cross_validation(data, config.model("lines-mlp"), 2)
    task, heard = Task("lines-mlp", work), []
    Pool(Processes(2), heard=lambda: heard.append(task.finished + task.part)).run([task])
    assert task.error is None and len(task.result.folds) == 3
    assert max(heard) == heard[-1] == 3
    assert len({round(done * EPOCHS) for done in heard}) >= EPOCHS  # an epoch is a part of a fold
