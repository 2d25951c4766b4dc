"""Support vectors held against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, SVR
from sklearn.utils.class_weight import compute_sample_weight

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.estimators import support_vectors
from pipeline.models.estimators.base import FLOOR, Plan
from pipeline.tasks import tasks

KERNELS = [
    {"kernel": "rbf"},
    {"kernel": "rbf", "gamma": 0.3, "C": 5.0},
    {"kernel": "linear"},
    {"kernel": "poly", "gamma": "auto", "degree": 2, "coef0": 1.0},
]


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 3))
    return numbers, numbers[:, 0] + numbers[:, 1] ** 2 + random.normal(size=count) / 5


def fit(numbers, target, outputs=1, seed=7, folds=None, **settings):
    task = tasks.build("regression" if outputs == 1 else "classification", "task")
    spec = Spec(shapes={"numbers": (3,)}, outputs=outputs)
    model = models.build({"name": "support_vectors", **settings}, "model").build(spec, task, seed)
    model.fit({"numbers": numbers, "target": target}, None, Plan(inner_folds=folds))
    return model


@pytest.mark.parametrize("settings", KERNELS)
def test_regression_agrees_with_scikit_learn_on_a_standardised_target(settings, monkeypatch):
    monkeypatch.setattr(support_vectors, "KERNEL_ENTRIES", 1000)  # so that several blocks are needed
    numbers, signal = rows(150)
    prices = 180_000 + 50_000 * signal
    new, _ = rows(80, seed=1)
    theirs = SVR(epsilon=0.05, **settings).fit(numbers, (prices - prices.mean()) / prices.std())
    expected = theirs.predict(new) * prices.std() + prices.mean()
    raw = fit(numbers, prices[:, None], epsilon=0.05, **settings).raw({"numbers": new})
    np.testing.assert_allclose(raw, expected[:, None], rtol=1e-9)


@pytest.mark.parametrize("settings", [KERNELS[1], KERNELS[3]])
@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_agree_with_scikit_learn(classes, settings):
    numbers, signal = rows(150)
    target = np.digitize(signal, np.quantile(signal, [0.3, 0.8][: classes - 1]))
    split = StratifiedKFold(5, shuffle=True, random_state=7)
    theirs = CalibratedClassifierCV(SVC(**settings), ensemble=False, cv=split)
    theirs = theirs if classes == 2 else OneVsRestClassifier(theirs)
    expected = theirs.fit(numbers, target).predict_proba(numbers)
    raw = fit(numbers, target, outputs=classes, **settings).raw({"numbers": numbers})
    np.testing.assert_allclose(np.exp(raw), expected, rtol=0, atol=1e-9)


def test_class_weights_are_row_weights_of_machine_and_calibration():
    numbers, signal = rows(150)
    target = (signal > np.quantile(signal, 0.8)).astype(np.int64)
    split = StratifiedKFold(5, shuffle=True, random_state=7)
    theirs = CalibratedClassifierCV(SVC(), ensemble=False, cv=split)
    theirs.fit(numbers, target, sample_weight=compute_sample_weight("balanced", target))
    raw = fit(numbers, target, outputs=2, class_weights="balanced").raw({"numbers": numbers})
    np.testing.assert_allclose(np.exp(raw), theirs.predict_proba(numbers), rtol=0, atol=1e-9)


def test_a_class_of_one_row_or_none_gets_the_floor():
    numbers, signal = rows(150)
    target = np.digitize(signal, np.quantile(signal, [0.5]))
    target[5] = 2
    raw = fit(numbers, target, outputs=4).raw({"numbers": numbers})
    np.testing.assert_array_equal(raw[:, 2:], FLOOR)
    np.testing.assert_allclose(np.exp(raw).sum(axis=1), 1, atol=1e-12)


def test_classes_too_small_to_calibrate_are_refused():
    numbers, _ = rows(20)
    with pytest.raises(UserError, match="two classes with at least two"):
        fit(numbers, np.eye(20, dtype=np.int64)[3], outputs=2)


def test_a_constant_target_is_answered():
    numbers, _ = rows(20)
    np.testing.assert_allclose(fit(numbers, np.full((20, 1), 3.0)).raw({"numbers": numbers}), 3.0)


@pytest.mark.parametrize("gamma", [0, -1.0, "large"])
def test_gamma_is_checked(gamma):
    with pytest.raises(Faults, match=r"m\.gamma"):
        models.build({"name": "support_vectors", "gamma": gamma}, "m")


def test_probabilities_are_calibrated_by_the_folds_that_are_handed_down():
    """Rows come in groups of twins: with twins kept together the machine is less sure of itself."""
    numbers, signal = rows(60)
    target = (signal + np.random.default_rng(1).normal(0, 1.5, 60) > 1).astype(np.int64)
    numbers, target, group = np.repeat(numbers, 4, axis=0), np.repeat(target, 4), np.repeat(np.arange(60), 4)
    pairs = list(GroupKFold(5).split(numbers, target, group))
    theirs = CalibratedClassifierCV(SVC(gamma=5.0), ensemble=False, cv=pairs).fit(numbers, target)
    mine = fit(numbers, target, outputs=2, folds=lambda: pairs, gamma=5.0)
    np.testing.assert_allclose(np.exp(mine.raw({"numbers": numbers})), theirs.predict_proba(numbers), atol=1e-9)
    leaky = fit(numbers, target, outputs=2, gamma=5.0)
    sure = [np.exp(model.raw({"numbers": numbers})).max(axis=1).mean() for model in (mine, leaky)]
    assert sure[0] < sure[1] - 0.1


def test_a_machine_may_be_calibrated_on_some_rows_alone():
    numbers, signal = rows(150)
    target = np.digitize(signal, np.quantile(signal, [0.5]))
    target[7] = 2  # a class of one row is left aside, and the folds go by the other rows
    later = [(np.arange(50), np.arange(50, 100)), (np.arange(100), np.arange(100, 150))]
    raw = fit(numbers, target, outputs=3, folds=lambda: later).raw({"numbers": numbers})
    assert (raw[:, :2].argmax(axis=1) == target)[target < 2].mean() > 0.8
    for nothing in (list, lambda: [(np.flatnonzero(target == 0), np.flatnonzero(target == 1))]):
        own = fit(numbers, target, outputs=3, folds=nothing).raw({"numbers": numbers})
        np.testing.assert_array_equal(own, fit(numbers, target, outputs=3).raw({"numbers": numbers}))


def test_rows_that_weigh_nothing_are_as_good_as_not_there():
    """Also all rows of a class, which libsvm would refuse: it is as improbable as one that no row has."""
    numbers, signal = rows(150)
    target = np.digitize(signal, np.quantile(signal, [0.3, 0.7]))
    weighs = target > 0
    spec = Spec(shapes={"numbers": (3,)}, outputs=3)
    model = models.build("support_vectors", "model").build(spec, tasks.build("classification", "task"), 7)
    model.fit({"numbers": numbers, "target": target, "row_weight": weighs.astype(np.float32)}, None, Plan())
    raw, without = model.raw({"numbers": numbers}), fit(numbers[weighs], target[weighs], outputs=3)
    assert (raw[:, 0] == FLOOR).all() and (raw[:, 1:] > FLOOR).all()
    np.testing.assert_allclose(raw, without.raw({"numbers": numbers}), rtol=1e-6)
