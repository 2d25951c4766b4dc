"""Linear models held against scikit-learn's own."""

import numpy as np
import pytest
import sklearn.linear_model as reference

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.estimators.base import FLOOR, Plan
from pipeline.tasks import tasks

NAMES = ["area", "age", "rooms", "noise"]
SPEC = Spec(shapes={"numbers": (4,)}, names={"numbers": NAMES})


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 4)) * [3, 1, 1, 1] + 2
    signal = numbers @ [0.5, -1.0, 2.0, 0.0] + random.normal(size=count) / 2
    return numbers, signal


def fit(name, numbers, target, outputs=1, **settings):
    task = tasks.build("regression" if outputs == 1 else "classification", "task")
    spec = Spec(shapes=SPEC.shapes, names=SPEC.names, outputs=outputs)
    model = models.build({"name": name, **settings}, "model").build(spec, task, seed=0)
    model.fit({"numbers": numbers, "target": target}, None, Plan())
    return model


@pytest.mark.parametrize(
    ("name", "settings", "theirs"),
    [
        ("ridge", {"alpha": 3.0}, reference.Ridge(alpha=3.0)),
        ("ridge", {"alpha": 0.0}, reference.LinearRegression()),
        ("lasso", {"alpha": 0.1}, reference.Lasso(alpha=0.1, max_iter=10_000)),
        ("elastic_net", {"alpha": 0.1, "l1_ratio": 0.3}, reference.ElasticNet(alpha=0.1, l1_ratio=0.3)),
    ],
)
def test_regression_agrees_with_scikit_learn(name, settings, theirs):
    numbers, signal = rows(200)
    new, _ = rows(50, seed=1)
    model = fit(name, numbers, signal[:, None], **settings)
    expected = theirs.fit(numbers, signal).predict(new)
    raw = model.raw({"numbers": new})
    assert raw.shape == (50, 1)
    np.testing.assert_allclose(raw[:, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("settings", [{"C": 0.5}, {"C": 0.1, "l1_ratio": 1.0}, {"class_weights": "balanced"}])
def test_logistic_regression_agrees_with_scikit_learn(classes, settings):
    numbers, signal = rows(200)
    target = np.digitize(signal, np.quantile(signal, [0.3, 0.8][: classes - 1]))
    solver = "saga" if settings.get("l1_ratio") else "lbfgs"
    known = {name: value for name, value in settings.items() if name != "class_weights"}
    balanced = settings.get("class_weights")
    theirs = reference.LogisticRegression(max_iter=1000, solver=solver, random_state=0, class_weight=balanced, **known)
    expected = theirs.fit(numbers, target).predict_proba(numbers)
    raw = fit("logistic_regression", numbers, target, outputs=classes, **settings).raw({"numbers": numbers})
    np.testing.assert_allclose(np.exp(raw), expected, rtol=0, atol=1e-6)


def test_a_class_absent_from_training_gets_the_floor():
    numbers, signal = rows(200)
    target = np.digitize(signal, np.quantile(signal, [0.3, 0.8]))
    target[target == 2] = 3  # four classes, the third never seen
    raw = fit("logistic_regression", numbers, target, outputs=4).raw({"numbers": numbers})
    np.testing.assert_array_equal(raw[:, 2], FLOOR)
    np.testing.assert_allclose(np.exp(raw).sum(axis=1), 1, atol=1e-12)
    assert (raw.argmax(axis=1) == target).mean() > 0.8


def test_importance_is_the_effect_of_one_standard_deviation():
    numbers, signal = rows(200)
    importance = fit("ridge", numbers, signal[:, None], alpha=0.0).importance()
    assert list(importance) == NAMES
    assert importance["area"] == pytest.approx(0.5 * 3, abs=0.2)
    assert importance["age"] == pytest.approx(-1.0, abs=0.1)
    assert abs(importance["noise"]) < 0.1


def test_missing_numbers_are_refused_by_the_name_of_their_feature():
    numbers, signal = rows(20)
    numbers[3, 1] = np.nan
    with pytest.raises(UserError, match=r"ridge.*'age' has missing"):
        fit("ridge", numbers, signal[:, None])


def test_categories_are_not_silently_left_aside():
    spec = Spec(shapes={"numbers": (4,), "categories": (2,)}, names=SPEC.names)
    with pytest.raises(UserError, match=r"lasso.*also gives categories"):
        models.build("lasso", "model").build(spec, tasks.build("regression", "task"), seed=0)


def test_one_class_only_is_refused():
    numbers, _ = rows(20)
    with pytest.raises(UserError, match="at least two classes"):
        fit("logistic_regression", numbers, np.ones(20, np.int64), outputs=2)


def test_settings_out_of_range_are_told_with_their_key():
    with pytest.raises(Faults, match=r"m\.alpha: .* got -1"):
        models.build({"name": "ridge", "alpha": -1}, "m")
    with pytest.raises(Faults, match=r"m\.l1_ration: unknown key; did you mean 'l1_ratio'"):
        models.build({"name": "elastic_net", "l1_ration": 0.1}, "m")
