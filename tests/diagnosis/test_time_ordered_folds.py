"""Where folds only ever predict the future, later rows are no rows that a fold trains on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from stored import FOLDS, Stored

BLOCK = 50


@pytest.fixture
def made(tmp_path, monkeypatch) -> Stored:
    """Six blocks of time, of which the first is never validated. Things have rows in two blocks side by side; the
    third block stands again in the last."""
    monkeypatch.chdir(tmp_path)
    generator, rows = np.random.default_rng(0), (FOLDS + 1) * BLOCK
    train = pd.DataFrame(generator.normal(size=(rows, 5)).round(2), columns=list("abcde"))
    train.iloc[-BLOCK:] = train.iloc[2 * BLOCK : 3 * BLOCK].to_numpy()
    block = np.arange(rows) // BLOCK
    things = [f"{pair} {i % 25}" for pair, i in zip(block // 2, range(rows), strict=True)]
    train = train.assign(thing=things, when=np.arange(float(rows)), y=generator.normal(size=rows) + 9)
    test = pd.DataFrame(generator.normal(size=(100, 5)).round(2), columns=list("abcde"))
    test = test.assign(thing=[f"new {i % 25}" for i in range(100)], when=np.arange(100.0) + rows)
    settings = {"columns": {"target": "y", "time": "when"}, "split": {"name": "time_ordered", "folds": FOLDS}}
    stored = Stored(tmp_path, train, test, "y", keep=("when",), fold=block - 1, **settings)
    out = pd.DataFrame({"prediction": np.full(rows, 9.0)})
    stored.predicted("some", out, out.iloc[:100])
    return stored


def test_a_double_counts_where_it_is_trained_on(made):
    made.train["thing"] = made.train["thing"].where(made.train.index < 5 * BLOCK, made.train["thing"].shift(3 * BLOCK))
    found = made.find("POD303")["POD303"]
    assert found["numbers"]["exact"] == pytest.approx(1 / FOLDS)  # the last block's rows, not those that they repeat


def test_a_thing_counts_where_it_is_trained_on(made):
    found = made.find("POD305")["POD305"]
    # Of each pair of blocks the second one meets its things; the first pair's first block is not validated.
    assert found["numbers"]["thing"]["folds"] == pytest.approx(3 / FOLDS) and found["numbers"]["thing"]["test"] == 0
