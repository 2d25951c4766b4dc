"""Weights of rows: what they do to a fit, from a raw column to the loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from bench import TRAIN
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.commands.guess import guess
from pipeline.core.registry import build_settings
from pipeline.core.types import WEIGHT, FitJob, Spec
from pipeline.stages.project import load_project, shelves
from pipeline.training.data import TrainingData
from pipeline.training.stacking import fit_together

SHELVES = shelves()
GENERATOR = np.random.default_rng(0)
NUMBERS = GENERATOR.normal(size=(80, 3)).astype(np.float32)
NUMBER = (NUMBERS @ [1.0, -2.0, 0.5] + GENERATOR.normal(size=80)).astype(np.float32)[:, None]
CLASS = (NUMBER[:, 0] + GENERATOR.normal(size=80) > 0).astype(np.int64)
WEIGHTS = (GENERATOR.random(80) * 2).astype(np.float32)


def job(model: str, task: str, train: dict, valid: dict | None = None, **more) -> FitJob:
    outputs, classes = (1, ()) if task == "regression" else (2, ("no", "yes"))
    spec = Spec(shapes={"numbers": (3,)}, names={"numbers": ["a", "b", "c"]}, outputs=outputs, classes=classes)
    built = SHELVES.models.build(model, "model")
    return FitJob(built, SHELVES.tasks.build(task, "task"), spec, train, valid, **{"seed": 0, **more})


def learner(name: str, **settings):
    return build_settings(SHELVES.learners.get(name), settings, "fit")


def weighed(target: np.ndarray) -> dict:
    return {"numbers": NUMBERS, "target": target, "row_weight": WEIGHTS}


def test_as_scikit_learns_sample_weights():
    fitted = learner("estimator").fit(job({"name": "ridge", "alpha": 2.0}, "regression", weighed(NUMBER)))
    theirs = Ridge(alpha=2.0).fit(NUMBERS.astype(float), NUMBER[:, 0].astype(float), sample_weight=WEIGHTS)
    np.testing.assert_allclose(fitted.raw({"numbers": NUMBERS})[:, 0], theirs.predict(NUMBERS.astype(float)), rtol=1e-6)
    fitted = learner("estimator").fit(job("logistic_regression", "classification", weighed(CLASS)))
    theirs = LogisticRegression(max_iter=10_000).fit(NUMBERS.astype(float), CLASS, sample_weight=WEIGHTS)
    expected = theirs.predict_log_proba(NUMBERS.astype(float))
    np.testing.assert_allclose(fitted.raw({"numbers": NUMBERS}), expected, atol=1e-3)
    settings = SHELVES.models.build("extra_trees", "model")
    fitted = learner("estimator").fit(job("extra_trees", "classification", weighed(CLASS)))
    theirs = ExtraTreesClassifier(
        settings.n_estimators,
        min_samples_leaf=settings.min_samples_leaf,
        max_features=settings.max_features,
        random_state=0,
    ).fit(NUMBERS, CLASS, sample_weight=WEIGHTS)
    shares = np.exp(fitted.raw({"numbers": NUMBERS}))
    prior = np.bincount(CLASS, weights=WEIGHTS) / WEIGHTS.sum()
    np.testing.assert_allclose(shares, (80 * theirs.predict_proba(NUMBERS) + prior) / 81, atol=1e-6)


@pytest.mark.parametrize(("task", "target"), [("regression", NUMBER), ("classification", CLASS)])
def test_a_weight_is_as_many_copies_of_the_row(task, target):
    """In one minibatch of all rows a row of weight 2 and one twice have the same gradient."""
    copies = GENERATOR.integers(1, 4, 80)
    once = {"numbers": NUMBERS, "target": target, "row_weight": (copies / copies.mean()).astype(np.float32)}
    often = {"numbers": NUMBERS.repeat(copies, axis=0), "target": target.repeat(copies, axis=0)}
    model = "linear" if task == "regression" else "softmax"
    settings = {"epochs": 20, "batch_size": 1000, "optimizer": "sgd", "learning_rate": 0.1}
    first, second = (learner("neural", **settings).fit(job(model, task, train)) for train in (once, often))
    for mine, theirs in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert first.curves["train_loss"] == pytest.approx(second.curves["train_loss"], rel=1e-4)


def test_members_of_a_stack_are_weighed_as_alone():
    settings = learner("neural", epochs=3, batch_size=16)
    valid = {"numbers": NUMBERS[:20], "target": NUMBER[:20], "row_weight": WEIGHTS[:20]}
    jobs = [job("mlp", "regression", {**weighed(NUMBER), "row_weight": w}, valid, seed=s) for s, w in
            enumerate((WEIGHTS, WEIGHTS[::-1].copy()))]  # fmt: skip
    assert settings.stack_key(jobs[0].model, jobs[0].task) is not None
    together = fit_together([settings] * 2, jobs, jobs[0].spec)
    for one, fitted in zip(jobs, together, strict=True):
        alone = settings.fit(one)
        for name in ("train_loss", "valid_loss"):
            assert fitted.curves[name] == pytest.approx(alone.curves[name], rel=1e-4)


def column(weights: list) -> str:
    return "\n".join(f"{line},{weight}" for line, weight in zip(TRAIN.splitlines(), ["weight", *weights])) + "\n"


def prepared(bench) -> TrainingData:
    for stage in ("fetch", "preprocess"):
        code, lines = bench.run(stage, "toy")
        assert code == 0, lines
    return TrainingData(load_project().competition("toy"), "numbers")


def test_from_a_column_and_of_rows_from_elsewhere(bench):
    bench.files["train.csv"] = column([i % 3 for i in range(30)])
    bench.files["more.csv"] = "id,colour,size,y\n90,red,1,50\n91,red,2,60\n"
    bench.competition["columns"]["weight"] = "weight"
    bench.competition["source"] |= {"extra": ["more.csv"], "extra_weight": 0.5}
    bench.write()
    data = prepared(bench)
    expected = [i % 3 for i in range(30)] + [0.5, 0.5]
    assert data.rows[WEIGHT].tolist() == expected
    assert "weight" not in data.rows and "weight" not in [name for name in data.spec.names["numbers"]]
    for k in (*data.folds, None):
        fold = data.fold(k)
        mine = np.array(expected) if k is None else np.array(expected)[data.fold_of_row != k]
        np.testing.assert_allclose(fold.train["row_weight"], mine / mine.mean(), rtol=1e-6)
        assert fold.valid is None or "row_weight" not in fold.valid
    before = data.digest
    (bench.root / "files/train.csv").write_text(column([1] * 30))
    assert prepared(bench).digest != before
    code, lines = bench.run("train", "toy")
    assert code == 0, lines
    # What answers new rows reads no weight, and does not mind one.
    for stage in ("tune", "blend", "retrain", "submit"):
        assert bench.run(stage, "toy")[0] == 0
    (bench.root / "new.csv").write_text("id,colour,size,weight\n1,red,3,7\n")
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")[0] == 0


@pytest.mark.parametrize("declared", [None, "1.234,5"])
def test_weights_of_all_files_are_read_in_one_format(bench, declared):
    """Decimal commas: what the weights of one file leave open, another file's or another column say."""

    def table(first: int, weights: list[str], side: str) -> str:
        rows = [f"{first + i};{i % 7}{side};{i * 5 % 13 + 1};{weight}" for i, weight in enumerate(weights)]
        return "\n".join(["id;size;y;weight", *rows]) + "\n"

    own, theirs = [f"2,{419 + i}" for i in range(30)], [f"1,{39 + i:03}" for i in range(5)]
    side = ",5" if declared is None else ""  # without a declaration it is the other column that decides
    bench.files["train.csv"], bench.files["more.csv"] = table(0, own, side), table(90, theirs, ",25" if side else "9")
    bench.files["test.csv"] = f"id;size\n30;1{side}\n31;2{side}\n"
    bench.files["sample_submission.csv"] = "id;y\n30;1\n31;1\n"
    bench.competition["columns"] |= {"weight": "weight", **({"formats": {"weight": declared}} if declared else {})}
    bench.competition["source"] |= {"extra": ["more.csv"]}
    bench.write()
    weights = prepared(bench).rows[WEIGHT].tolist()
    assert weights[:2] == [2.419, 2.42] and weights[30:32] == [1.039, 1.04]


