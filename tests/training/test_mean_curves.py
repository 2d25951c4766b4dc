"""The mean of several fits' curves."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.models.estimators.boosting import thinned
from pipeline.training.curves import mean_curves


def test_thinned_curves_are_averaged_at_the_same_iterations():
    """Each of them has points a step of its own apart: every second, every fifth, every single one."""
    folds = [thinned([1.0 / k for k in range(1, last + 1)], None) for last in (400, 1000, 200)]
    assert len({tuple(fold["iteration"][:3]) for fold in folds}) == 3
    mean = mean_curves(folds)
    assert mean["iteration"] == [float(k) for k in range(5, 201)]  # what all have, as far as all go
    at = np.array(mean["iteration"])
    np.testing.assert_allclose(mean["train_loss"], 1 / at, rtol=0.1)
    np.testing.assert_allclose(mean["train_loss"][5::10], 1 / at[5::10], rtol=1e-12)  # points of all three


def test_a_fold_that_ends_before_another_s_first_point_is_a_point():
    mean = mean_curves([thinned([3.0, 2.0, 1.0], None), thinned([5.0] * 2000, None)])
    assert mean == {"iteration": [3.0], "train_loss": [3.0]}


def test_curves_of_epochs_are_averaged_by_epoch():
    folds = [{"train_loss": [4.0, 2.0, 1.0], "clipped": [0.5]}, {}, {"train_loss": [2.0, 1.0]}]
    assert mean_curves(folds) == {"train_loss": [pytest.approx(3.0), pytest.approx(1.5)]}
    assert mean_curves([]) == mean_curves([{}]) == {}
