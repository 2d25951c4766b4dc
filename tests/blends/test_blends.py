"""Blends against brute force, scipy and scikit-learn."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, nnls

from pipeline.blends import blends
from pipeline.core.combination import Library

AVERAGES = [name for name in blends if name not in ("stacked", "mixture", "consensus")]


class MeanTask:
    """Averages of numbers, of logarithms where asked; what blends see of a task."""

    target_kind = "number"

    def __init__(self, logarithmic=False):
        self.logarithmic = logarithmic

    def of_no_rows(self, target):
        return target

    def average(self, frames, weights, target):
        assert sum(weights) == pytest.approx(1)
        return log_mean_of(frames, weights) if self.logarithmic else mean_of(frames, weights)


class ClassTask(MeanTask):
    target_kind = "class"


class ScoredBy:
    """A metric of a plain function."""

    def __init__(self, function, higher_is_better=False):
        self.function, self.higher_is_better = function, higher_is_better

    def score(self, target, predictions):
        return self.function(predictions, target)


def build(name, **body):
    return blends.build({"name": name, **body}, "competitions.x.blend")


def frame(values):
    return pd.DataFrame({"prediction": values})


def mean_of(frames, weights):
    return sum(part * weight for part, weight in zip(frames, weights, strict=True))


def log_mean_of(frames, weights):
    return np.exp(mean_of([np.log(part) for part in frames], weights))


def rmse(predictions, target):
    return float(np.sqrt(np.mean((predictions["prediction"].to_numpy() - target.to_numpy()) ** 2)))


def log_rmse(predictions, target):
    return rmse(np.log(predictions), np.log(target))


def weigh(blend, frames, target, score=rmse, task=None, higher_is_better=False):
    combination = blend.fit(Library(frames, target, task or MeanTask(), None, ScoredBy(score, higher_is_better)))
    assert combination.intercept is None
    return combination.weights


def library(models=4, rows=300, seed=0):
    random = np.random.default_rng(seed)
    truth = random.normal(10, 3, rows)
    noise = [0.5, 1.0, 0.8, 2.0, 1.5, 0.7, 0.9, 1.1, 1.2, 3.0][:models]
    return [frame(truth + random.normal(0, n, rows)) for n in noise], pd.Series(truth)


@pytest.mark.parametrize("name", AVERAGES)
@pytest.mark.parametrize("models", [1, 2, 4])
def test_weights_are_one_a_model_and_sum_to_one(name, models):
    frames, target = library(models)
    weights = weigh(build(name), frames, target)
    assert len(weights) == models
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    assert all(type(weight) is float for weight in weights)
    assert weights == weigh(build(name), frames, target)


def test_equal_and_best():
    frames, target = library(4)
    assert weigh(build("equal"), frames, target) == [0.25] * 4
    assert weigh(build("best"), frames, target) == [1.0, 0.0, 0.0, 0.0]
    worst = weigh(build("best"), frames, target, higher_is_better=True)
    assert worst == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["best", "greedy"])
def test_of_equal_models_the_earlier_is_taken(name):
    frames, target = library(2)
    assert weigh(build(name, **({"iterations": 1, "bags": 1} if name == "greedy" else {})), frames[:1] * 3, target) == [
        1,
        0,
        0,
    ]


def test_best_takes_texts():
    target = pd.Series(["a", "b"])
    frames = [frame(["x", "b"]), frame(["a", "b"])]
    score = lambda f: float((f["prediction"] == target).mean())  # noqa: E731
    assert weigh(build("best"), frames, target, lambda f, t: score(f), higher_is_better=True) == [0.0, 1.0]
    assert not build("best").numeric


def test_greedy_is_forward_selection_with_replacement():
    """Held to a plain one: counts, each time averaged anew over all that were taken."""
    frames, target = library(4)
    stacked = np.stack([part["prediction"] for part in frames])
    counts, history = np.zeros(4), []
    for _ in range(30):
        averages = (np.eye(4) + counts) @ stacked / (counts.sum() + 1)  # [candidates, rows]
        losses = np.mean((averages - target.to_numpy()) ** 2, axis=1)
        counts[int(np.argmin(losses))] += 1
        history.append((losses.min(), counts.copy()))
    expected = min(history, key=lambda item: item[0])[1]
    weights = weigh(build("greedy", iterations=30, bags=1), frames, target)
    assert weights == pytest.approx(expected / expected.sum(), abs=1e-12)


def test_greedy_comes_near_the_best_weights_there_are():
    frames, target = library(4)
    stacked = np.stack([part["prediction"] for part in frames], axis=1)
    found = minimize(
        lambda w: np.mean((stacked @ w - target) ** 2),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-12,
    )
    weights = weigh(build("greedy", iterations=100, bags=1), frames, target)
    assert weights == pytest.approx(found.x, abs=0.03)
    assert weigh(build("greedy"), frames, target) == pytest.approx(found.x, abs=0.1)
    assert rmse(mean_of(frames, weights), target) <= min(rmse(part, target) for part in frames)


def test_greedy_follows_metrics_that_go_up():
    frames, target = library(4)
    up = weigh(build("greedy"), frames, target, score=lambda f, t: -rmse(f, t), higher_is_better=True)
    assert up == weigh(build("greedy"), frames, target)


def test_a_bag_is_a_greedy_choice_on_rows_drawn_with_replacement():
    frames, target = library(4, rows=80)
    seen = []

    def watched(predictions, truth):
        seen.append(truth.to_numpy())
        return rmse(predictions, truth)

    bagged = weigh(build("greedy", bags=3, seed=5), frames, target, watched)
    drawn = {values.tobytes(): values for values in seen}
    expected = np.zeros(4)
    for values in drawn.values():
        assert len(values) == 80
        assert len(np.unique(values)) < 70
        rows = [int(np.flatnonzero(target == value)[0]) for value in values]
        parts = [part.iloc[rows].reset_index(drop=True) for part in frames]
        expected += weigh(build("greedy", bags=1), parts, target.iloc[rows].reset_index(drop=True))
    assert len(drawn) == 3
    assert bagged == pytest.approx(expected / 3)


def test_greedy_bags_are_seeded_and_may_choose_from_part_of_the_models():
    frames, target = library(6)
    bagged = [weigh(build("greedy", bags=6, fraction=0.5, seed=seed), frames, target) for seed in (0, 0, 1)]
    assert bagged[0] == bagged[1] != bagged[2]
    assert sum(weight > 0 for weight in bagged[0]) >= sum(w > 0 for w in weigh(build("greedy", bags=1), frames, target))


def test_a_rare_class_is_in_every_bag():
    target = pd.Series(["no"] * 97 + ["yes"] * 3)
    random = np.random.default_rng(0)
    frames = [pd.DataFrame({"no": 1 - p, "yes": p}) for p in random.random((3, 100))]
    seen = []

    def watched(predictions, truth):
        seen.append(int((truth == "yes").sum()))
        return float(np.mean((predictions["yes"] - (truth == "yes")) ** 2))

    weigh(build("greedy"), frames, target, watched, ClassTask())
    assert set(seen) == {3}


@pytest.mark.parametrize("kind", ["labels", "classes", "numbers"])
def test_each_target_is_in_every_bag_with_all_its_classes(kind):
    random = np.random.default_rng(0)
    target = pd.DataFrame({"a": [1.0, *[0.0] * 59], "b": [*[np.nan] * 59, 1.0], "c": random.normal(size=60)})
    if kind != "numbers":
        target["c"] = target["c"] > 1.5
    frames = [target.fillna(0.5) + random.normal(0, 0.1, target.shape) for _ in range(2)]

    class SeveralTask(MeanTask):
        target_kind = kind

    seen = []

    def watched(predictions, truth):
        seen.append([truth[name].nunique() for name in truth])
        return 0.0

    weigh(build("greedy", iterations=1), frames, target, watched, SeveralTask())
    if kind == "numbers":
        assert all(known for _, known, _ in seen)
    else:
        assert set(map(tuple, seen)) == {(2, 1, 2)}


def test_greedy_with_ten_models_takes_under_four_seconds():
    frames, target = library(10, rows=1500)
    began = time.process_time()
    weigh(build("greedy"), frames, target)
    assert time.process_time() - began < 4


def test_greedy_looks_at_no_more_rows_than_it_needs():
    frames, target = library(2, rows=100_000)
    seen = []
    weigh(build("greedy", bags=2, iterations=2), frames, target, lambda f, t: seen.append(len(t)) or rmse(f, t))
    assert set(seen) == {20_000}


def test_non_negative_is_scipys_nnls_scaled():
    frames, target = library(4)
    frames[3] = frame(-target + 1)  # no use, as no weight may be negative
    solution, _ = nnls(np.stack([part["prediction"] for part in frames], axis=1), target)
    assert weigh(build("non_negative"), frames, target) == pytest.approx(solution / solution.sum(), abs=1e-9)
    assert solution[3] == 0


def test_non_negative_of_one_of_several_targets_whose_name_is_prediction():
    frames, target = library(3)
    assert weigh(
        build("non_negative"), frames, target.to_frame("prediction"), lambda told, truth: 0.0
    ) == pytest.approx(weigh(build("non_negative"), frames, target))


def test_non_negative_takes_logarithms_where_they_score_better():
    random = np.random.default_rng(0)
    target = pd.Series(random.lognormal(12, 1, 400))
    frames = [frame(target * random.lognormal(0, spread, 400)) for spread in (0.3, 0.5)]
    weights = weigh(build("non_negative"), frames, target, log_rmse, MeanTask(logarithmic=True))
    solution, _ = nnls(np.log(np.stack([part["prediction"] for part in frames], axis=1)), np.log(target))
    assert weights == pytest.approx(solution / solution.sum(), abs=1e-9)


def test_non_negative_fits_probabilities_of_all_classes():
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 200)
    target = pd.Series(np.array([1, 2, 3])[codes])
    frames = []
    for strength in (2.0, 1.0, 0.0):
        p = np.exp(random.normal(size=(200, 3)) + strength * np.eye(3)[codes])
        frames.append(pd.DataFrame(p / p.sum(axis=1, keepdims=True), columns=["1", "2", "3"]))

    def brier(predictions, truth):
        return float(np.mean((predictions.to_numpy() - np.eye(3)[truth - 1]) ** 2))

    weights = weigh(build("non_negative"), frames, target, brier)
    solution, _ = nnls(np.stack([part.to_numpy().ravel() for part in frames], axis=1), np.eye(3)[codes].ravel())
    assert weights == pytest.approx(solution / solution.sum(), abs=1e-9)


def test_non_negative_falls_back_to_the_best_model():
    target = pd.Series([1.0, 2.0, 3.0])
    assert weigh(build("non_negative"), [frame([-3.0, -2.0, -1.0]), frame([-1.0, -1.0, -1.0])], target) == [0.0, 1.0]
