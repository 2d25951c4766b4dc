"""Columns with few levels one way, with many levels another, or several ways at once."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from pipeline.core.errors import Faults
from pipeline.core.types import Column, Schema
from pipeline.features import features

SCHEMA = Schema(None, "y", (Column("a", "number"), Column("few", "category"), Column("many", "category")))


def make_rows(count: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"a": random.normal(size=count)})
    rows["few"] = pd.Series(random.choice(["p", "q", "r"], count), dtype="str").mask(random.random(count) < 0.1)
    rows["many"] = pd.Series(random.choice([f"m{i:02}" for i in range(30)], count), dtype="str")
    rows["y"] = rows["many"].str[1:].astype(float) + random.normal(size=count)
    return rows


ROWS, OTHER = make_rows(), make_rows(50, seed=1)
OTHER.loc[2, "many"] = "never seen"


def fit(name: str = "tabular", **options):
    feature_set = features.build({"name": name, **options}, "x")
    encoder = feature_set.fit(ROWS, SCHEMA, seed=7)
    again = feature_set.restore(json.loads(json.dumps(encoder.state(), allow_nan=False)), SCHEMA)
    assert again.spec == encoder.spec and set(encoder.encode(OTHER)) == feature_set.gives
    return again


def test_indicators_for_few_levels_and_codes_for_many():
    """What a network with embeddings reads beside its numbers."""
    encoder = fit(scale="robust_clipped", many={"above": 8, "how": "native"})
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(ROWS[["few"]])
    out = encoder.encode(OTHER)
    assert encoder.spec.names["numbers"] == ["a", "few=p", "few=q", "few=r", "few is missing"]
    np.testing.assert_array_equal(out["numbers"][:, 1:], one_hot.transform(OTHER[["few"]]))
    assert encoder.spec.names["categories"] == ["many"] and encoder.spec.sizes["categories"] == [31]
    levels = {level: i + 1 for i, level in enumerate(sorted(ROWS["many"].unique()))}
    assert out["categories"].ravel().tolist() == [levels.get(level, 0) for level in OTHER["many"]]
    nothing = fit(many={"above": 100, "how": "native"})
    assert nothing.encode(OTHER)["categories"].shape == (50, 0) and nothing.spec.sizes["categories"] == []


def test_indicators_for_few_levels_and_mean_target_for_many():
    encoder = fit(scale="none", precision="double", many={"above": 3, "how": ["target", "count"]})
    assert encoder.spec.names["numbers"][-2:] == ["many count", "many mean target"]
    folds = KFold(5, shuffle=True, random_state=7)
    expected = TargetEncoder(cv=folds)
    crossed = expected.fit_transform(ROWS[["many"]], ROWS["y"])[:, 0]
    encoded = encoder.encode(ROWS, training=lambda: list(folds.split(ROWS)))["numbers"]
    np.testing.assert_allclose(encoded[:, -1], crossed, rtol=1e-9)
    out = encoder.encode(OTHER)["numbers"]
    np.testing.assert_allclose(out[:, -1], expected.transform(OTHER[["many"]])[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(out[:, -2], OTHER["many"].map(ROWS["many"].value_counts()).fillna(0))
    assert encoder.spec.shapes["numbers"] == (1 + 4 + 2,)


def test_trees_get_more_beside_the_codes():
    plain, more = fit("categorical"), fit("categorical", many={"above": 10, "how": ["native", "count", "target"]})
    np.testing.assert_array_equal(plain.encode(OTHER)["categories"], more.encode(OTHER)["categories"])
    assert more.spec.names["numbers"] == ["a", "many count", "many mean target"]
    left = fit("categorical", many={"above": 10, "how": "none"})
    assert left.spec.names["categories"] == ["few"]


def test_settings_that_cannot_be_are_refused():
    for name in ("tabular", "categorical"):
        with pytest.raises(Faults, match="statistics: training"):
            features.build({"name": name, "statistics": "train_and_test", "many": {"how": "target"}}, "x")
    with pytest.raises(Faults, match=r"x\.many"):
        features.build({"name": "tabular", "many": {"how": "tarket"}}, "x")
    with pytest.raises(Faults, match="at least one way"):
        features.build({"name": "tabular", "many": {"how": []}}, "x")
    with pytest.raises(Faults, match="needs a transform"):
        features.build({"name": "tabular", "skew_above": 0.75}, "x")
