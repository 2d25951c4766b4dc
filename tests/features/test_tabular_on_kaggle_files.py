"""House Prices and Titanic, the real files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.features import features
from pipeline.features.raw_checks import check_raw
from pipeline.features.schema import apply, check
from pipeline.features.settling import settle

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def read(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/{name}")
    options = {"keep_default_na": False, "na_values": ["", "NA"]}
    return pd.read_csv(folder / "train.csv", **options), pd.read_csv(folder / "test.csv", **options)


def test_house_prices_as_the_book_encodes_it():
    train, test = read("house_prices")
    check_raw(train, test, id="Id", target="SalePrice")
    schema = settle(train, test, id="Id", target="SalePrice")
    assert len(schema.names("number")) == 36 and len(schema.names("category")) == 43 and not schema.dropped
    rows = apply(schema, train, training=True, where="train.csv")
    test_rows = apply(schema, test, training=False, where="test.csv")
    check(schema, rows, "train.csv", training=True)
    check(schema, test_rows, "test.csv", training=False)
    assert "None" in set(rows["MasVnrType"].dropna())

    joint = pd.concat([rows.drop(columns="SalePrice"), test_rows], ignore_index=True)
    encoder = features.build({"name": "tabular", "statistics": "train_and_test"}, "x").fit(joint, schema, seed=0)
    out = encoder.encode(joint)["numbers"]
    # The book's own lines (D2L 5.7), with pandas; its deviation divides by n - 1.
    raw = pd.concat([train.drop(columns=["Id", "SalePrice"]), test.drop(columns="Id")], ignore_index=True)
    numeric = raw.select_dtypes("number").columns
    raw[numeric] = raw[numeric].apply(lambda x: (x - x.mean()) / x.std(ddof=0)).fillna(0)
    book = pd.get_dummies(raw, dummy_na=True, dtype=float)
    book = book[[name for name in book if name in numeric or book[name].any()]]
    assert out.shape == book.shape
    np.testing.assert_allclose(np.sort(out, axis=1), np.sort(book.to_numpy(), axis=1), atol=1e-5)
    np.testing.assert_allclose(out[:, :36], book[numeric].to_numpy(), atol=1e-5)


def test_titanic_with_every_way_of_encoding():
    train, test = read("titanic")
    check_raw(train, test, id="PassengerId", target="Survived", target_kind="class")
    types = {"Pclass": "category", "Cabin": "category"}
    schema = settle(train, test, id="PassengerId", target="Survived", target_kind="class", types=types)
    assert schema.classes == (0, 1) and schema.names("text") == ["Name", "Ticket"]
    rows = apply(schema, train, training=True, where="train.csv")
    test_rows = apply(schema, test, training=False, where="test.csv")
    check(schema, rows, "train.csv", training=True)
    assert set(test_rows["Pclass"]) == {"1", "2", "3"} and rows["Survived"].dtype == "int64"
    for how in ("one_hot", "ordinal", "native", "target", "count", "none"):
        feature_set = features.build({"name": "tabular", "categories": how, "rare": 5}, "x")
        encoder = feature_set.fit(rows, schema, seed=0)
        again = feature_set.restore(json.loads(json.dumps(encoder.state())), schema)
        for name, array in encoder.encode(test_rows).items():
            assert np.isfinite(array).all()
            np.testing.assert_array_equal(array, again.encode(test_rows)[name])
