"""Rows of ``source.extra`` are others by right: they are no shift of the test rows, and tell nothing of an order."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import ROWS, clean

from pipeline.diagnosis import adversarial

CODES = ("POD201", "POD202", "POD203", "POD204", "POD302")


def with_extra(root):
    """Sixty rows from elsewhere, marked, which are others in every way."""
    made = clean(0, root)
    made.take(np.concatenate([np.arange(ROWS), np.arange(60)]))
    made.fold[ROWS:], made.extra = -1, 60
    made.train.loc[ROWS:, "a"] += 4
    made.train.loc[ROWS:, "b"] = np.nan
    made.train.loc[ROWS:, "e"] = [f"elsewhere {i % 3}" for i in range(60)]
    made.train.loc[ROWS:, "y"] = "yes"
    made.train["marked"], made.test["marked"] = [0.0] * ROWS + [1.0] * 60, 0.0
    return made


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adversarial, "PERMUTATIONS", 60)


def test_they_are_no_shift_and_no_order(tmp_path):
    made = with_extra(tmp_path)
    assert made.find(*CODES) == {}
    made.extra = 0  # as rows of the training file they would be
    assert set(made.find(*CODES)) == set(CODES)


def test_a_level_that_they_teach_is_not_unseen(tmp_path):
    made = with_extra(tmp_path)
    made.test.loc[::4, "e"] = "elsewhere 1"
    assert "POD203" not in made.find("POD203")
    made.test.loc[::4, "e"] = "nowhere"
    assert "'nowhere'" in made.find("POD203")["POD203"]["measured"]
