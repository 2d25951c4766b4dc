"""Clean competitions: alarms come by chance no more often than is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
from stored import Stored

from pipeline.diagnosis import adversarial
from pipeline.diagnosis.base import RATE
from pipeline.diagnosis.chance import holm, interval
from pipeline.diagnosis.findings import findings

COMPETITIONS, ROWS = 80, 120


def clean(seed: int, tmp_path) -> Stored:
    """Training and test rows of one distribution: skewed, missing, rare and frequent levels; a model of some skill."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "a": generator.normal(size=2 * ROWS),
            "b": np.exp(generator.normal(size=2 * ROWS)),
            "c": generator.integers(0, 6, 2 * ROWS).astype(float),
            "d": [f"level {i}" for i in generator.geometric(0.15, 2 * ROWS)],
        }
    )
    rows["y"] = np.where(generator.random(2 * ROWS) < 1 / (1 + np.exp(-1.5 * rows["a"])), "yes", "no")
    rows.loc[generator.random(2 * ROWS) < 0.2, "b"] = np.nan
    made = Stored(tmp_path, rows.iloc[:ROWS], rows.iloc[ROWS:].drop(columns="y"), "y")
    told = 1 / (1 + np.exp(-1.2 * rows["a"] + 0.3 * generator.normal(size=2 * ROWS)))
    frame = pd.DataFrame({"no": 1 - told, "yes": told})
    made.predicted("some", frame.iloc[:ROWS].reset_index(drop=True), frame.iloc[ROWS:].reset_index(drop=True))
    return made


def test_alarms_by_chance_are_as_rare_as_said_and_p_values_mean_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adversarial, "PERMUTATIONS", 60)
    asked = [findings.build(code, "findings") for code in findings if findings.get(code).by_chance]
    alarmed, of_shift = 0, []
    for seed in range(COMPETITIONS):
        evidence = clean(seed, tmp_path).write()
        evidence.level = RATE / len(asked)
        alarmed += any(finding.look(evidence) is not None for finding in asked)
        of_shift.append(evidence.shift["p"])
    assert alarmed / COMPETITIONS <= RATE + 0.02
    shares = [np.mean(np.array(of_shift) < level) for level in (0.1, 0.25, 0.5)]
    np.testing.assert_allclose(shares, [0.1, 0.25, 0.5], atol=0.1)


def test_holm_is_what_it_says():
    assert holm([0.01, 0.04, 0.03]).tolist() == [0.03, 0.06, 0.06]
    assert holm([]).tolist() == [] and holm([0.7, 0.9]).tolist() == [1.0, 1.0]


def test_intervals_over_folds_hold_their_mean_and_need_two():
    low, high = interval([0.1, 0.2, 0.3])
    assert low < 0.2 < high and interval([0.1]) is None
