"""Calibration against scikit-learn, and on probabilities whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from pipeline.blends.calibration import CALIBRATIONS, fit_calibration, restore_calibration


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(classes, rows=4000, sharpness=1.0, shift=0.0, seed=0):
    """Targets drawn from known probabilities, and predictions that tell them wrongly."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, classes))
    truth = softmax(logits)
    codes = (random.random(rows)[:, None] > truth.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    names = [f"c{k}" for k in range(classes)]
    told = softmax(logits * sharpness + shift * np.arange(classes))
    return pd.Series(names)[codes].reset_index(drop=True), pd.DataFrame(told, columns=names), truth


def loss(target, frame):
    return log_loss(target, frame.to_numpy(), labels=list(frame))


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_finds_how_much_too_sure_the_predictions_are(classes):
    target, told, truth = drawn(classes, rows=20_000, sharpness=2.5)
    found = fit_calibration("temperature", target, told)
    assert found.power == pytest.approx(1 / 2.5, rel=0.05)
    assert found.biases == [0.0] * classes
    np.testing.assert_allclose(found.apply(told), truth, atol=0.02)


@pytest.mark.parametrize("classes", [2, 4])
def test_sigmoid_takes_a_bias_off_as_well(classes):
    target, told, truth = drawn(classes, rows=20_000, sharpness=2.0, shift=0.7)
    found = fit_calibration("sigmoid", target, told)
    np.testing.assert_allclose(found.apply(told), truth, atol=0.03)
    assert loss(target, found.apply(told)) < loss(target, fit_calibration("temperature", target, told).apply(told))


def test_sigmoid_of_two_classes_is_logistic_regression_on_the_logit():
    target, told, _ = drawn(2, sharpness=2.0, shift=0.5)
    logit = np.log(told["c1"] / told["c0"]).to_numpy()[:, None]
    expected = LogisticRegression(C=np.inf).fit(logit, target).predict_proba(logit)
    np.testing.assert_allclose(fit_calibration("sigmoid", target, told).apply(told), expected, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_isotonic_is_scikit_learns_averaged_with_what_was_given(classes):
    target, told, _ = drawn(classes, rows=500, sharpness=2.0)
    new = drawn(classes, rows=200, seed=1)[1]
    columns = [1] if classes == 2 else range(classes)
    fitted = np.empty((200, classes))
    for k in columns:
        curve = IsotonicRegression(out_of_bounds="clip").fit(told[f"c{k}"], target == f"c{k}")
        fitted[:, k] = np.clip(curve.predict(new[f"c{k}"]), 1 / 502, 1 - 1 / 502)
    if classes == 2:
        fitted[:, 0] = 1 - fitted[:, 1]
    expected = (fitted / fitted.sum(axis=1, keepdims=True) + new.to_numpy()) / 2
    np.testing.assert_allclose(fit_calibration("isotonic", target, told).apply(new), expected, atol=1e-12)


@pytest.mark.parametrize("kind", CALIBRATIONS)
@pytest.mark.parametrize("classes", [2, 3])
def test_calibrations_come_back_from_json_exactly_and_give_probabilities(kind, classes):
    target, told, _ = drawn(classes, rows=300, sharpness=3.0)
    told.iloc[0] = [1.0, *[0.0] * (classes - 1)]  # as forests and neighbours give
    found = fit_calibration(kind, target, told)
    restored = restore_calibration(json.loads(json.dumps(found.state())))
    answers = found.apply(told.set_axis(range(7, 307)))
    assert answers.index.tolist() == list(range(7, 307))
    pd.testing.assert_frame_equal(restored.apply(told.set_axis(range(7, 307))), answers, check_exact=True)
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    assert np.isfinite(np.log(answers.to_numpy())).all() or kind == "isotonic"
    assert loss(target, answers) < loss(target, told)


def test_few_rows_leave_probabilities_near_what_they_were():
    told = pd.DataFrame({"a": [0.4, 0.6], "b": [0.6, 0.4]})
    found = fit_calibration("temperature", pd.Series(["b", "a"]), told)  # both right: no sureness is too much
    assert 1 < found.power < 4
