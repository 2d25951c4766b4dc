"""Weights of rows that make training rows stand for test rows: planted shifts, through the stages."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from pipeline.commands import leaderboard
from pipeline.core.paths import SHIFT
from pipeline.core.types import ROW, WEIGHT
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import STAGES
from pipeline.training.data import Rows, TrainingData
from pipeline.training.weighting import weightings

UP_TO_SUBMIT = tuple(stage for stage in STAGES if stage != "report")
ROWS = 300
SEARCH = {"trials": 2, "space": {"fit.weights.clip": {"float": [2.0, 9.0]}}}
RIDGE, LOGISTIC = {"name": "ridge", "alpha": 0.001}, {"name": "logistic_regression"}
RATIO = {"fit": {"weights": "density_ratio"}}


def sinc(bench, *, shifted: bool = True) -> pd.DataFrame:
    """Sugiyama, Krauledat and Müller 2007, section 3.5: a line learns sinc where training rows lie, and is asked for it
    to their right. Gives the test rows with their true values."""
    generator = np.random.default_rng(1)
    center, spread = (2, 0.25) if shifted else (1, 0.5)
    x = np.concatenate([generator.normal(1, 0.5, ROWS), generator.normal(center, spread, 200)])
    rows = pd.DataFrame({"id": range(len(x)), "x": x, "y": np.sinc(x)})
    train = rows[:ROWS].assign(y=rows["y"][:ROWS] + generator.normal(0, 0.1, ROWS))
    bench.files["train.csv"] = train.to_csv(index=False)
    bench.files["test.csv"] = rows[ROWS:].drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows[ROWS:][["id"]].assign(y=0).to_csv(index=False)
    return rows[ROWS:].reset_index(drop=True)


def classes(bench, share: float = 0.9) -> pd.DataFrame:
    """Two classes half and half in training rows, ``share`` of the second in the test rows; rows of one class alike."""
    generator = np.random.default_rng(2)
    yes = np.concatenate([np.arange(300) % 2, generator.random(500) < share])
    a, b = generator.normal(size=(2, 800)) + np.outer([1.0, 0.6], np.where(yes, 0.7, -0.7))
    rows = pd.DataFrame({"id": range(800), "a": a, "b": b, "y": np.where(yes, "yes", "no")})
    bench.files["train.csv"] = rows[:300].to_csv(index=False)
    bench.files["test.csv"] = rows[300:].drop(columns="y").to_csv(index=False)
    bench.files["sample_submission.csv"] = rows[300:][["id"]].assign(y="no").to_csv(index=False)
    bench.competition |= {"task": {"name": "classification"}, "metric": "accuracy", "submission": "classes"}
    return rows[300:].reset_index(drop=True)


def declare(bench, **models: dict) -> None:
    bench.write()
    named = {f"toy-{name}": {"competition": "toy", "features": "numbers", **body} for name, body in models.items()}
    params = yaml.safe_load((bench.root / "params.yaml").read_text()) | {"models": named}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def final(bench, model: str) -> pd.DataFrame:
    return pd.read_parquet(bench.root / "data/toy/final" / model / "predictions.parquet")


def blend(bench) -> dict:
    return json.loads((bench.root / "data/toy/blend.json").read_text())


def prepared(bench, weights: str | dict) -> TrainingData:
    bench.through("fetch", "preprocess")
    return Rows(load_project().competition("toy")).data("numbers", weighting=weightings.build(weights, "weights"))


def off(told: pd.Series, truth: pd.Series) -> float:
    return float(np.sqrt(np.mean((told.to_numpy() - truth.to_numpy()) ** 2)))


def test_a_planted_covariate_shift(bench):
    test = sinc(bench)
    always = {"retrain": {"always": True}}
    declare(bench, plain={"model": RIDGE, **always}, weighted={"model": RIDGE, **RATIO, **always})
    said = bench.through(*UP_TO_SUBMIT)
    plain, weighted = (off(final(bench, f"toy-{name}")["prediction"], test["y"]) for name in ("plain", "weighted"))
    assert plain > 0.5 and weighted < 0.4 * plain
    # Plain scores say otherwise, weighted ones say so.
    found = blend(bench)["models"]
    assert found["toy-plain"]["valid"] < found["toy-weighted"]["valid"]
    assert found["toy-weighted"]["weighted"] < 0.7 * found["toy-plain"]["weighted"]
    assert any("weights of toy-weighted: rmse" in line and "without" in line for line in said), said
    # The blend is chosen by them, and so is the submission.
    assert blend(bench)["weights"]["toy-plain"] < 0.2
    submission = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert off(submission["y"], test["y"]) < 0.4 * plain
    bench.capsys.readouterr()
    leaderboard.run("toy")
    shown = bench.capsys.readouterr().out
    assert "weighted scores count each row" in shown and "(fit.weights of toy-weighted)" in shown
    assert f"{blend(bench)['weighted']:.5f}" in shown


def test_a_network_takes_them_too(bench):
    """Without weights it is off by more than 0.5, as a ridge is."""
    test = sinc(bench)
    fit = {"optimizer": "adam", "learning_rate": 0.1, "epochs": 150, "batch_size": 300, "watch": None}
    declare(bench, line={"model": {"name": "linear"}, "fit": {**fit, "weights": "density_ratio"}})
    bench.through("fetch", "preprocess", "train", "tune", "blend", "retrain")
    assert off(final(bench, "toy-line")["prediction"], test["y"]) < 0.25


@pytest.mark.parametrize("apply", ["probabilities", "training"])
def test_a_planted_label_shift(bench, apply):
    test = classes(bench)
    shift = {"model": LOGISTIC, "fit": {"weights": {"name": "label_shift", "apply": apply}}}
    declare(bench, plain={"model": LOGISTIC, "retrain": {"always": True}}, shift={**shift, "retrain": {"always": True}})
    submits = apply == "probabilities"
    bench.through(*(UP_TO_SUBMIT if submits else UP_TO_SUBMIT[:-1]))
    right = {name: (final(bench, f"toy-{name}").idxmax(axis=1) == test["y"]).mean() for name in ("plain", "shift")}
    assert right["shift"] > right["plain"] + 0.08, right
    found = blend(bench)
    assert found["models"]["toy-shift"]["weighted"] > found["models"]["toy-plain"]["weighted"]
    assert found["shift"]["classes"]["yes"]["test"] == pytest.approx((test["y"] == "yes").mean(), abs=0.07)
    if not submits:
        return
    submission = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert (submission["y"] == test["y"]).mean() > right["plain"] + 0.08
    # What answers new rows answers as the submission does.
    assert bench.run("predict", "toy", "--in", "files/test.csv", "--out", "answers.csv")[0] == 0
    assert (pd.read_csv(bench.root / "answers.csv")["y"] == submission["y"]).all()


def test_probabilities_are_multiplied_by_the_ratio_of_shares(bench):
    classes(bench)
    declare(bench, shift={"model": LOGISTIC, "fit": {"weights": "label_shift"}})
    bench.through("fetch", "preprocess", "train")
    data = Rows(load_project().competition("toy")).of(load_project().model("toy-shift"))
    told = pd.read_parquet(bench.root / "data/toy/cv/toy-shift/predictions.parquet").set_index(ROW)
    for k in data.folds:
        fold = data.fold(k)
        assert "row_weight" not in fold.train
        fitted = LogisticRegression(max_iter=10_000).fit(fold.train["numbers"], fold.train["target"])
        expected = fitted.predict_proba(fold.valid["numbers"]) * fold.ratios
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(told.loc[fold.valid_index, ["no", "yes"]], expected, atol=1e-3)


def test_labels_of_a_folds_validation_rows_change_nothing_of_its_ratios(bench):
    classes(bench)
    declare(bench, shift={"model": LOGISTIC, "fit": {"weights": "label_shift"}})
    bench.competition["split"] = {"name": "shuffled", "folds": 3}
    data = prepared(bench, "label_shift")
    before = [data.fold(k).ratios for k in data.folds]
    data.rows.loc[data.fold_of_row == 0, "y"] = "yes"
    data.shifted._kept.folder = bench.root / "elsewhere"  # learned anew
    after = [data.fold(k).ratios for k in data.folds]
    np.testing.assert_array_equal(after[0], before[0])
    assert not any(np.allclose(one, other) for one, other in zip(after[1:], before[1:], strict=True))


def test_rows_of_one_distribution_all_count_alike(bench):
    sinc(bench, shifted=False)
    declare(bench, weighted={"model": RIDGE, "fit": {"weights": "density_ratio"}})
    weights = prepared(bench, "density_ratio").fold(0).weights
    assert weights.min() > 0.7 and weights.max() < 1.4


def test_classes_of_the_same_shares_count_alike(bench):
    classes(bench, share=0.5)
    declare(bench, shift={"model": LOGISTIC, "fit": {"weights": "label_shift"}})
    assert prepared(bench, "label_shift").fold(0).ratios == pytest.approx([1, 1], abs=0.2)


def test_weights_multiply_those_of_the_rows_and_a_folds_mean_is_1(bench):
    sinc(bench)
    table = bench.files["train.csv"].splitlines()
    heavy = [1 + i % 3 for i in range(ROWS)]
    bench.files["train.csv"] = "\n".join(f"{line},{w}" for line, w in zip(table, ["w", *heavy], strict=True)) + "\n"
    bench.competition["columns"]["weight"] = "w"
    declare(bench, weighted={"model": RIDGE, "fit": {"weights": {"name": "density_ratio", "clip": 3}}})
    data = prepared(bench, {"name": "density_ratio", "clip": 3, "flattening": 0.5})
    of_all = data.shifted.weights(None)
    assert of_all.mean() == pytest.approx(1) and of_all.max() == pytest.approx(3)
    for k in (*data.folds, None):
        fold = data.fold(k)
        own = np.ones(ROWS, bool) if k is None else data.fold_of_row != k
        expected = np.array(heavy)[own] * np.sqrt(of_all[own])
        np.testing.assert_allclose(fold.train["row_weight"], expected / expected.mean(), rtol=1e-5)
        if k is not None:
            np.testing.assert_allclose(fold.valid["row_weight"], of_all[~own] / of_all[~own].mean(), rtol=1e-5)
    # What is encoded is the same, and lies there once for models with weights and without.
    assert data._encoded.folder == Rows(data.competition).data("numbers")._encoded.folder


def test_a_search_goes_by_the_weighted_score(bench):
    sinc(bench)
    train = pd.read_csv(StringIO(bench.files["train.csv"]))
    bench.files["train.csv"] = train.assign(y=3 * train["x"] + train["y"]).to_csv(index=False)
    tune = {"trials": 2, "first": [{"model.alpha": 0.001}], "space": {"model.alpha": {"float": [0.001, 1000.0]}}}
    declare(bench, weighted={"model": {**RIDGE, "alpha": 1000.0}, **RATIO, "tune": tune})
    bench.through("fetch", "preprocess", "train", "tune", "blend")
    tuned = bench.root / "data/toy/tuned/toy-weighted"
    scores, trials = (json.loads((tuned / f"{name}.json").read_text()) for name in ("scores", "trials"))
    assert trials["best"] == 1 and trials["trials"][1]["value"] == pytest.approx(scores["weighted"])
    assert scores["weighted"] != pytest.approx(scores["valid"], rel=0.05)
    assert blend(bench)["shift"]["by"] == "density_ratio" and (tuned / SHIFT).exists()


def test_kept_as_long_as_the_weights_are(bench):
    sinc(bench)
    declare(bench, weighted={"model": RIDGE, "fit": {"weights": "density_ratio"}})
    bench.through("fetch", "preprocess", "train")
    place = bench.root / "data/toy/cv/toy-weighted" / SHIFT
    made, weights = place.stat().st_mtime_ns, pd.read_parquet(place)[WEIGHT]
    bench.through("train")
    assert place.stat().st_mtime_ns == made
    declare_again = (bench.root / "params.yaml").read_text().replace("density_ratio", "{name: density_ratio, clip: 2}")
    (bench.root / "params.yaml").write_text(declare_again)
    bench.through("train")
    assert pd.read_parquet(place)[WEIGHT].max() < weights.max()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"fit": {"weights": "label_shift"}}, ["fit.weights", "'label_shift' needs a task with classes"]),
        ({"fit": {"weights": "density_ration"}}, ["fit.weights", "did you mean 'density_ratio'"]),
        ({"fit": {"weights": {"name": "density_ratio", "clip": 0.5}}}, ["fit.weights.clip", "0.5"]),
        ({"fit": {"weights": "density_ratio"}, "tune": SEARCH}, ["tune.space.fit.weights.clip", "no such setting"]),
    ],
)
def test_settings_that_cannot_be_are_told(bench, model, words):
    sinc(bench)
    declare(bench, weighted={"model": RIDGE, **model})
    code, lines = bench.run("check")
    assert code == 2 and all(word in lines[0] for word in words), lines


def test_two_views_of_one_shift_are_refused(bench):
    classes(bench)
    ratio, shares = ({"model": LOGISTIC, "fit": {"weights": name}} for name in ("density_ratio", "label_shift"))
    declare(bench, first=ratio, second=shares)
    code, lines = bench.run("check")
    assert code == 2 and len(lines) == 1 and "toy-second.fit.weights" in lines[0] and "toy-first" in lines[0], lines


def test_without_a_test_file_or_with_a_wrong_column_the_model_is_left_out(bench):
    sinc(bench)
    drop = {"name": "density_ratio", "drop": ["z"]}
    declare(bench, plain={"model": RIDGE}, weighted={"model": RIDGE, "fit": {"weights": drop}})
    said = bench.through("fetch", "preprocess", "train")
    assert any("toy-weighted is left out" in line and "no column 'z'" in line for line in said), said
