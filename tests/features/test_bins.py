"""Quantile bins against scikit-learn's KBinsDiscretizer."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import KBinsDiscretizer

from pipeline.core.errors import UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features

SCHEMA = Schema(None, None, (Column("a", "number"), Column("b", "number"), Column("few", "number")))


def make_rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"a": random.normal(size=count), "b": random.integers(0, 9, count) ** 2.0})
    return rows.assign(few=random.integers(0, 2, count) * 1.0)


ROWS, OTHER = make_rows(300, 0), make_rows(100, 1) * 1.5


def fit(rows: pd.DataFrame = ROWS, **bins):
    feature_set = features.build({"name": "tabular", "precision": "double", "bins": bins}, "x")
    encoder = feature_set.fit(rows, SCHEMA, seed=0)
    return feature_set.restore(json.loads(json.dumps(encoder.state(), allow_nan=False)), SCHEMA)


def binned(encoder, rows: pd.DataFrame, name: str) -> np.ndarray:
    out = pd.DataFrame(encoder.encode(rows)["numbers"], columns=encoder.spec.names["numbers"])
    return out.filter(like=f"{name} in bin").to_numpy()


@pytest.mark.parametrize("count", [2, 5, 8])
@pytest.mark.parametrize("name", ["a", "b"])
def test_indicators_agree_with_scikit_learn(count, name):
    expected = KBinsDiscretizer(count, encode="onehot-dense", strategy="quantile", quantile_method="linear")
    expected.fit(ROWS[[name]])
    encoder = fit(count=count, how="one_hot")
    for rows in (ROWS, OTHER):
        np.testing.assert_array_equal(binned(encoder, rows, name), expected.transform(rows[[name]]))


def test_piecewise_linear_agrees_with_interpolation():
    encoder = fit(count=4)
    edges = np.quantile(ROWS["a"], [0, 0.25, 0.5, 0.75, 1])
    wanted = np.stack([np.interp(OTHER["a"], edges[k : k + 2], [0, 1]) for k in range(4)], axis=1)
    np.testing.assert_allclose(binned(encoder, OTHER, "a"), wanted, atol=1e-12)


def test_columns_of_two_values_or_none_are_left_out_and_missing_is_nowhere():
    rows = ROWS.assign(b=np.nan)
    assert not [name for name in fit(rows).spec.names["numbers"] if name.startswith(("few in", "b in"))]
    assert binned(fit(columns=["b"]), ROWS, "a").shape[1] == 0
    for how in ("one_hot", "piecewise_linear"):
        encoder = fit(how=how)
        assert (binned(encoder, ROWS.assign(a=np.nan), "a") == 0).all()
        assert encoder.encode(ROWS.iloc[:0])["numbers"].shape == (0, encoder.spec.shapes["numbers"][0])


def test_a_column_that_is_not_there_is_told_and_made_ones_are():
    with pytest.raises(UserError, match=r"bins\.columns: no number column 'few_'; did you mean 'few'\?"):
        fit(columns=["a", "few_"])
    made = {
        "combine": {"sum": {"add": ["a", "b"]}},
        "groups": {"mean": {"by": "few", "of": "a"}},
        "bins": {"columns": ["sum", "mean", "a"]},
    }
    features.build({"name": "tabular", **made}, "x").fit(ROWS, SCHEMA, seed=0)
