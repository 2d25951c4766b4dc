"""Boosters stop early inside folds and are refitted on all rows for the mean of the best iterations."""

from statistics import fmean

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from projects import small_competition

from pipeline.core.files import read_json
from pipeline.stages import fetch, preprocess, retrain, train, tune
from pipeline.stages.project import load_project
from pipeline.training.predictor import Predictor


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """A project in which the stages are run by hand; gives the folder of a model."""
    import yaml

    common = {"competition": "waves", "features": "numbers"}
    fit = {"iterations": 400, "early_stopping": 8}
    source = {"name": "files", "path": "given"}
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(360, 4)), columns=list("abcd"))
    table.insert(0, "id", range(360))
    table["y"] = np.sin(2 * table["a"]) + table["b"] * table["c"] + random.normal(size=360) / 2
    (tmp_path / "given").mkdir()
    table[:300].to_csv(tmp_path / "given" / "train.csv", index=False)
    table[300:].drop(columns="y").to_csv(tmp_path / "given" / "test.csv", index=False)
    table[300:][["id", "y"]].assign(y=0.0).to_csv(tmp_path / "given" / "sample_submission.csv", index=False)
    names = ("lightgbm", "catboost", "xgboost")
    made = {f"waves-{name}": {**common, "model": {"name": name, "learning_rate": 0.1}, "fit": fit} for name in names}
    params = {
        "competitions": {"waves": small_competition(source=source)},
        "models": made,
        "execution": {"executor": "serial"},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    config = load_project()
    fetch.run(config, "waves")
    preprocess.run(config, "waves")

    def run(name):
        for stage in (train, tune, retrain):
            stage.run(config, f"waves-{name}")
        return tmp_path / "data" / "waves" / "models" / f"waves-{name}"

    return run


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_the_final_model_has_the_mean_of_the_folds_best_iterations(stages, name):
    folder = stages(name)
    scores = read_json(folder / "cv" / "scores.json")
    best = [fold["rounds"] for fold in scores["folds"]]
    curves = read_json(folder / "cv" / "curves.json")
    for fold, curve in zip(best, curves, strict=True):
        losses = curve["valid_loss"]
        assert len(losses) < 200, "thinned: not every iteration is there"
        assert fold == 1 + losses.index(min(losses)), "the fold kept its best iteration"
        assert len(losses) == fold + 8, "and stopped when eight more were no better"
    assert len(set(best)) > 1
    expected = round(fmean(best))
    assert read_json(folder / "final" / "final.json")["rounds"] == expected
    weights = folder / "final" / "members" / "0" / "weights"
    if name == "lightgbm":
        trees = lightgbm.Booster(model_file=weights / "lightgbm.txt").num_trees()
    elif name == "xgboost":
        booster = xgboost.Booster()
        booster.load_model(bytearray((weights / "xgboost.ubj").read_bytes()))
        trees = booster.num_boosted_rounds()
    else:
        trees = Predictor.load(weights.parent).fitted.booster.tree_count_
    assert trees == expected
