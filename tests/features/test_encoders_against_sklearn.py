"""Agreement with scikit-learn's own transformers to 1e-6."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata, skew
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.features.numbers import Transformer, fit_transformer

NUMBERS, CATEGORIES = ["a", "b", "e"], ["c", "d"]
COLUMNS = tuple(Column(name, "number") for name in NUMBERS) + tuple(Column(name, "category") for name in CATEGORIES)
SCHEMA = Schema(None, "y", COLUMNS)


def make_rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"a": random.normal(1e4, 3, count), "b": random.exponential(2, count), "e": random.integers(0, 4, count) * 1.0}
    )
    for name in NUMBERS:
        rows.loc[random.random(count) < 0.15, name] = np.nan
    rows["c"] = pd.Series(random.choice([f"c{i}" for i in range(12)], count, p=np.arange(1, 13) / 78), dtype="str")
    rows["d"] = pd.Series(random.choice(["k", "l"], count), dtype="str")
    rows.loc[random.random(count) < 0.2, "d"] = np.nan
    rows["y"] = rows["b"].fillna(0) * 2 + rows["c"].str[1:].astype(float) + random.normal(size=count)
    return rows


TRAIN, OTHER = make_rows(400, 0), make_rows(150, 1)
OTHER.loc[3, "c"] = "never seen"


def agree(options: dict, expected: ColumnTransformer, schema: Schema = SCHEMA) -> None:
    encoder = features.build({"name": "tabular", "precision": "double", **options}, "x").fit(TRAIN, schema, seed=0)
    expected.fit(TRAIN, TRAIN["y"])
    for rows in (TRAIN, OTHER):
        np.testing.assert_allclose(encoder.encode(rows)["numbers"], expected.transform(rows), rtol=1e-6, atol=1e-6)


def numbers_only(*steps) -> ColumnTransformer:
    return ColumnTransformer([("numbers", make_pipeline(*steps), NUMBERS)])


SCALERS = {"none": [], "standard": [StandardScaler()], "robust": [RobustScaler()]}
TRANSFORMS = {
    "none": [],
    "yeo_johnson": [PowerTransformer(standardize=False)],
    "quantile": [QuantileTransformer(n_quantiles=400, output_distribution="normal", random_state=0)],
}


@pytest.mark.parametrize("scale", SCALERS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("missing", ["mean", "median", "keep"])
def test_numbers(scale, transform, missing):
    fill = [] if missing == "keep" else [SimpleImputer(strategy=missing)]
    steps = [*TRANSFORMS[transform], *SCALERS[scale], *fill] or ["passthrough"]
    agree({"scale": scale, "transform": transform, "missing": missing, "categories": "none"}, numbers_only(*steps))


def test_only_skewed_columns_are_transformed():
    skewed = [name for name in NUMBERS if abs(skew(TRAIN[name], nan_policy="omit")) > 0.75]
    assert skewed == ["b"]
    power = make_pipeline(PowerTransformer(standardize=False), StandardScaler(), SimpleImputer())
    plain = make_pipeline(StandardScaler(), SimpleImputer())
    steps = [("a", plain, ["a"]), ("b", power, ["b"]), ("e", plain, ["e"])]
    agree({"transform": "yeo_johnson", "skew_above": 0.75, "categories": "none"}, ColumnTransformer(steps))


@pytest.mark.parametrize("end", [0.0, 9.0])
def test_middle_quantiles_are_normal_scores_of_mean_ranks(end):
    random = np.random.default_rng(0)
    values = np.where(random.random(3000) < 0.4, end, random.uniform(1.0, 8.0, 3000))  # many at one end
    state = fit_transformer([values], "middle_quantile", seed=0)
    block = values[:, None].copy()
    Transformer(state)(block)
    expected = norm.ppf((rankdata(values) - 0.5) / len(values))  # equal values: their mean rank
    inside = abs(expected) < 2.0  # 100 quantiles are coarse further out
    np.testing.assert_allclose(block[inside, 0], expected[inside], atol=0.05)
    plain = values[:, None].copy()
    Transformer(fit_transformer([values], "quantile", seed=0))(plain)
    assert abs(plain[values == end]).min() > 5 > 1 > abs(block[values == end]).max()


def robust_smooth_clip(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """As the authors of RealMLP publish it, for one column."""
    spread = np.quantile(train, 0.75) - np.quantile(train, 0.25)
    if spread == 0.0:
        spread = 0.5 * (train.max() - train.min())
    factor = 0.0 if spread == 0.0 else 1.0 / (spread + 1e-30)
    scaled = factor * (x - np.median(train))
    return scaled / np.sqrt(1 + (scaled / 3) ** 2)


def test_robust_scale_with_smooth_clip():
    random = np.random.default_rng(0)
    train = pd.DataFrame({"a": random.normal(5, 2, 200), "b": (random.random(200) < 0.1) * 4.0, "e": 7.0})
    other = pd.DataFrame({"a": random.normal(5, 60, 50), "b": random.normal(size=50), "e": 9.0})
    options = {"name": "tabular", "scale": "robust_clipped", "categories": "none", "precision": "double"}
    schema = Schema(None, None, tuple(Column(name, "number") for name in NUMBERS))
    encoder = features.build(options, "x").fit(train, schema, seed=0)
    for rows in (train, other):
        wanted = np.column_stack([robust_smooth_clip(rows[name].to_numpy(), train[name].to_numpy()) for name in rows])
        np.testing.assert_allclose(encoder.encode(rows)["numbers"], wanted, atol=1e-12)
    assert np.abs(encoder.encode(other)["numbers"]).max() < 3


def test_most_frequent_zero_and_flags():
    most_frequent = numbers_only(StandardScaler(), SimpleImputer(strategy="most_frequent"))
    agree({"missing": "most_frequent", "categories": "none"}, most_frequent)
    zero = numbers_only(SimpleImputer(strategy="constant", fill_value=0.0))
    agree({"missing": "zero", "scale": "none", "categories": "none"}, zero)
    flags = ColumnTransformer(
        [("n", make_pipeline(StandardScaler(), SimpleImputer()), NUMBERS), ("f", MissingIndicator(), NUMBERS)]
    )
    agree({"missing_flags": True, "categories": "none"}, flags)


@pytest.mark.parametrize("rare", [0, 25])
def test_one_hot(rare):
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=rare or None)
    agree({"rare": rare}, whole(encode))


def whole(categories) -> ColumnTransformer:
    scaled = make_pipeline(StandardScaler(), SimpleImputer())
    return ColumnTransformer([("n", scaled, NUMBERS), ("c", categories, CATEGORIES)])


def test_ordinal():
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    agree({"categories": "ordinal"}, whole(make_pipeline(encode, StandardScaler())))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_target_encoding(classes):
    train, other = TRAIN.copy(), OTHER.copy()
    schema, target, folds = SCHEMA, train["y"].to_numpy(), KFold(5, shuffle=True, random_state=7)
    if classes:
        names = ["no", "perhaps", "yes"][:classes]
        target = pd.qcut(train["y"], classes, labels=False).to_numpy()
        train["y"] = pd.Series(np.array(names)[target], dtype="str")
        schema = Schema(None, "y", COLUMNS, classes=tuple(names), target_kind="class")
        folds = StratifiedKFold(5, shuffle=True, random_state=7)
    feature_set = features.build(
        {"name": "tabular", "categories": "target", "scale": "none", "precision": "double"}, "x"
    )
    encoder = feature_set.fit(train, schema, seed=7)
    expected = TargetEncoder(cv=folds)
    crossed = expected.fit_transform(train[CATEGORIES], target)
    first = len(NUMBERS)
    encoded = encoder.encode(train, training=lambda: list(folds.split(train, target)))["numbers"]
    np.testing.assert_allclose(encoded[:, first:], crossed, rtol=1e-6)
    got = encoder.encode(other)["numbers"][:, first:]
    np.testing.assert_allclose(got, expected.transform(other[CATEGORIES]), rtol=1e-6)


@pytest.mark.parametrize(
    ("names", "present"), [("abcd", [0, 1, 3]), ("abc", [0, 2]), ("abc", [1]), ("ab", [0]), ("ab", [1])]
)
def test_target_encoding_of_rows_that_lack_a_class_has_a_column_for_each_class(names, present):
    """One column a class (of two classes the second's), as scikit-learn encodes that class against the rest."""
    train = TRAIN.copy()
    target = np.array(present)[pd.qcut(train["y"], len(present), labels=False)]
    train["y"] = pd.Series(np.array(list(names))[target], dtype="str")
    schema = Schema(None, "y", COLUMNS, classes=tuple(names), target_kind="class")
    settings = {"name": "tabular", "categories": "target", "scale": "none", "precision": "double"}
    encoder = features.build(settings, "x").fit(train, schema, seed=7)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=7).split(train, target))
    outputs = list(range(len(names))) if len(names) > 2 else [1]
    shape = (-1, len(CATEGORIES), len(outputs))
    crossed = encoder.encode(train, training=lambda: folds)["numbers"][:, len(NUMBERS) :].reshape(shape)
    got = encoder.encode(OTHER)["numbers"][:, len(NUMBERS) :].reshape(shape)
    assert len(encoder.spec.names["numbers"]) == encoder.spec.shapes["numbers"][0]
    for at, k in enumerate(outputs):
        if k not in present or len(present) == 1:
            assert (crossed[:, :, at] == (k in present)).all() and (got[:, :, at] == (k in present)).all()
            continue
        expected = TargetEncoder(target_type="continuous", smooth="auto", cv=folds)
        one_against_rest = (target == k).astype(float)
        wanted = expected.fit_transform(train[CATEGORIES], one_against_rest)
        np.testing.assert_allclose(crossed[:, :, at], wanted, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(got[:, :, at], expected.transform(OTHER[CATEGORIES]), rtol=1e-6, atol=1e-9)


def test_single_precision_is_enough_for_ridge():
    encoder = features.build("tabular", "x").fit(TRAIN, SCHEMA, seed=0)
    pipeline = whole(OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    expected = Ridge().fit(pipeline.fit_transform(TRAIN), TRAIN["y"]).predict(pipeline.transform(OTHER))
    train, other = (encoder.encode(rows)["numbers"] for rows in (TRAIN, OTHER))
    assert train.dtype == np.float32
    got = Ridge().fit(train.astype("float64"), TRAIN["y"]).predict(other.astype("float64"))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
