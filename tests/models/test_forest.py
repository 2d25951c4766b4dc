"""Extra trees and random forests held against scikit-learn's own."""

import numpy as np
import pytest
import sklearn.ensemble as reference
from safetensors.numpy import load_file, save_file
from sklearn.utils.class_weight import compute_sample_weight

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.estimators import forest
from pipeline.models.estimators.base import FLOOR, Plan
from pipeline.tasks import tasks

THEIRS = {
    ("extra_trees", 1): reference.ExtraTreesRegressor,
    ("extra_trees", 3): reference.ExtraTreesClassifier,
    ("random_forest", 1): reference.RandomForestRegressor,
    ("random_forest", 3): reference.RandomForestClassifier,
}
NAMES = {"numbers": ["a", "b", "c"], "categories": ["d"]}


def rows(count, classes=1, seed=0, holes=0.1):
    random = np.random.default_rng(seed)
    numbers, categories = random.normal(size=(count, 3)), random.integers(0, 6, (count, 1))
    signal = numbers[:, 0] + numbers[:, 1] ** 2 + categories[:, 0] + random.normal(size=count) / 2
    numbers[random.random(numbers.shape) < holes] = np.nan
    target = np.digitize(signal, [2.0, 5.0]) if classes > 1 else signal[:, None].astype(np.float32)
    return {"numbers": numbers, "categories": categories, "target": target}


def table(encoded):
    return np.concatenate([encoded["numbers"], encoded["categories"]], axis=1).astype(np.float32)


def build(name, classes=1, seed=7, **settings):
    task = tasks.build("regression" if classes == 1 else "classification", "task")
    spec = Spec(names=NAMES, outputs=classes, classes=("x", "y", "z", "w")[:classes] if classes > 1 else ())
    return models.build({"name": name, "n_estimators": 30, **settings}, "model").build(spec, task, seed)


def fitted(name, train, classes=1, **settings):
    model = build(name, classes, **settings)
    model.fit(train, None, Plan())
    return model


@pytest.mark.parametrize(("name", "classes"), THEIRS)
@pytest.mark.parametrize("settings", [{}, {"min_samples_leaf": 1, "max_features": "sqrt", "max_depth": 7}])
def test_answers_are_scikit_learns(name, classes, settings, monkeypatch):
    monkeypatch.setattr(forest, "STEP_ROWS", 64)  # so that several steps of a few trees are needed
    monkeypatch.setattr(forest, "STEP_WALKS", 500)
    train, new = rows(300, classes), rows(200, classes, seed=1)
    model = fitted(name, train, classes, **settings)
    own = {"max_features": 0.5, "min_samples_leaf": 2, **settings}
    theirs = THEIRS[name, classes](n_estimators=30, random_state=7, **own).fit(table(train), train["target"].ravel())
    raw = model.raw(new)
    if classes == 1:
        np.testing.assert_allclose(raw[:, 0], theirs.predict(table(new)), rtol=0, atol=1e-6)
    else:  # and one training row's worth of the classes' shares
        shares = np.bincount(train["target"]) / 300
        expected = (300 * theirs.predict_proba(table(new)) + shares) / 301
        np.testing.assert_allclose(np.exp(raw), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(list(model.importance().values()), theirs.feature_importances_)
    assert list(model.importance()) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("name", ["extra_trees", "random_forest"])
def test_missing_values_that_training_did_not_have_go_where_scikit_learn_sends_them(name):
    train, new = rows(300, holes=0), rows(200, seed=1, holes=0.5)
    theirs = THEIRS[name, 1](n_estimators=30, random_state=7, max_features=0.5, min_samples_leaf=2)
    expected = theirs.fit(table(train), train["target"].ravel()).predict(table(new))
    np.testing.assert_allclose(fitted(name, train).raw(new)[:, 0], expected, rtol=0, atol=1e-6)


def test_balanced_classes_are_scikit_learns_row_weights():
    train, new = rows(300, 3), rows(100, 3, seed=1)
    weights = compute_sample_weight("balanced", train["target"])
    theirs = reference.ExtraTreesClassifier(30, random_state=7, max_features=0.5, min_samples_leaf=2)
    expected = theirs.fit(table(train), train["target"], sample_weight=weights).predict_proba(table(new))
    raw = fitted("extra_trees", train, 3, class_weights="balanced").raw(new)
    np.testing.assert_allclose(np.exp(raw), (300 * expected + 1 / 3) / 301, rtol=0, atol=1e-6)
    heavier = np.exp(fitted("extra_trees", train, 3, class_weights={"x": 5}).raw(new)[:, 0])
    assert heavier.mean() > np.exp(fitted("extra_trees", train, 3).raw(new)[:, 0]).mean()


def test_numbers_alone_and_numbers_too_large_for_float32_are_read():
    train = rows(100, holes=0)
    del train["categories"]
    train["numbers"][:50, 0] = 1e300
    model = build("extra_trees")
    model.fit(train, None, Plan())
    assert np.isfinite(model.raw({"numbers": train["numbers"]})).all()


def test_no_class_is_impossible_and_one_never_seen_is_at_the_floor():
    train = rows(200, 3)
    raw = fitted("extra_trees", train, 4, min_samples_leaf=1).raw(train)
    assert raw[:, :3].min() > np.log(1 / 201 / 201)
    np.testing.assert_array_equal(raw[:, 3], FLOOR)


def test_class_weights_need_classes():
    with pytest.raises(UserError, match="class_weights needs classes, and the task is regression"):
        build("extra_trees", class_weights="balanced")


@pytest.mark.parametrize("max_features", [0, 1.5, "all"])
def test_settings_are_checked(max_features):
    with pytest.raises(Faults, match=r"m\.max_features"):
        models.build({"name": "extra_trees", "max_features": max_features}, "m")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("right", lambda a: np.where(a > 0, 0, a)),  # a walk in circles
        ("right", lambda a: a + 10_000_000),
        ("roots", lambda a: a - 5),
        ("feature", lambda a: np.where(a >= 0, 99, a)),
        ("feature", lambda a: np.zeros_like(a)),  # no leaf at all
        ("threshold", lambda a: a[:-1]),
    ],
)
def test_a_file_whose_trees_do_not_hold_together_is_refused(name, broken, tmp_path):
    model = fitted("extra_trees", rows(50))
    model.save(tmp_path)
    arrays = load_file(tmp_path / "forest.safetensors")
    save_file({**arrays, name: np.ascontiguousarray(broken(arrays[name]))}, tmp_path / "forest.safetensors")
    with pytest.raises(UserError, match="do not hold together"):
        build("extra_trees").load(tmp_path)
