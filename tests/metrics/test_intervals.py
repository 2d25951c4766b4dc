"""Intervals of metrics' scores, against rows drawn anew."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics import metrics


def test_the_interval_of_exact_matches_is_that_of_rows_drawn_anew():
    exact, random = metrics.build("exact_match", "metric"), np.random.default_rng(0)
    right = random.random(180) < 0.7
    target, frame = pd.Series(["ja"] * 180), pd.DataFrame({"prediction": np.where(right, "ja ", "nein")})
    draws = right[random.integers(180, size=(4000, 180))].mean(axis=1)
    assert exact.interval(target, frame) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.01)
    assert exact.interval(target[right], frame[right]) == (1, 1)
