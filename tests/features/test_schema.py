"""Types settled once, and raw rows made typed rows by them."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.types import Schema
from pipeline.features.schema import apply, check
from pipeline.features.settling import settle


def read(text: str, **options) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), keep_default_na=False, na_values=["", "NA"], **options)


def settled(train: pd.DataFrame, test: pd.DataFrame | None = None, **options) -> Schema:
    return settle(train, test, **{"id": None, "target": None, "where": "train.csv", **options})


def kinds(schema: Schema) -> dict[str, tuple[str, str]]:
    return {column.name: (column.kind, column.source) for column in schema.columns}


def typed(train: pd.DataFrame, **options) -> pd.DataFrame:
    return apply(settled(train, **options), train, training=True, where="train.csv")


def test_numeric_text_becomes_numbers():
    frame = pd.DataFrame({"price": ["1,234", " 12 ", "$5", None, "-3.5", "NA", "1e3", "(12)"]}, dtype="str")
    assert kinds(settled(frame)) == {"price": ("number", "numeric_text")}
    np.testing.assert_array_equal(typed(frame)["price"], [1234, 12, 5, np.nan, -3.5, np.nan, 1000, -12])


def test_integers_are_numbers_unless_declared_otherwise():
    frame = pd.DataFrame({"a": [1, 2, 2], "b": [1, 2, 2]})
    schema = settled(frame, types={"b": "category"})
    assert kinds(schema) == {"a": ("number", "as_is"), "b": ("category", "as_is")}
    assert apply(schema, frame, training=True, where="x")["b"].tolist() == ["1", "2", "2"]


@pytest.mark.parametrize("pair", [("true", "false"), ("Yes", "No"), ("t", "f"), ("TRUE", "FALSE")])
def test_boolean_words_become_ones_and_zeros(pair):
    frame = pd.DataFrame({"a": [pair[0], pair[1], None, pair[0]]}, dtype="str")
    assert kinds(settled(frame)) == {"a": ("number", "boolean")}
    np.testing.assert_array_equal(typed(frame)["a"], [1, 0, np.nan, 1])


def test_boolean_dtypes_and_booleans_with_missing_values():
    frame = pd.DataFrame({"a": [True, False, True], "b": [True, None, False]})
    assert kinds(settled(frame)) == {"a": ("number", "boolean"), "b": ("number", "boolean")}
    np.testing.assert_array_equal(typed(frame)["b"], [1, np.nan, 0])


def test_one_word_of_a_pair_alone_is_no_boolean():
    frame = pd.DataFrame({"a": ["yes", None, "yes"], "b": ["yes", "no", "maybe"]}, dtype="str")
    assert kinds(settled(frame)) == {"a": ("category", "as_is"), "b": ("category", "as_is")}


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%b %d, %Y", "%Y-%m-%d %H:%M:%S"])
def test_dates_become_their_parts(form):
    moments = pd.Series(pd.to_datetime(["2019-12-30 05:00", "2020-02-29 23:30", "2021-01-13 00:00"]))
    frame = pd.DataFrame({"when": [*moments.dt.strftime(form), None]}, dtype="str")
    rows = typed(frame)
    at = pd.DatetimeIndex(moments) if "%H" in form else pd.DatetimeIndex(moments).normalize()
    np.testing.assert_array_equal(rows["when.year"][:3], at.year)
    np.testing.assert_array_equal(rows["when.month"][:3], at.month)
    np.testing.assert_array_equal(rows["when.weekday"][:3], at.day_of_week)
    np.testing.assert_array_equal(rows["when.day_of_year"][:3], at.day_of_year)
    np.testing.assert_allclose(rows["when.days"][:3], at.as_unit("ns").asi8 / 86_400e9)
    assert ("when.hour" in rows) == ("%H" in form)
    assert rows.iloc[3].isna().all()


def test_dates_of_the_test_file_decide_day_first():
    train = pd.DataFrame({"when": ["01/02/2020", "03/04/2020"]}, dtype="str")
    test = pd.DataFrame({"when": ["25/12/2020"]}, dtype="str")
    schema = settled(train, test)
    assert apply(schema, train, training=True, where="x")["when.month"].tolist() == [2, 4]
    assert settled(train).columns[0].format == "%m/%d/%Y"


def test_free_text_and_categories():
    sentences = [f"a sentence of some words, number {i}" for i in range(60)]
    codes = [f"c{i % 55}" for i in range(60)]  # many levels and nearly unique
    few = ["red", "green"] * 30
    frame = pd.DataFrame({"sentence": sentences, "code": codes, "few": few})
    assert kinds(settled(frame)) == {
        "sentence": ("text", "as_is"),
        "code": ("text", "as_is"),
        "few": ("category", "as_is"),
    }
    assert kinds(settled(frame, types={"few": "text", "code": "category"}))["few"] == ("text", "as_is")


def test_identifiers_constants_and_empty_columns_are_dropped_with_their_reason():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Order": np.arange(60),
            "ticket": [f"T{i:04d}" for i in range(60)],
            "same": "x",
            "empty": pd.Series([None] * 60, dtype="str"),
            "size": random.normal(size=60),
            "price": [f"{value:.4f}" for value in random.normal(size=60)],
            "day": pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d"),
            "unwanted": [1, 2, 3] * 20,
        }
    )
    schema = settled(frame, drop=["unwanted"])
    assert {name: reason.partition(":")[0] for name, reason in schema.dropped.items()} == {
        "Order": "identifier",
        "ticket": "identifier",
        "same": "constant",
        "empty": "all missing",
        "unwanted": "declared in columns.drop",
    }
    assert "size" in schema.names("number") and "price" in schema.names("number")
    assert "day.days" in schema.names("number")
    assert "Order" in settled(frame, types={"Order": "number"}).names("number")


def test_a_unique_amount_is_no_identifier_whatever_the_test_file_holds():
    for test in ([7, 14], [1, 2]):
        train = pd.DataFrame({"people": np.arange(60) * 7})
        assert settled(train, pd.DataFrame({"people": test})).names("number") == ["people"]


def test_levels_read_alike_whatever_a_file_made_of_them():
    train = read("id,floor,x\n1,3,a\n2,4,b\n3,3,a\n")
    test = read("id,floor,x\n4,3,a\n5,NA,b\n")
    assert test["floor"].dtype == "float64"
    schema = settled(train, test, id="id", types={"floor": "category"})
    assert apply(schema, train, training=True, where="train")["floor"].tolist() == ["3", "4", "3"]
    assert apply(schema, test, training=False, where="test")["floor"].tolist()[0] == "3"
    as_text = read("id,floor,x\n4,3,a\n5,NA,b\n", dtype="str")
    assert apply(schema, as_text, training=False, where="test")["floor"].tolist()[0] == "3"


def test_typed_rows_have_their_dtypes_and_order():
    raw = pd.DataFrame(
        {
            "y": ["b", "a", "b"],
            "word": ["u", None, "v"],
            "id": [3, 1, 2],
            "n": [1, 2, None],
            "site": ["p", "q", "p"],
            "when": ["2/1/2020", "11/1/2019", "1/1/2021"],
        },
        index=[9, 8, 7],
    )
    schema = settled(raw, id="id", target="y", keep=["site", "when"], target_kind="class")
    rows = apply(schema, raw[raw.columns[::-1]], training=True, where="train")
    assert rows.columns.tolist() == ["id", "word", "n", "y", "site", "when"]
    assert rows.index.tolist() == [0, 1, 2]
    assert rows["word"].dtype == "str" and rows["n"].dtype == "float64" and rows["y"].tolist() == ["b", "a", "b"]
    assert rows["when"].dt.year.tolist() == [2020, 2019, 2021]
    assert "y" not in apply(schema, raw, training=False, where="test")
    check(schema, rows, "train", training=True)


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ([1, 0, 1], (0, 1)),
        (["1", "0", "10"], (0, 1, 10)),
        ([True, False, True], (False, True)),
        ([2.0, 1.0, 2.0], (1, 2)),
    ],
)
def test_classes_keep_their_own_type(target, classes):
    raw = pd.DataFrame({"x": [1, 2, 2], "y": target})
    schema = settled(raw, target="y", target_kind="class")
    assert schema.classes == classes
    rows = apply(Schema.from_json(json.loads(json.dumps(schema.to_json()))), raw, training=True, where="train")
    assert set(rows["y"].tolist()) == set(classes)
    assert [type(value) for value in rows["y"].tolist()] == [type(classes[0])] * 3


def test_targets_of_regression_and_translation():
    raw = pd.DataFrame({"x": [1, 2, 2], "y": ["$1,000", "2", "3"]})
    assert apply(settled(raw, target="y"), raw, training=True, where="t")["y"].tolist() == [1000, 2, 3]
    schema = settled(raw, target="y", target_kind="text")
    assert apply(schema, raw, training=True, where="t")["y"].tolist() == ["$1,000", "2", "3"]


def test_schema_round_trips_through_json():
    raw = pd.DataFrame({"when": ["2020-01-01", "2021-03-01"], "c": ["a", "b"], "y": [0, 1], "g": [1, 2]})
    schema = settled(raw, target="y", target_kind="class", keep=["g"])
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def refusal(schema: Schema, raw: pd.DataFrame, *, training: bool = False) -> str:
    with pytest.raises(UserError) as error:
        apply(schema, raw, training=training, where="test.csv")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_apply_refuses_missing_extra_and_ill_typed_columns():
    raw = pd.DataFrame(
        {"a": [1, 2], "b": ["yes", "no"], "c": ["2020-01-01", "2020-02-03"], "gone": ["k", "k"], "y": [1, 2]}
    )
    schema = settled(raw, target="y")
    assert "column 'a' is missing" in refusal(schema, raw.drop(columns=["a"]))
    assert "column 'new' is not in the training file" in refusal(schema, raw.assign(new=1))
    assert "column 'a', row 3: needs a number, got 'many'" in refusal(schema, raw.assign(a=["1", "many"]))
    large = refusal(schema, raw.assign(y=[1e308, 1]), training=True)  # its square would be infinite
    assert "column 'y', row 2: needs a number of at most 1e+150 as target, got 1e+308" in large
    assert "column 'y', row 2: needs a finite number" in refusal(schema, raw.assign(y=[np.inf, 1]), training=True)
    assert "column 'b', row 3: needs true or false, got 'perhaps'" in refusal(schema, raw.assign(b=["yes", "perhaps"]))
    assert "column 'c', row 2: needs a date" in refusal(schema, raw.assign(c=["soon", "2020-01-01"]))
    apply(schema, raw.drop(columns=["gone", "y"]), training=False, where="test.csv")
    apply(schema, raw, training=False, where="test.csv")


def test_settle_refuses_columns_that_are_not_there_and_unreadable_dates():
    raw = pd.DataFrame({"size": [1, 2], "word": ["p", "q"]})
    with pytest.raises(UserError, match=r"no column 'sise' \(declared as columns.id\); did you mean 'size'"):
        settled(raw, id="sise")
    with pytest.raises(UserError, match="column 'word': declared a date"):
        settled(raw, types={"word": "date"})


def test_check_names_file_column_and_row():
    raw = pd.DataFrame({"id": [1, 2, 3], "n": [1.0, 2.0, 2.0], "y": ["a", "b", "a"]})
    schema = settled(raw, id="id", target="y", target_kind="class")
    rows = apply(schema, raw, training=True, where="train.csv")
    check(schema, rows, "train.csv", training=True)
    for broken, words in (
        (rows.assign(n=[1.0, np.inf, 2.0]), ("'n'", "row 3", "is finite", "inf")),
        (rows.assign(y=["a", "b", "z"]), ("'y'", "row 4", "'z'")),
        (rows.assign(id=[1, 1, 3]), ("'id'", "row 2")),
        (rows.drop(columns=["n"]), ("'n'",)),
        (rows.assign(n=["1", "2", "3"]), ("'n'", "float64")),
    ):
        with pytest.raises(UserError) as error:
            check(schema, broken, "train.csv", training=False)
        message = str(error.value)
        assert "train.csv" in message and "\n" not in message and all(word in message for word in words), message
