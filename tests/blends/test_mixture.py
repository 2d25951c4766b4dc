"""Language models interpolated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from pipeline.blends import blends
from pipeline.core.combination import Library
from pipeline.core.ragged import Ragged
from pipeline.metrics import metrics
from pipeline.tasks import tasks

TASK = tasks.build("language_model", "t")
CODEC = TASK.fit_target(None, None)


def library(*models: list[list[float]]) -> Library:
    frames = [TASK.predictions(Ragged.from_lists(rows, np.float64), CODEC, None) for rows in models]
    target = pd.Series([float(len(row)) for row in models[0]])
    return Library(frames, target, TASK, CODEC, metrics.build("perplexity", "m"))


def drawn(seed: int, lengths=(30, 1, 44)) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [np.log(random.uniform(0.01, 1, length)).tolist() for length in lengths]


def test_weights_are_those_of_least_perplexity():
    two = library(drawn(0), drawn(1))
    weights = blends.build("mixture", "b").weights(two)
    first, second = (np.exp(np.concatenate(frame["log_probabilities"])) for frame in two.frames)
    best = minimize_scalar(lambda w: -np.log(w * first + (1 - w) * second).sum(), bounds=(0, 1), method="bounded").x
    np.testing.assert_allclose(weights, [best, 1 - best], atol=1e-3)
    alone = min(two.loss(frame) for frame in two.frames)
    assert two.loss(two.average(two.frames, weights)) < alone


def test_a_model_that_is_worse_everywhere_has_no_weight():
    good = drawn(0)
    bad = [[one - 2 for one in row] for row in good]
    assert blends.build("mixture", "b").weights(library(good, bad)) == [1.0, 0.0]


def test_other_tokens_are_mixed_by_rows():
    other = [[-3.0], [-1.0, -1.0], [-2.0]]
    weights = blends.build("mixture", "b").weights(library(drawn(0, (3, 2, 1)), other))
    assert abs(sum(weights) - 1) < 1e-9 and min(weights) > 0
