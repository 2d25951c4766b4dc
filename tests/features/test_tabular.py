"""The tabular encoder: what it learns, from which rows, and that its state says it all."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import KFold

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features

SCHEMA = Schema(
    id=None,
    target="y",
    columns=(Column("a", "number"), Column("b", "number"), Column("c", "category"), Column("d", "category")),
)
CLASSES = Schema(None, "y", SCHEMA.columns, classes=("n", "o", "p"), target_kind="class")


def make_rows(count: int = 200, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"a": random.normal(5, 3, count), "b": random.exponential(2, count)})
    rows.loc[random.random(count) < 0.1, "a"] = np.nan
    rows["c"] = pd.Series(random.choice(["u", "v", "w"], count), dtype="str").mask(random.random(count) < 0.1)
    rows["d"] = pd.Series(random.choice(["k", "l"], count), dtype="str")
    rows["y"] = rows["b"] * 2 + random.normal(size=count)
    return rows


def build(**options):
    return features.build({"name": "tabular", **options}, "features.x")


def named(encoder, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(encoder.encode(rows)["numbers"], columns=encoder.spec.names["numbers"])


SETTINGS = [
    {},
    {"scale": "robust", "missing": "median", "missing_flags": True, "rare": 80},
    {"transform": "yeo_johnson", "missing": "zero", "categories": "ordinal"},
    {"transform": "quantile", "missing": "most_frequent", "categories": "count"},
    {"scale": "none", "missing": "keep", "categories": "native", "precision": "double"},
    {"categories": "target", "combine": {"sum": {"add": ["b", "a"]}, "ratio": {"add": ["a"], "divide_by": ["b"]}}},
    {"categories": "none", "statistics": "train_and_test"},
    {"scale": "robust_clipped", "many": {"above": 2, "how": ["native", "target", "count"]}, "missing": "median"},
    {"transform": "yeo_johnson", "skew_above": 0.5, "bins": {"count": 3}, "groups": {"m": {"by": "c", "of": "a"}}},
]


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("schema", [SCHEMA, CLASSES])
def test_state_round_trips_bit_for_bit(options, schema):
    rows = make_rows()
    if schema.classes:
        rows["y"] = pd.Series(np.resize(["n", "o", "p"], len(rows)), dtype="str")
    feature_set = build(**options)
    encoder = feature_set.fit(rows, schema, seed=3)
    state = json.loads(json.dumps(encoder.state(), sort_keys=True, allow_nan=False))
    again = feature_set.restore(state, schema)
    assert again.spec == encoder.spec and again.state() == encoder.state()
    other = make_rows(seed=1)
    other.loc[0, "c"] = "never seen"
    folds = list(KFold(5, shuffle=True, random_state=0).split(rows))
    for some, training in ((rows, lambda: folds), (rows, None), (other, None)):
        one, two = encoder.encode(some, training=training), again.encode(some, training=training)
        assert set(one) == feature_set.gives
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])
            assert one[name].shape == (len(some), *encoder.spec.shapes[name])
            assert len(encoder.spec.names[name]) == one[name].shape[1]


def test_statistics_come_from_the_rows_fitted_on_alone():
    rows, valid = make_rows(), make_rows(50, seed=9)
    before = build(missing_flags=True, rare=3).fit(rows, SCHEMA, seed=0)
    expected = before.encode(valid)["numbers"]
    everything = pd.concat([rows, valid], ignore_index=True)
    changed = everything.copy()
    changed.loc[len(rows) :, ["a", "b"]] = 1e6
    changed.loc[len(rows) :, "c"] = "other"
    after = build(missing_flags=True, rare=3).fit(changed.iloc[: len(rows)], SCHEMA, seed=0)
    assert after.state() == before.state()
    np.testing.assert_array_equal(after.encode(valid)["numbers"], expected)


def test_missing_is_its_own_level_and_unseen_levels_are_all_zeros():
    rows = make_rows()
    encoder = build().fit(rows, SCHEMA, seed=0)
    assert encoder.spec.names["numbers"] == ["a", "b", "c=u", "c=v", "c=w", "c is missing", "d=k", "d=l"]
    new = rows.iloc[:3].assign(c=pd.Series(["w", None, "x"], dtype="str"), d=pd.Series([None, "k", "l"], dtype="str"))
    out = named(encoder, new)
    assert out[["c=u", "c=v", "c=w", "c is missing"]].to_numpy().tolist() == [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    # d had no missing value in fitting, so a missing one is a level never seen
    assert out[["d=k", "d=l"]].to_numpy().tolist() == [[0, 0], [1, 0], [0, 1]]


def test_native_codes_begin_at_one_and_zero_is_missing_or_unseen():
    rows = make_rows()
    encoder = build(categories="native").fit(rows, SCHEMA, seed=0)
    new = rows.iloc[:3].assign(c=pd.Series(["w", None, "x"], dtype="str"), d=pd.Series(["k", "l", None], dtype="str"))
    categories = encoder.encode(new)["categories"]
    assert categories.dtype == np.int64
    assert categories.tolist() == [[3, 1], [0, 2], [0, 0]]
    assert encoder.spec.sizes["categories"] == [4, 3]
    assert encoder.spec.names["categories"] == ["c", "d"]


def test_ordinal_and_count():
    rows = make_rows()
    new = rows.iloc[:3].assign(c=pd.Series(["w", None, "x"], dtype="str"))
    ordinal = named(build(categories="ordinal", scale="none").fit(rows, SCHEMA, seed=0), new)
    assert ordinal["c"].tolist() == [2, -1, -1]
    count = named(build(categories="count", scale="none").fit(rows, SCHEMA, seed=0), new)
    assert count["c count"].tolist() == [(rows["c"] == "w").sum(), rows["c"].isna().sum(), 0]


def test_rare_levels_are_folded_into_one():
    column = pd.Series(["p"] * 5 + ["q"] * 2 + ["r"] + [None], dtype="str")
    rows = pd.DataFrame({"c": column})
    schema = Schema(None, None, (Column("c", "category"),))
    encoder = build(rare=3).fit(rows, schema, seed=0)
    assert encoder.spec.names["numbers"] == ["c=p", "c=(rare)", "c is missing"]
    new = pd.DataFrame({"c": pd.Series(["p", "q", "r", None, "s"], dtype="str")})
    assert encoder.encode(new)["numbers"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    native = build(rare=3, categories="native").fit(rows, schema, seed=0)
    assert native.encode(new)["categories"].ravel().tolist() == [1, 2, 2, 0, 0]
    assert build(rare=2).fit(rows, schema, seed=0).spec.names["numbers"] == ["c=p", "c=q", "c=(rare)", "c is missing"]


@pytest.mark.parametrize("scale", ["standard", "robust"])
@pytest.mark.parametrize("transform", ["none", "yeo_johnson", "quantile", "middle_quantile"])
@pytest.mark.parametrize("missing", ["mean", "median", "most_frequent", "zero", "keep"])
def test_columns_that_are_empty_or_constant_in_a_fold(scale, transform, missing):
    rows = make_rows(40).assign(a=np.nan, b=7.1, c=pd.Series([None] * 40, dtype="str"))
    encoder = build(scale=scale, transform=transform, missing=missing, missing_flags=True).fit(rows, SCHEMA, seed=0)
    json.dumps(encoder.state(), allow_nan=False)
    new = pd.concat([rows.iloc[:2], make_rows(4)], ignore_index=True)
    out = named(encoder, new)
    assert np.isfinite(out.drop(columns="a").to_numpy()).all()
    assert np.isfinite(out["a"]).all() or missing == "keep"
    assert out["b"].tolist()[:2] == [0, 0]
    assert out["a is missing"].tolist()[:2] == [1, 1]
    assert out["c is missing"].tolist()[:2] == [1, 1]


@pytest.mark.parametrize("categories", ["one_hot", "ordinal", "native", "target", "count"])
def test_categoricals_are_encoded_as_their_words_are(categories):
    rows = make_rows().assign(d=pd.Series([None] * 200, dtype="str"))
    held = rows.astype({name: "category" for name in SCHEMA.names("category")})
    encoder = build(categories=categories, rare=3).fit(rows, SCHEMA, seed=0)
    assert build(categories=categories, rare=3).fit(held, SCHEMA, seed=0).state() == encoder.state()
    for some in (slice(None), slice(50), slice(0)):
        expected, got = encoder.encode(rows[some]), encoder.encode(held[some])
        assert all(np.array_equal(got[name], expected[name], equal_nan=True) for name in expected)


def test_missing_flags_mark_columns_with_missing_values_in_fitting():
    rows = make_rows()
    encoder = build(missing_flags=True).fit(rows, SCHEMA, seed=0)
    assert encoder.spec.names["numbers"][:3] == ["a", "b", "a is missing"]
    np.testing.assert_array_equal(named(encoder, rows)["a is missing"], rows["a"].isna())


def test_categorical_keeps_raw_numbers_for_trees():
    rows = make_rows().assign(b=16_777_217.0)  # float32 has no such number
    encoder = features.build("categorical", "features.x").fit(rows, SCHEMA, seed=0)
    out = encoder.encode(rows)
    np.testing.assert_array_equal(out["numbers"], rows[["a", "b"]].to_numpy())
    assert out["categories"].shape == (200, 2)
    state = json.loads(json.dumps(encoder.state(), allow_nan=False))
    again = features.build("categorical", "features.x").restore(state, SCHEMA).encode(rows)
    np.testing.assert_array_equal(again["categories"], out["categories"])


def test_target_encoding_of_training_rows_does_not_see_their_own_target():
    random = np.random.default_rng(0)
    rows = make_rows(300).assign(c=pd.Series([f"level{i}" for i in range(300)], dtype="str"))
    rows["y"] = random.normal(size=300)
    encoder = build(categories="target").fit(rows, SCHEMA, seed=0)
    at = encoder.spec.names["numbers"].index("c mean target")
    leaky = encoder.encode(rows)["numbers"][:, at]
    folds = list(KFold(5, shuffle=True, random_state=0).split(rows))
    crossed = encoder.encode(rows, training=lambda: folds)["numbers"][:, at]
    assert np.corrcoef(leaky, rows["y"])[0, 1] > 0.9
    assert abs(np.corrcoef(crossed, rows["y"])[0, 1]) < 0.5


def test_rows_from_parquet_in_several_chunks_encode_alike(tmp_path):
    rows = make_rows()
    encoder = build().fit(rows, SCHEMA, seed=0)
    chunked = pa.concat_tables([pa.Table.from_pandas(rows.iloc[:70]), pa.Table.from_pandas(rows.iloc[70:])]).to_pandas()
    np.testing.assert_array_equal(encoder.encode(chunked)["numbers"], encoder.encode(rows)["numbers"])
    rows.to_parquet(tmp_path / "rows.parquet")
    stored = pd.read_parquet(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(encoder.encode(stored)["numbers"], encoder.encode(rows)["numbers"])
    assert build().fit(stored, SCHEMA, seed=0).state() == encoder.state()
    assert encoder.encode(rows.iloc[:0])["numbers"].shape == (0, 8)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(Faults, match="statistics: training"):
        build(categories="target", statistics="train_and_test")
    with pytest.raises(Faults, match=r"features\.x\.scale"):
        build(scale="standart")
    text = Schema(None, "y", (Column("a", "text"),))
    with pytest.raises(UserError, match="number or category column"):
        build().fit(make_rows(), text, seed=0)
    with pytest.raises(UserError, match="number or a class as target"):
        build(categories="target").fit(make_rows().drop(columns="y"), SCHEMA, seed=0)
