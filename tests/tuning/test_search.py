"""What a trial is scored by, and what becomes of the best."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pandas as pd
import pytest
import yaml
from projects import Project, small_competition
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.core.errors import Faults
from pipeline.core.files import read_json
from pipeline.core.types import FOLD, ROW
from pipeline.reporting.leaderboard import leaderboard_rows
from pipeline.stages import blend, fetch, preprocess, retrain, train, tune
from pipeline.stages.project import load_project
from pipeline.training.pool import OutOfTime
from pipeline.tuning import search

MODELS = {
    "ridge": ({"name": "ridge"}, {}, {"model.alpha": {"log_float": [1e-2, 1e3]}}),
    "mlp": ({"name": "mlp", "hidden": [4]}, {"epochs": 4}, {"fit.learning_rate": {"log_float": [1e-3, 1e-1]}}),
}


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """A project whose model is to be tuned by a metric of its own."""
    monkeypatch.chdir(tmp_path)

    def make(model: str, **settings) -> Project:
        body, fit, space = MODELS[model]
        project = Project(tmp_path)
        tuning = {"trials": 5, "space": space, **settings}
        project.params(
            {
                "competitions": {"lines": small_competition(rows=120, test_rows=30)},
                "models": {
                    "lines-a": {
                        "competition": "lines",
                        "features": "numbers",
                        "model": body,
                        "fit": fit,
                        "tune": tuning,
                    }
                },
                "execution": {"executor": "serial"},
            }
        )
        return project

    return make


@pytest.mark.parametrize("model", MODELS)
def test_trials_are_compared_by_the_metric_of_the_search(searched, model):
    project = searched(model, metric="mae")
    config = load_project()
    for stage, name in ((fetch, "lines"), (preprocess, "lines"), (train, "lines"), (tune, "lines")):
        stage.run(config, name)
    study = read_json(project.data("lines", "tuned", "lines-a", "trials.json"))
    rows = pd.read_parquet(project.data("lines", "rows", "train.parquet"))

    def told(folder: str, score) -> list[float]:
        table = pd.read_parquet(project.data("lines", folder, "lines-a", "predictions.parquet"))
        target = rows["y"].to_numpy()[table[ROW]]
        folds = sorted(set(table[FOLD]))
        return [score(target[table[FOLD] == k], table.loc[table[FOLD] == k, "prediction"]) for k in folds]

    best = study["trials"][study["best"]]
    assert study["trials"][0]["scores"] == pytest.approx(told("cv", mean_absolute_error))
    assert best["scores"] == pytest.approx(told("tuned", mean_absolute_error))
    assert best["value"] == min(trial["value"] for trial in study["trials"])
    # The board goes on comparing models by the competition's metric.
    scores = read_json(project.data("lines", "tuned", "lines-a", "scores.json"))
    assert scores["valid"] == pytest.approx(fmean(told("tuned", root_mean_squared_error)))


def test_an_accuracy_is_searched_by_log_loss(searched):
    project = searched("ridge", metric="log_loss")
    settings = yaml.safe_load((project.root / "params.yaml").read_text())
    source = {"name": "synthetic", "task": "classification", "rows": 90, "test_rows": 30, "features": 3, "classes": 3}
    settings["competitions"]["lines"] |= {
        "source": source,
        "task": "classification",
        "metric": "accuracy",
        "submission": "classes",
    }
    tuning = settings["models"]["lines-a"]["tune"]
    tuning["space"] = {"model.C": {"log_float": [1e-3, 1e2]}}
    settings["models"]["lines-a"]["model"] = {"name": "logistic_regression", "C": 1e-3}
    project.params(settings)
    config = load_project()
    for stage, name in ((fetch, "lines"), (preprocess, "lines"), (train, "lines"), (tune, "lines")):
        stage.run(config, name)
    study = read_json(project.data("lines", "tuned", "lines-a", "trials.json"))
    best = study["trials"][study["best"]]
    assert best["value"] == min(trial["value"] for trial in study["trials"]) < study["trials"][0]["value"]
    table = pd.read_parquet(project.data("lines", "tuned", "lines-a", "predictions.parquet"))
    target = pd.read_parquet(project.data("lines", "rows", "train.parquet"))["y"].to_numpy()[table[ROW]]
    probabilities = table.drop(columns=[ROW, FOLD])
    losses = [log_loss(target[table[FOLD] == k], probabilities[table[FOLD] == k]) for k in range(3)]
    assert best["scores"] == pytest.approx(losses)


def test_the_feature_set_that_a_search_finds_is_the_one_that_answers(searched):
    project = searched("ridge", trials=2, first=[{"features": "numbers"}])
    settings = yaml.safe_load((project.root / "params.yaml").read_text())
    settings["competitions"]["lines"]["features"]["bent"] = {"name": "tabular", "transform": "quantile"}
    model = settings["models"]["lines-a"]
    model["features"] = "bent"  # worse for lines
    model["tune"]["space"] = {"features": {"choice": ["bent", "numbers"]}}
    project.params(settings)
    config = load_project()
    for stage in (fetch, preprocess, train, tune):
        stage.run(config, "lines")
    study = read_json(project.data("lines", "tuned", "lines-a", "trials.json"))
    assert study["best"] == 1 and study["trials"][1]["value"] < study["trials"][0]["value"] / 2
    [row] = leaderboard_rows(config, config.competition("lines"))
    assert row["features"] == "numbers"
    for stage in (blend, retrain):
        stage.run(config, "lines")
    train_rows, test_rows = (pd.read_csv(project.data("lines", "raw", f"{part}.csv")) for part in ("train", "test"))
    columns = [name for name in test_rows if name != "id"]
    by_hand = make_pipeline(StandardScaler(), Ridge(1.0)).fit(train_rows[columns], train_rows["y"])
    answer = pd.read_parquet(project.data("lines", "final", "lines-a", "predictions.parquet"))["prediction"]
    np.testing.assert_allclose(answer, by_hand.predict(test_rows[columns]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metric": "mea"}, ["models.lines-a.tune.metric", "'mea'", "did you mean 'mae'"]),
        ({"metric": "accuracy"}, ["models.lines-a.tune.metric", "'accuracy'", "'regression'"]),
        ({"metric": "mae", "pruner": "halving"}, ["models.lines-a.tune.metric", "halving", "'mae'"]),
    ],
)
def test_a_metric_that_cannot_compare_is_refused(searched, settings, words):
    searched("mlp", **settings)
    with pytest.raises(Faults) as refused:
        load_project()
    assert len(refused.value.faults) == 1 and all(word in refused.value.faults[0] for word in words), str(refused.value)


@pytest.mark.parametrize("fit", [{"ema": 0.9}, {"average": {"last": 2}}, {"accumulate": 2}, {"sampling": "bucketed"}])
def test_halving_is_refused_where_fits_do_not_stack(searched, fit):
    project = searched("mlp", pruner="halving")
    load_project()  # this one does
    settings = yaml.safe_load((project.root / "params.yaml").read_text())
    settings["models"]["lines-a"]["fit"] |= fit
    project.params(settings)
    with pytest.raises(Faults) as refused:
        load_project()
    [fault] = refused.value.faults
    assert fault.startswith("models.lines-a.tune.pruner: halving") and fault.endswith("use median or none, got halving")


# Trials that come to nothing.


def tuned(project: Project, **model) -> dict:
    """The table of trials of a search of these settings of the model's."""
    settings = yaml.safe_load((project.root / "params.yaml").read_text())
    settings["models"]["lines-a"] |= model
    project.params(settings)
    config = load_project()
    for stage in (fetch, preprocess, train, tune):
        stage.run(config, "lines")
    assert project.data("lines", "tuned", "lines-a", "scores.json").exists()
    return read_json(project.data("lines", "tuned", "lines-a", "trials.json"))


