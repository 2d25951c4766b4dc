"""Blends against brute force, scipy and scikit-learn."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, nnls

from pipeline.blends import blends
from pipeline.blends.cross_fitting import cross_fitted

NUMERIC = [name for name in blends if blends.get(name).numeric]


def build(name, **body):
    return blends.build({"name": name, **body}, "competitions.x.blend")


def frame(values):
    return pd.DataFrame({"prediction": values})


def mean_of(frames, weights):
    assert sum(weights) == pytest.approx(1)
    return sum(part * weight for part, weight in zip(frames, weights, strict=True))


def log_mean_of(frames, weights):
    return np.exp(mean_of([np.log(part) for part in frames], weights))


def rmse(predictions, target):
    return float(np.sqrt(np.mean((predictions["prediction"].to_numpy() - target.to_numpy()) ** 2)))


def log_rmse(predictions, target):
    return rmse(np.log(predictions), np.log(target))


def weigh(blend, frames, target, score=rmse, average=mean_of, higher_is_better=False):
    return blend.weights(frames, target, lambda f: score(f, target), average, higher_is_better)


def library(models=4, rows=300, seed=0):
    random = np.random.default_rng(seed)
    truth = random.normal(10, 3, rows)
    noise = [0.5, 1.0, 0.8, 2.0, 1.5, 0.7, 0.9, 1.1, 1.2, 3.0][:models]
    return [frame(truth + random.normal(0, n, rows)) for n in noise], pd.Series(truth)


@pytest.mark.parametrize("name", list(blends))
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
    assert weigh(build(name, **({"iterations": 1} if name == "greedy" else {})), frames[:1] * 3, target) == [1, 0, 0]


def test_best_takes_texts():
    target = pd.Series(["a", "b"])
    frames = [frame(["x", "b"]), frame(["a", "b"])]
    score = lambda f: float((f["prediction"] == target).mean())  # noqa: E731
    assert build("best").weights(frames, target, score, None, True) == [0.0, 1.0]
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
    weights = weigh(build("greedy", iterations=30), frames, target)
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
    weights = weigh(build("greedy"), frames, target)
    assert weights == pytest.approx(found.x, abs=0.02)
    assert rmse(mean_of(frames, weights), target) <= min(rmse(part, target) for part in frames)


def test_greedy_follows_metrics_that_go_up():
    frames, target = library(4)
    up = weigh(build("greedy"), frames, target, score=lambda f, t: -rmse(f, t), higher_is_better=True)
    assert up == weigh(build("greedy"), frames, target)


def test_greedy_bags_are_seeded_and_choose_from_part_of_the_models():
    frames, target = library(6)
    bagged = [weigh(build("greedy", bags=6, seed=seed, iterations=8), frames, target) for seed in (0, 0, 1)]
    assert bagged[0] == bagged[1] != bagged[2]
    assert sum(weight > 0 for weight in bagged[0]) >= sum(
        w > 0 for w in weigh(build("greedy", iterations=8), frames, target)
    )


def test_greedy_with_ten_models_takes_under_two_seconds():
    frames, target = library(10, rows=1500)
    began = time.process_time()
    weigh(build("greedy", iterations=100), frames, target)
    assert time.process_time() - began < 2


def test_non_negative_is_scipys_nnls_scaled():
    frames, target = library(4)
    frames[3] = frame(-target + 1)  # no use, as no weight may be negative
    solution, _ = nnls(np.stack([part["prediction"] for part in frames], axis=1), target)
    assert weigh(build("non_negative"), frames, target) == pytest.approx(solution / solution.sum(), abs=1e-9)
    assert solution[3] == 0


def test_non_negative_takes_logarithms_where_they_score_better():
    random = np.random.default_rng(0)
    target = pd.Series(random.lognormal(12, 1, 400))
    frames = [frame(target * random.lognormal(0, spread, 400)) for spread in (0.3, 0.5)]
    weights = weigh(build("non_negative"), frames, target, log_rmse, log_mean_of)
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


@pytest.mark.parametrize("name", NUMERIC)
def test_cross_fitted_weights_never_see_their_own_fold(name):
    frames, target = library(3, rows=90)
    fold = np.random.default_rng(1).integers(0, 3, 90)
    blend = build(name, **({"iterations": 20} if name == "greedy" else {}))
    honest = cross_fitted(frames, target, fold, blend, rmse, mean_of, False)
    assert honest.index.tolist() == list(range(90))
    for k in range(3):
        others = np.flatnonzero(fold != k)
        seen = [part.iloc[others].reset_index(drop=True) for part in frames]
        weights = weigh(blend, seen, target.iloc[others].reset_index(drop=True))
        expected = mean_of(frames, weights)["prediction"].to_numpy()[fold == k]
        assert honest["prediction"].to_numpy()[fold == k] == pytest.approx(expected)
    changed = target.where(pd.Series(fold) != 2, 1e6)  # its own targets do not reach fold 2
    again = cross_fitted(frames, changed, fold, blend, rmse, mean_of, False)
    assert (again[fold == 2] == honest[fold == 2]).all().all()


def test_cross_fitted_of_a_single_hold_out_and_of_texts():
    frames, target = library(3, rows=23)
    honest = cross_fitted(frames, target, np.zeros(23, int), build("greedy"), rmse, mean_of, False)
    assert len(honest) == 23
    assert honest.notna().all().all()
    texts = [frame(["a"] * 6), frame(["b"] * 6)]
    right = pd.Series(["b"] * 6)
    chosen = cross_fitted(
        texts, right, np.arange(6) % 2, build("best"), lambda f, t: float((f["prediction"] == t).mean()), None, True
    )
    assert chosen["prediction"].tolist() == ["b"] * 6


def test_the_honest_score_is_not_flattered_by_many_useless_models():
    """Twelve models of pure noise: weights look good on the rows they were chosen on, and only there."""
    random = np.random.default_rng(0)
    target = pd.Series(random.normal(size=100))
    frames = [frame(random.normal(size=100)) for _ in range(12)]
    fold = np.arange(100) % 5
    flattered = rmse(mean_of(frames, weigh(build("greedy", iterations=15), frames, target)), target)
    honest = rmse(cross_fitted(frames, target, fold, build("greedy", iterations=15), rmse, mean_of, False), target)
    assert flattered < target.std() < honest
