"""Sums, differences and ratios of columns."""

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features

SCHEMA = Schema(None, None, (Column("a", "number"), Column("b", "number"), Column("word", "category")))
ROWS = pd.DataFrame({"a": [1.0, np.nan, 3.0, np.nan], "b": [2.0, 5.0, 0.0, np.nan], "word": ["x", "y", "x", "y"]})


def combined(**combine) -> pd.DataFrame:
    raw = {"name": "tabular", "scale": "none", "missing": "keep", "categories": "none", "combine": combine}
    encoder = features.build(raw, "features.x").fit(ROWS, SCHEMA, seed=0)
    return pd.DataFrame(encoder.encode(ROWS)["numbers"], columns=encoder.spec.names["numbers"])


def test_sums_differences_and_ratios():
    out = combined(
        total={"add": ["a", "b"]},
        baths={"add": {"a": 1, "b": 0.5}},
        age={"add": ["b"], "subtract": ["a"]},
        share={"add": ["a"], "divide_by": ["b"]},
    )
    nan = np.nan
    np.testing.assert_array_equal(out["total"], [3, 5, 3, nan])  # missing counts as 0 in a plain sum
    np.testing.assert_array_equal(out["baths"], [2, 2.5, 3, nan])
    np.testing.assert_array_equal(out["age"], [1, nan, -3, nan])  # and makes a difference missing
    np.testing.assert_array_equal(out["share"], [0.5, nan, nan, nan])  # as does a division by 0


def test_the_order_they_are_written_in_does_not_matter():
    one = combined(p={"add": ["a"]}, q={"add": ["b"]})
    two = combined(q={"add": ["b"]}, p={"add": ["a"]})
    pd.testing.assert_frame_equal(one, two)


def test_bad_combinations_are_refused():
    with pytest.raises(UserError, match=r"combine\.x: no number column 'word'"):
        combined(x={"add": ["word"]})
    with pytest.raises(UserError, match="there is a column 'a' already"):
        combined(a={"add": ["b"]})
    with pytest.raises(Faults, match="needs columns to add or subtract"):
        combined(x={"divide_by": ["b"]})
    with pytest.raises(Faults, match="unknown key"):
        combined(x={"plus": ["b"]})
