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
