"""Thresholds and cut points against brute force and known optima."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics import metrics
from pipeline.metrics.decisions import CutPoints, Thresholds, fit_decision, restore_decision

DECIDED = [name for name in metrics if getattr(metrics.get(name), "decision", None) == "thresholds"]


def build(name, **body):
    return metrics.build({"name": name, **body}, "metric")


def binary(rows, share, seed=0, spread=1.5):
    """Calibrated probabilities of a class that ``share`` of the rows have."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-random.normal(np.log(share / (1 - share)), spread, rows)))
    return pd.Series((random.random(rows) < p).astype(int)), pd.DataFrame({"0": 1 - p, "1": p})


def several(rows, shares, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(np.log(shares), 1.2, (rows, len(shares)))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (random.random(rows)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return pd.Series(codes), pd.DataFrame(p, columns=[str(k) for k in range(len(shares))])


def test_a_threshold_divides_two_classes_where_it_says():
    frame = pd.DataFrame({"no": [0.71, 0.69, 0.2], "yes": [0.29, 0.31, 0.8]}, index=[5, 6, 7])
    decided = Thresholds({"no": 0.7, "yes": 0.3}).apply(frame)
    assert decided.idxmax(axis=1).to_dict() == {5: "no", 6: "yes", 7: "yes"}
    np.testing.assert_allclose(decided.sum(axis=1), 1)


def test_half_and_half_changes_nothing():
    _, frame = binary(100, 0.3)
    np.testing.assert_allclose(Thresholds({"0": 0.5, "1": 0.5}).apply(frame), frame)


@pytest.mark.parametrize(
    ("name", "share"), [("f1", 0.1), ("balanced_accuracy", 0.1), ("matthews", 0.1), ("kappa", 0.1)]
)
def test_the_threshold_is_near_the_best_there_is(name, share):
    metric = build(name)
    target, frame = binary(20_000, share)
    unseen, unseen_frame = binary(20_000, share, seed=1)
    found = fit_decision(metric, target, frame)
    tried = [Thresholds({"0": 1 - t, "1": t}).apply(unseen_frame) for t in np.linspace(0.02, 0.98, 97)]
    best = max(metric.score(unseen, one) for one in tried)
    reached = metric.score(unseen, found.apply(unseen_frame))
    assert reached > metric.score(unseen, unseen_frame) + 0.03
    assert reached == pytest.approx(best, abs=0.005)


def test_f1_of_calibrated_probabilities_is_best_at_half_its_best_value():
    """Lipton et al. 2014, Thresholding Classifiers to Maximize F1 Score."""
    metric = build("f1")
    target, frame = binary(50_000, 0.15)
    found = fit_decision(metric, target, frame)
    assert found.thresholds["1"] == pytest.approx(metric.score(target, found.apply(frame)) / 2, abs=0.03)


def test_balanced_accuracy_of_calibrated_probabilities_is_best_at_the_classes_shares():
    shares = np.array([0.6, 0.25, 0.1, 0.05])
    target, frame = several(30_000, shares)
    found = fit_decision(build("balanced_accuracy"), target, frame)
    expected = target.value_counts(normalize=True).sort_index().to_numpy()
    assert list(found.thresholds.values()) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("name", DECIDED)
def test_several_classes_gain_on_rows_that_were_not_looked_at(name):
    metric = build(name, **({"average": "macro"} if name == "f1" else {}))
    shares = [0.75, 0.15, 0.07, 0.03]
    (target, frame), (unseen, unseen_frame) = several(6000, shares), several(6000, shares, seed=1)
    found = fit_decision(metric, target, frame)
    gain = metric.score(unseen, found.apply(unseen_frame)) - metric.score(unseen, unseen_frame)
    assert gain > (-0.005 if name == "accuracy" else 0.02)
    assert sum(found.thresholds.values()) == pytest.approx(1)


def test_the_positive_class_may_be_the_first():
    target, frame = binary(5000, 0.1)
    turned = frame[["1", "0"]]
    found = fit_decision(build("f1", positive=1), target, turned)
    assert found.thresholds == pytest.approx(fit_decision(build("f1"), target, frame).thresholds, abs=0.03)


@pytest.mark.parametrize("name", ["f1", "matthews"])
def test_what_few_rows_choose_serves_new_rows_better_than_the_peak_of_their_curve(name):
    metric = build(name)
    unseen, unseen_frame = binary(20_000, 0.2, seed=99)
    grid = np.linspace(0.02, 0.9, 89)
    on_new_rows = [metric.score(unseen, Thresholds({"0": 1 - t, "1": t}).apply(unseen_frame)) for t in grid]
    chosen, peak = [], []
    for seed in range(15):
        target, frame = binary(120, 0.2, seed=seed)
        t = fit_decision(metric, target, frame).thresholds["1"]
        chosen.append(np.interp(t, grid, on_new_rows))
        scores = [metric.score(target, Thresholds({"0": 1 - t, "1": t}).apply(frame)) for t in grid]
        peak.append(on_new_rows[int(np.argmax(scores))])
    assert np.mean(chosen) > np.mean(peak)


def test_a_stretch_of_equal_thresholds_is_cut_in_its_middle():
    target = pd.Series([0] * 50 + [1] * 50)
    p = np.repeat([0.2, 0.4], 50)
    found = fit_decision(build("f1"), target, pd.DataFrame({"0": 1 - p, "1": p}))
    assert found.thresholds["1"] == pytest.approx(0.29, abs=0.04)  # the middle of 0.2 and 0.4 in log odds


def test_ordered_classes_are_cut_along_their_mean():
    metric = build("quadratic_weighted_kappa")

    def graded(seed):
        """Grades 0 to 4 of a hidden quality; the probabilities are pulled to the middle."""
        random = np.random.default_rng(seed)
        quality = random.normal(2, 1.2, 4000)
        grade = np.clip(np.rint(quality + random.normal(0, 0.4, 4000)), 0, 4).astype(int)
        logits = -np.square(0.5 * (quality - 2)[:, None] + 2 - np.arange(5)) / 2
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return pd.Series(grade), pd.DataFrame(p, columns=list("01234"))

    (target, frame), (unseen, unseen_frame) = graded(0), graded(1)
    found = fit_decision(metric, target, frame)
    assert len(found.cuts) == 4
    assert list(found.cuts) == sorted(found.cuts)
    decided = metric.score(unseen, found.apply(unseen_frame))
    rounded = CutPoints([0.5, 1.5, 2.5, 3.5]).apply(unseen_frame)
    assert decided > metric.score(unseen, unseen_frame) + 0.05
    assert decided > metric.score(unseen, rounded) + 0.05


def test_numbers_that_stand_for_grades_are_cut_too():
    metric = build("quadratic_weighted_kappa")
    random = np.random.default_rng(0)
    target = pd.Series(random.integers(3, 8, 2000))
    shrunk = pd.DataFrame({"prediction": 5 + 0.4 * (target - 5) + random.normal(0, 0.1, 2000)})
    found = fit_decision(metric, target, shrunk)
    answers = found.apply(shrunk)["prediction"]
    assert set(answers) == {3, 4, 5, 6, 7}
    assert metric.score(target, found.apply(shrunk)) > 0.95 > metric.score(target, shrunk)


@pytest.mark.parametrize("average", ["binary", "macro", "weighted", "micro"])
def test_a_metric_of_the_matrix_is_that_of_the_rows(average):
    target, frame = binary(300, 0.4)
    metric = build("f1", average=average)
    matrix = pd.crosstab(target, frame.to_numpy().argmax(axis=1)).to_numpy()
    assert metric.of(matrix, ["0", "1"]) == metric.score(target, frame)


def test_kappa_of_the_matrix_is_that_of_the_rows():
    target, frame = several(500, [0.4, 0.3, 0.3])
    metric = build("quadratic_weighted_kappa")
    matrix = pd.crosstab(target, frame.to_numpy().argmax(axis=1)).to_numpy()
    assert metric.of(matrix, ["0", "1", "2"]) == pytest.approx(metric.score(target, frame))


def test_metrics_of_probabilities_take_none():
    target, frame = binary(50, 0.3)
    assert [fit_decision(build(name), target, frame) for name in ("log_loss", "roc_auc")] == [None, None]


@pytest.mark.parametrize("name", ["f1", "quadratic_weighted_kappa"])
def test_decisions_come_back_from_json_exactly(name):
    target, frame = several(300, [0.6, 0.3, 0.1])
    found = fit_decision(build(name, **({"average": "macro"} if name == "f1" else {})), target, frame)
    restored = restore_decision(json.loads(json.dumps(found.state())))
    pd.testing.assert_frame_equal(restored.apply(frame), found.apply(frame), check_exact=True)
