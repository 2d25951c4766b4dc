"""Nearest neighbours held against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.estimators import neighbors
from pipeline.models.estimators.base import FLOOR, Plan
from pipeline.tasks import tasks

SETTINGS = [{}, {"n_neighbors": 5, "weights": "uniform"}, {"n_neighbors": 9, "p": 1}]


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 3)).astype(np.float32)
    return numbers, numbers[:, 0] - numbers[:, 1] + random.normal(size=count) / 5


def build(classes=1, **settings):
    task = tasks.build("regression" if classes == 1 else "classification", "task")
    spec = Spec(shapes={"numbers": (3,)}, names={"numbers": ["a", "b", "c"]}, outputs=classes)
    return models.build({"name": "k_nearest_neighbors", **settings}, "model").build(spec, task, 0)


def fitted(numbers, target, classes=1, **settings):
    model = build(classes, **settings)
    model.fit({"numbers": numbers, "target": target}, None, Plan())
    return model


@pytest.mark.parametrize("settings", SETTINGS)
def test_means_are_scikit_learns(settings, monkeypatch):
    monkeypatch.setattr(neighbors, "ENTRIES", 300)  # so that several steps are needed
    numbers, signal = rows(200)
    new = np.concatenate([rows(80, seed=1)[0], numbers[:20]])  # some at distance 0
    theirs = KNeighborsRegressor(**{"n_neighbors": 15, "weights": "distance", "algorithm": "brute", **settings})
    expected = theirs.fit(numbers, signal).predict(new)
    raw = fitted(numbers, signal[:, None], **settings).raw({"numbers": new})
    np.testing.assert_allclose(raw[:, 0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_shares_are_scikit_learns_and_one_neighbour_from_all(settings):
    numbers, signal = rows(200)
    target, new = np.digitize(signal, [-0.5, 1.0]), rows(80, seed=1)[0]
    theirs = KNeighborsClassifier(**{"n_neighbors": 15, "weights": "distance", "algorithm": "brute", **settings})
    k, shares = theirs.n_neighbors, np.bincount(target) / 200
    expected = (k * theirs.fit(numbers, target).predict_proba(new) + shares) / (k + 1)
    raw = fitted(numbers, target, classes=4, **settings).raw({"numbers": new})
    np.testing.assert_allclose(np.exp(raw[:, :3]), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(raw[:, 3], FLOOR)  # a class that no training row has


def test_of_many_classes_and_neighbours_few_rows_are_looked_at_at_a_time(monkeypatch):
    numbers, _ = rows(400)
    model = fitted(numbers, np.arange(400) % 100, classes=100, n_neighbors=200)
    asked, find = [], model.search.kneighbors
    monkeypatch.setattr(model.search, "kneighbors", lambda part: (asked.append(len(part)), find(part))[1])
    assert model.raw({"numbers": rows(500, seed=1)[0]}).shape == (500, 100)
    assert sum(asked) == 500 and max(asked) * 200 * 100 * 8 <= 2**25  # bytes


def test_fewer_training_rows_than_neighbours_all_answer():
    numbers, signal = rows(4)
    raw = fitted(numbers, signal[:, None], weights="uniform").raw({"numbers": rows(6, seed=1)[0]})
    np.testing.assert_allclose(raw, signal.mean())


def test_what_is_missing_is_refused_and_so_are_categories():
    numbers, signal = rows(20)
    numbers[3, 1] = np.nan
    with pytest.raises(UserError, match="feature 'b' has missing"):
        fitted(numbers, signal[:, None])
    spec = Spec(shapes={"numbers": (3,), "categories": (1,)})
    with pytest.raises(UserError, match="reads numbers only"):
        models.build("k_nearest_neighbors", "m").build(spec, tasks.build("regression", "t"), 0)


def test_settings_are_checked():
    with pytest.raises(Faults, match=r"m\.n_neighbors"):
        models.build({"name": "k_nearest_neighbors", "n_neighbors": 0}, "m")