def test_a_trial_that_is_too_large_for_the_memory_is_a_bad_one(searched, capsys):
    big = {"model.hidden": [4_000_000, 4_000_000]}
    space = {**MODELS["mlp"][2], "model.hidden": {"choice": [[4], big["model.hidden"]]}}
    study = tuned(searched("mlp", trials=4, space=space, first=[big]))
    assert [trial["state"] == "diverged" for trial in study["trials"]] == [
        trial["overrides"]["model.hidden"] == big["model.hidden"] for trial in study["trials"]
    ]
    assert study["count"] == 4 and study["trials"][1]["why"].startswith("not enough memory")
    told = capsys.readouterr().err
    assert "trial 1 came to nothing: not enough memory" in told and "Traceback" not in told


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_a_trial_that_the_library_cannot_fit_is_a_bad_one(searched, pruner):
    space = {"model.linear_tree": {"choice": [False, True]}, "model.learning_rate": {"log_float": [0.01, 0.3]}}
    project = searched("ridge", trials=5, space=space, first=[{"model.linear_tree": True}], pruner=pruner)
    study = tuned(project, model={"name": "lightgbm"}, fit={"iterations": 3, "loss": "absolute"})
    linear = [trial["overrides"]["model.linear_tree"] for trial in study["trials"]]
    assert [trial["state"] == "diverged" for trial in study["trials"]] == linear and not all(linear[1:])
    assert study["count"] == 5 and "linear_tree cannot aim at the absolute loss" in study["trials"][1]["why"]


def test_settings_that_do_not_go_together_make_a_bad_trial(searched):
    space = {
        "fit.average": {"choice": [None, {"last": 2}]},
        "fit.early_stopping": {"choice": [None, {"patience": 2}]},
    }
    study = tuned(searched("mlp", trials=9, space=space, sampler="random"))
    both = [all(value is not None for value in trial["overrides"].values()) for trial in study["trials"]]
    assert any(both) and [trial["state"] == "diverged" for trial in study["trials"]] == both
    assert all("take one out" in trial["why"] for trial in study["trials"] if trial["state"] == "diverged")


def test_the_best_trial_s_folds_are_written_though_time_runs_out_meanwhile(searched, monkeypatch):
    """The pool says so once, also where the search was done before."""
    whole, calls = search.cross_validation, []

    def late(*arguments, **settings):
        calls.append(1)
        if len(calls) == 1:
            raise OutOfTime("the budget's time is used up")
        return (yield from whole(*arguments, **settings))

    monkeypatch.setattr(search, "cross_validation", late)
    project = searched("ridge", trials=2, space={"model.alpha": {"choice": [1.0, 1e4]}}, first=[{"model.alpha": 1.0}])
    study = tuned(project, model={"name": "ridge", "alpha": 1e4}, retrain={"mode": "folds"})
    assert study["best"] == 1 and len(calls) == 2
    assert project.data("lines", "tuned", "lines-a", "members").exists()


def test_a_search_by_the_clock_ends_where_nothing_but_bad_trials_comes(searched, monkeypatch):
    def breaks(*arguments):
        raise RuntimeError("no such kernel")
        yield

    monkeypatch.setattr(search, "together", breaks)
    monkeypatch.setattr(search, "MOST_BAD", 6)
    study = tuned(searched("ridge", trials=None, minutes=60.0))
    assert study["best"] == 0 and [trial["state"] for trial in study["trials"][1:]] == ["diverged"] * 6
    assert study["trials"][1]["why"] == "RuntimeError: no such kernel"
