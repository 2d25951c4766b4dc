"""Sums, differences and ratios of columns."""

import json

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


def told(count: int = 400, classes: bool = False, **made) -> tuple[pd.DataFrame, Schema]:
    """Rows whose target is the ratio of two columns among six."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({name: random.uniform(1, 2, count) for name in "abcdef"})
    rows.loc[random.random(count) < 0.05, "f"] = np.nan
    ratio = rows["b"] / rows["e"]
    rows["y"] = (ratio > 1).map({True: "yes", False: "no"}).astype("str") if classes else ratio
    columns = tuple(Column(name, "number") for name in "abcdef")
    kind = {"classes": ("no", "yes"), "target_kind": "class"} if classes else {}
    return rows, Schema(None, "y", columns, **kind)


@pytest.mark.parametrize("classes", [False, True])
def test_the_combination_that_tells_most_is_chosen(classes):
    rows, schema = told(classes=classes)
    feature_set = features.build({"name": "tabular", "scale": "none", "missing": "keep", "chosen": 2}, "x")
    encoder = feature_set.fit(rows, schema, seed=0)
    names = encoder.spec.names["numbers"]
    assert names[:6] == list("abcdef") and names[6] in ("b / e", "e / b", "b - e") and len(names) <= 8
    again = feature_set.restore(json.loads(json.dumps(encoder.state(), sort_keys=True)), schema)
    unseen = rows.drop(columns="y").iloc[:50]
    np.testing.assert_array_equal(again.encode(unseen)["numbers"], encoder.encode(unseen)["numbers"])
    parts = {"/": np.divide, "-": np.subtract}
    one, sign, two = names[6].split()
    wanted = parts[sign](unseen[one], unseen[two])
    np.testing.assert_allclose(encoder.encode(unseen)["numbers"][:, 6], wanted, rtol=1e-6)


def test_nothing_is_chosen_where_nothing_is_told():
    rows, schema = told()
    noise = rows.assign(y=1.0)
    encoder = features.build({"name": "tabular", "chosen": 5}, "x").fit(noise, schema, seed=0)
    assert encoder.spec.names["numbers"] == list("abcdef")
    few = features.build({"name": "tabular", "chosen": 5}, "x").fit(rows.round(), schema, seed=0)
    assert few.spec.names["numbers"] == list("abcdef")
    with pytest.raises(Faults, match="statistics: training"):
        features.build({"name": "tabular", "chosen": 5, "statistics": "train_and_test"}, "x")
    with pytest.raises(UserError, match="chosen needs rows with a number or a class as target"):
        features.build({"name": "tabular", "chosen": 5}, "x").fit(rows.drop(columns="y"), schema, seed=0)
