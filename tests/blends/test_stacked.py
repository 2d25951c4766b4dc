"""The level-two model against scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss

from pipeline.blends import blends
from pipeline.core.combination import Library
from pipeline.core.types import Schema
from pipeline.metrics import metrics
from pipeline.tasks import tasks


def stacked(**body):
    return blends.build({"name": "stacked", **body}, "blend")


def prices(rows=300, seed=0, noise=(0.2, 0.4, 0.3)):
    """Models whose logarithms are off by noise; each after the first carries less."""
    random = np.random.default_rng(seed)
    truth = pd.Series(random.lognormal(12, 0.5, rows))
    frames = [pd.DataFrame({"prediction": truth**0.8 * random.lognormal(0, n, rows)}) for n in noise]
    task = tasks.build({"name": "regression", "target": "log"}, "task")
    codec = task.fit_target(truth, Schema(id=None, target="y", columns=()))
    return Library(frames, truth, task, codec, metrics.build("log_rmse", "metric"))


def classes(count, rows=400, seed=0):
    random = np.random.default_rng(seed)
    names = [str(k) for k in range(count)]
    codes = random.integers(0, count, rows)
    frames = []
    for strength in (2.0, 1.0, 0.3):
        powers = np.exp(random.normal(size=(rows, count)) + strength * np.eye(count)[codes])
        frames.append(pd.DataFrame(powers / powers.sum(axis=1, keepdims=True), columns=names))
    task = tasks.build("classification", "task")
    codec = task.fit_target(None, Schema(id=None, target="y", columns=(), classes=tuple(range(count))))
    return Library(frames, pd.Series(codes), task, codec, metrics.build("log_loss", "metric"))


def test_regression_is_a_ridge_in_the_units_of_the_loss():
    library = prices()
    logs = np.log(np.stack([part["prediction"] for part in library.frames], axis=1))
    centred = logs - logs.mean(axis=0)
    strength = 50.0 * centred.var(axis=0).mean()
    around = centred.mean(axis=1)  # pulled to equal weights, not to none
    expected = Ridge(alpha=strength).fit(centred, np.log(library.target) - around)
    found = stacked(strength=50.0).fit(library)
    assert found.weights == pytest.approx(expected.coef_ + 1 / 3, abs=1e-8)
    answers = found.predict(library.frames, library.task, library.target_codec)
    np.testing.assert_allclose(np.log(answers["prediction"]), expected.predict(centred) + around, atol=1e-8)


def test_regression_may_be_held_non_negative():
    library = prices()
    wrong = pd.DataFrame({"prediction": np.exp(24 - np.log(library.target)) * library.frames[0]["prediction"] ** 0.2})
    library = Library([*library.frames, wrong], library.target, library.task, library.target_codec, library.metric)
    logs = np.log(np.stack([part["prediction"] for part in library.frames], axis=1))
    target = np.log(library.target)
    expected, _ = nnls(logs - logs.mean(axis=0), target - target.mean())
    found = stacked(strength=0.0, non_negative=True).fit(library)
    assert found.weights == pytest.approx(expected, abs=1e-7)
    assert min(found.weights) == 0
    assert min(stacked(strength=0.0).fit(library).weights) < 0


def test_two_classes_are_a_logistic_regression_on_logits():
    library = classes(2)
    logits = np.stack([np.log(part["1"] / part["0"]) for part in library.frames], axis=1)
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logits, library.target)
    found = stacked(strength=0.0).fit(library)
    assert found.weights == pytest.approx(expected.coef_[0], abs=1e-3)
    answers = found.predict(library.frames, library.task, library.target_codec)
    np.testing.assert_allclose(answers, expected.predict_proba(logits), atol=1e-3)


def test_many_classes_reach_the_least_log_loss_there_is():
    library = classes(4)
    found = stacked(strength=0.0).fit(library)
    logs = np.stack([np.log(part.to_numpy()) for part in library.frames])

    def loss(weights, biases):
        scores = np.exp(np.tensordot(weights, logs, 1) + biases)
        return log_loss(library.target, scores / scores.sum(axis=1, keepdims=True))

    weights, biases = np.array(found.weights), np.array(found.intercept)
    answers = found.predict(library.frames, library.task, library.target_codec)
    assert log_loss(library.target, answers) == pytest.approx(loss(weights, biases))
    random = np.random.default_rng(0)
    for _ in range(50):
        moved = loss(weights + random.normal(0, 0.05, 3), biases + random.normal(0, 0.05, 4))
        assert moved > loss(weights, biases)


def test_strength_pulls_to_equal_weights():
    for library in (prices(), classes(3)):
        assert stacked(strength=1e9).fit(library).weights == pytest.approx([1 / 3] * 3, abs=1e-3)


def test_models_without_a_use_leave_the_best_one():
    random = np.random.default_rng(0)
    truth = pd.Series(random.lognormal(0, 1, 50))
    task = tasks.build({"name": "regression", "target": "log"}, "task")
    codec = task.fit_target(truth, Schema(id=None, target="y", columns=()))
    frames = [pd.DataFrame({"prediction": truth**power}) for power in (-2.0, -1.0)]
    library = Library(frames, truth, task, codec, metrics.build("log_rmse", "metric"))
    found = stacked(strength=0.0, non_negative=True).fit(library)
    assert (found.weights, found.intercept) == ([0.0, 1.0], None)
