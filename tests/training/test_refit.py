"""Boosters stop early inside folds and are refitted on all rows for the mean of the best iterations."""

from statistics import fmean

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from projects import small_competition

from pipeline.core.files import read_json
from pipeline.stages import blend, fetch, preprocess, retrain, train, tune
from pipeline.stages.project import load_project
from pipeline.training.predictor import Predictor


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """A project of one model in which the stages are run by hand; gives the competition's folder."""
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
    monkeypatch.chdir(tmp_path)

    def run(name):
        model = {**common, "model": {"name": name, "learning_rate": 0.1}, "fit": fit}
        params = {
            "competitions": {"waves": small_competition(source=source)},
            "models": {f"waves-{name}": model},
            "execution": {"executor": "serial"},
        }
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        config = load_project()
        for stage in (fetch, preprocess, train, tune, blend, retrain):
            stage.run(config, "waves")
        return tmp_path / "data" / "waves"

    return run


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_the_final_model_has_the_mean_of_the_folds_best_iterations(stages, name):
    folder = stages(name)
    cv, final = (folder / part / f"waves-{name}" for part in ("cv", "final"))
    scores = read_json(cv / "scores.json")
    best = [fold["rounds"] for fold in scores["folds"]]
    curves = read_json(cv / "curves.json")
    for fold, curve in zip(best, curves, strict=True):
        losses = curve["valid_loss"]
        assert len(losses) < 200, "thinned: not every iteration is there"
        assert fold == 1 + losses.index(min(losses)), "the fold kept its best iteration"
        assert len(losses) == fold + 8, "and stopped when eight more were no better"
    assert len(set(best)) > 1
    expected = round(fmean(best))
    assert read_json(final / "final.json")["rounds"] == expected
    weights = final / "members" / "0" / "weights"
    if name == "lightgbm":
        trees = lightgbm.Booster(model_file=weights / "lightgbm.txt").num_trees()
    elif name == "xgboost":
        booster = xgboost.Booster()
        booster.load_model(bytearray((weights / "xgboost.ubj").read_bytes()))
        trees = booster.num_boosted_rounds()
    else:
        trees = Predictor.load(weights.parent).fitted.booster.tree_count_
    assert trees == expected