def test_a_class_that_weighs_nothing_is_told(bench):
    lines = [f"{i},red,{i % 5},{'no' if i % 3 else 'yes'},{1 if i % 3 else 0}" for i in range(30)]
    bench.files["train.csv"] = "\n".join(["id,colour,size,y,weight", *lines]) + "\n"
    bench.files["sample_submission.csv"] = "id,y\n" + "".join(f"{i},no\n" for i in range(30, 40))
    bench.competition |= {"task": "classification", "metric": "accuracy", "submission": "classes"}
    bench.competition["columns"]["weight"] = "weight"
    bench.model["model"] = {"name": "logistic_regression"}
    bench.write()
    bench.run("fetch", "toy")
    code, lines = bench.run("preprocess", "toy")
    assert code == 0 and any("all training rows of the class 'yes' weigh 0" in line for line in lines), lines


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1] * 29 + [-1], ["train.csv", "weight", "row 31", "0 or more", "-1"]),
        ([1] * 29 + [""], ["train.csv", "weight", "row 31", "0 or more", "a missing value"]),
        (["heavy"] + [1] * 29, ["train.csv", "weight", "row 2", "'heavy'"]),
        ([0] * 30, ["train.csv", "weight", "above 0"]),
        (["inf"] + [1] * 29, ["train.csv", "weight", "row 2", "at most 1e+150", "got inf"]),
        ([1] * 29 + ["1e308"], ["train.csv", "weight", "row 31", "at most 1e+150"]),
    ],
)
def test_what_is_no_weight_is_told_with_its_row(bench, weights, words):
    bench.files["train.csv"] = column(weights)
    bench.competition["columns"]["weight"] = "weight"
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    bench.fails("preprocess", words, bench.written())


def test_a_missing_column_is_told(bench):
    bench.competition["columns"]["weight"] = "wieght"
    bench.write()
    assert bench.run("fetch", "toy")[0] == 0
    bench.fails("preprocess", ["train.csv", "no column 'wieght'", "columns.weight"], bench.written())


def test_add_sees_a_column_of_weights():
    train = pd.DataFrame({"id": range(40), "a": np.arange(40) % 7, "sample_weight": 1.5, "y": np.arange(40) * 1.1})
    test = pd.DataFrame({"id": range(40, 60), "a": np.arange(20) % 7})
    found = guess(train, test, None)
    assert found.columns["target"] == "y" and found.columns["weight"] == "sample_weight"
    assert "drop" not in found.columns and "columns.weight" in found.why
