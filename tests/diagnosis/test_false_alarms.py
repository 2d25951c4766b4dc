"""Clean competitions: alarms come by chance no more often than is said."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom
from simulated import alarms

from pipeline.diagnosis import adversarial
from pipeline.diagnosis.base import RATE
from pipeline.diagnosis.chance import holm, interval

COMPETITIONS = 40
"""``benchmarks/false_alarms.py`` has two hundred."""


def test_alarms_by_chance_are_as_rare_as_said_and_p_values_mean_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adversarial, "PERMUTATIONS", 60)
    told = alarms(tmp_path, range(COMPETITIONS))
    alarmed = sum(bool(codes) for codes, _ in told)
    assert alarmed <= binom.ppf(0.995, COMPETITIONS, RATE)  # more come once in two hundred such tests
    shares = [np.mean([p < level for _, p in told]) for level in (0.25, 0.5, 0.75)]
    bounds = [binom.interval(0.998, COMPETITIONS, level) for level in (0.25, 0.5, 0.75)]
    assert all(low <= share * COMPETITIONS <= high for share, (low, high) in zip(shares, bounds, strict=True))


def test_holm_is_what_it_says():
    assert holm([0.01, 0.04, 0.03]).tolist() == [0.03, 0.06, 0.06]
    assert holm([]).tolist() == [] and holm([0.7, 0.9]).tolist() == [1.0, 1.0]


def test_intervals_over_folds_hold_their_mean_and_need_two():
    low, high = interval([0.1, 0.2, 0.3])
    assert low < 0.2 < high and interval([0.1]) is None
