"""A model that cannot be fitted is left out and told of; the others go on. Names that rows and folds once had."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from projects import Project, small_competition

from pipeline.answering.left_out import kept_models
from pipeline.commands import leaderboard
from pipeline.core.errors import UserError
from pipeline.core.files import digest_files, read_json
from pipeline.models import models
from pipeline.stages import blend, fetch, preprocess, report, retrain, submit, train, tune
from pipeline.stages.project import load_project
from pipeline.training import folds as training_folds
from pipeline.training.predictor import Predictor
from pipeline.tuning.study import OpenStudy

RIDGE = {"competition": "lines", "features": "numbers", "model": {"name": "ridge"}}
DIVERGES = {
    **RIDGE,
    "model": {"name": "linear"},
    "fit": {"optimizer": "sgd", "learning_rate": 1e12, "epochs": 3},
}


def params(**bodies) -> dict:
    return {
        "competitions": {"lines": small_competition(rows=60, test_rows=20)},
        "models": {f"lines-{name}": body for name, body in bodies.items()},
        "execution": {"workers": 2},
    }


@pytest.fixture
def project(tmp_path, monkeypatch, undrawn) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def run(project: Project, settings: dict, *stages) -> None:
    project.params(settings)
    config = load_project()
    for stage in (fetch, preprocess, *stages):
        stage.run(config, "lines")


def broken(monkeypatch: pytest.MonkeyPatch, how) -> None:
    """Lasso does this in every job that is to fit it."""
    build, mine = models.get("lasso").build, os.getpid()
    monkeypatch.setattr(models.get("lasso"), "build", lambda *a, **k: build(*a, **k) if os.getpid() == mine else how())


def raises() -> None:
    raise RuntimeError("no such kernel")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FAULTS = {
    "diverges": (DIVERGES, None, "lower fit.learning_rate"),
    "raises": ({**RIDGE, "model": {"name": "lasso"}}, raises, "RuntimeError: no such kernel"),
    "dies": ({**RIDGE, "model": {"name": "lasso"}}, dies, "its process died 3 times, last by signal SIGKILL"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_cannot_be_fitted_is_left_out_and_told_of(project, monkeypatch, capsys, fault):
    body, how, why = FAULTS[fault]
    if how is not None:
        broken(monkeypatch, how)
    run(project, params(bad=body, ridge=RIDGE), train, tune, blend, retrain, submit, report)
    told = capsys.readouterr().err
    [line] = [line for line in told.splitlines() if line.startswith("warning: ")]
    assert line.startswith("warning: lines-bad is left out: ") and why in line
    config = load_project()
    assert [model.name for model in kept_models(config, "lines")] == ["lines-ridge"]
    for folder in ("cv", "tuned"):
        place = project.data("lines", folder, "lines-bad")
        assert why in read_json(place / "left_out.json")["why"]
        assert not (place / "scores.json").exists()
    assert list(read_json(project.data("lines", "blend.json"))["weights"]) == ["lines-ridge"]
    assert [path.name for path in project.data("lines", "final").iterdir()] == ["lines-ridge"]
    assert len(pd.read_csv(project.data("lines", "submission.csv"))) == 20
    leaderboard.run("lines")
    assert "left out: lines-bad; the report says why" in capsys.readouterr().out
    assert "bad was left out: " in project.data("lines", "report", "index.html").read_text()


def test_where_no_model_is_left_it_is_an_error_and_nothing_is_written(project):
    settings = params(bad=DIVERGES, worse={**DIVERGES, "seed": 1})
    with pytest.raises(UserError, match=r"^lines: no model is left: lines-bad: .*; lines-worse: .*lower") as error:
        run(project, settings, train)
    assert "\n" not in str(error.value)
    written = {path.relative_to(project.data("lines")).parts[0] for path in project.data("lines").rglob("*.*")}
    assert written == {"raw", "rows", "features", "schema.json"}


def test_a_model_that_was_left_out_is_tried_again_and_back(project, monkeypatch):
    with monkeypatch.context() as patch:
        broken(patch, raises)
        run(project, params(bad={**RIDGE, "model": {"name": "lasso"}}, ridge=RIDGE), train, tune)
    for stage in (train, tune):
        stage.run(load_project(), "lines")
    for folder in ("cv", "tuned"):
        place = project.data("lines", folder, "lines-bad")
        assert (place / "scores.json").exists() and not (place / "left_out.json").exists()


# Names of rows and folds.


def write_classes(folder: Path, classes: list[str]) -> dict:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(150), "a": random.normal(size=150)})
    rows["kind"] = np.array(classes)[np.digitize(rows["a"] + random.normal(0, 0.2, 150), [-0.4, 0.4])]
    folder.mkdir()
    rows[:120].to_csv(folder / "train.csv", index=False)
    rows[120:].drop(columns="kind").to_csv(folder / "test.csv", index=False)
    rows[120:][["id", "kind"]].assign(kind=classes[0]).to_csv(folder / "sample_submission.csv", index=False)
    settings = params(kinds={**RIDGE, "model": {"name": "logistic_regression"}})
    settings["competitions"]["lines"] |= {
        "source": {"name": "files", "path": "files"},
        "columns": {"id": "id", "target": "kind"},
        "task": "classification",
        "metric": "accuracy",
        "submission": "classes",
    }
    return settings


def test_classes_may_be_named_row_and_fold(project):
    classes = ["row", "fold", "__x__"]
    run(project, write_classes(project.root / "files", classes), train, tune, blend, retrain, submit, report)
    table = pd.read_parquet(project.data("lines", "cv", "lines-kinds", "predictions.parquet"))
    assert table[classes].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert read_json(project.data("lines", "blend.json"))["valid"] > 0.7
    assert set(pd.read_csv(project.data("lines", "submission.csv"))["kind"]) == set(classes)


@pytest.mark.parametrize("name", ["__row__", "__fold__"])
def test_a_class_or_column_named_as_podium_names_its_own_is_refused(project, name):
    settings = write_classes(project.root / "files", ["a", name, "b"])
    with pytest.raises(UserError, match=rf"train.csv: .*row \d+.*another name for this class.*'{name}'"):
        run(project, settings)
    rows = pd.read_csv(project.root / "files" / "train.csv").assign(kind="b", **{name: 1})
    rows.to_csv(project.root / "files" / "train.csv", index=False)
    with pytest.raises(UserError, match=f"train.csv: column '{name}' has a name that Podium keeps"):
        run(project, settings)


# A process that dies with half of its work on the disk.


@pytest.mark.parametrize("when", ["while it saves", "before it answers"])
def test_a_fold_whose_process_dies_is_done_again(project, monkeypatch, when):
    monkeypatch.setattr(training_folds, "KEEP_SECONDS", 0.0)
    settings = params(ridge={**RIDGE, "retrain": {"mode": "folds"}})
    run(project, settings, train)
    undisturbed = digest_files(project.data("lines", "cv"))
    for folder in (project.data("lines", "cv"), project.root / ".podium"):
        shutil.rmtree(folder)
    died = project.root / "died"
    save, conclude = Predictor.save, training_folds._conclude

    def half_saved(predictor: Predictor, folder: Path) -> None:
        if not died.exists():
            (folder / "weights").mkdir(parents=True)
            (folder / "encoder.json").write_text("{")
            died.touch()
            dies()
        save(predictor, folder)

    def unanswered(*arguments):
        result = conclude(*arguments)
        if not died.exists():
            died.touch()
            dies()
        return result

    if when == "while it saves":
        monkeypatch.setattr(Predictor, "save", half_saved)
    else:
        monkeypatch.setattr(training_folds, "_conclude", unanswered)
    train.run(load_project(), "lines")
    assert died.exists()
    assert digest_files(project.data("lines", "cv")) == undisturbed


def test_a_model_whose_search_fails_is_fitted_as_declared(project, capsys):
    search = {"trials": 3, "space": {"model.alpha": {"log_float": [0.01, 100]}}}
    journal = project.root / ".podium/studies/lines-ridge.journal"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"{\n" * 3)
    settings = params(ridge={**RIDGE, "tune": search}, lasso={**RIDGE, "model": {"name": "lasso"}})
    run(project, settings, train, tune, blend, retrain, submit, report)
    assert "lines-ridge: its search failed, and it stays as declared" in capsys.readouterr().err
    assert (project.data("lines", "final", "lines-ridge") / "final.json").exists()
    assert project.data("lines", "submission.csv").exists()


def test_a_search_that_a_library_breaks_leaves_its_model_as_declared(project, monkeypatch, capsys):
    monkeypatch.setattr(OpenStudy, "ask", lambda study: raises())
    search = {"trials": 3, "space": {"model.alpha": {"log_float": [0.01, 100]}}}
    run(project, params(ridge={**RIDGE, "tune": search}), train, tune)
    told = capsys.readouterr().err
    assert "lines-ridge: its search failed, and it stays as declared: RuntimeError: no such kernel" in told
    assert (project.data("lines", "tuned", "lines-ridge") / "scores.json").exists()


def test_the_blend_s_file_is_another_where_anything_of_a_model_is(project, monkeypatch):
    """Later stages hang on ``tuned/`` through it alone, also on why a model without weight was left out."""

    def other() -> None:
        raise RuntimeError("no such driver")

    found = []
    for how in (raises, raises, other):
        with monkeypatch.context() as patched:
            broken(patched, how)
            settings = params(bad={**RIDGE, "model": {"name": "lasso"}}, ridge=RIDGE)
            run(project, settings, train, tune, blend)
        found.append(read_json(project.data("lines", "blend.json")))
    assert found[0] == found[1]
    assert {key for key in found[2] if found[2][key] != found[1][key]} == {"made_of"}
