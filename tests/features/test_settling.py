"""What a column is taken for: marks among numbers, identifiers and what only looks like one."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.types import Schema
from pipeline.features.missing_marks import missing_labels
from pipeline.features.schema import apply
from pipeline.features.settling import settle

ROWS = 60


def settled(frame, test=None, **options):
    return settle(frame, test, **{"id": None, "target": None, **options})


def words(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    "mark", [".", "--", "?", "#DIV/0!", "-nan", "1.#QNAN", "unknown", "N/A", "NULL", "None", "n.a.", "#N/A", "tbd"]
)
@pytest.mark.parametrize("where", ["train", "test"])
def test_a_column_that_is_numbers_but_for_one_mark_is_numbers(mark, where):
    train, test = (pd.DataFrame({"n": words("1.5", mark if where == side else "2", "3")}) for side in ("train", "test"))
    schema = settled(train, test)
    assert schema.columns[0].kind == "number" and schema.columns[0].missing == (mark,)
    assert repr(mark) in schema.notes["n"]
    rows = apply(schema, train if where == "train" else test, training=False, where="x")
    np.testing.assert_array_equal(rows["n"], [1.5, np.nan, 3])


def test_a_mark_in_test_alone_is_seen_where_the_reader_made_training_numbers_of_it():
    train, test = pd.DataFrame({"n": [1.5, 2.0]}), pd.DataFrame({"n": words("1", "?")})
    rows = apply(settled(train, test), test, training=False, where="x")
    np.testing.assert_array_equal(rows["n"], [1, np.nan])


@pytest.mark.parametrize("mark", ["NULL", "NaT", "0000-00-00", "-"])
def test_marks_among_dates(mark):
    frame = pd.DataFrame({"when": words("2020-01-31", mark, "2021-02-03")})
    schema = settled(frame)
    rows = apply(schema, frame, training=False, where="x")
    np.testing.assert_array_equal(rows["when.year"], [2020, np.nan, 2021])


def test_marks_among_words_are_levels():
    frame = pd.DataFrame({"w": words("red", "unknown", "None", "red")})
    schema = settled(frame)
    assert schema.columns[0].kind == "category" and schema.columns[0].missing == ()
    rows = apply(schema, frame, training=False, where="x")
    assert rows["w"].tolist() == ["red", "unknown", "None", "red"]


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1.#INF", "∞", "1e400"])
@pytest.mark.parametrize("where", ["train", "test"])
def test_infinite_features_are_missing_and_told(word, where):
    """As numbers of a parquet file, as the reader makes them of text, and beside decimal commas."""
    for values in ([1.5, float("inf"), 3.0], words("1.5", word, "3"), words("1,5", word, "3,0")):
        train, test = (pd.DataFrame({"n": values if where == side else [1.0, 2.5, 3.0]}) for side in ("train", "test"))
        schema = settled(train, test)
        rows = apply(schema, train if where == "train" else test, training=False, where="x")
        np.testing.assert_array_equal(rows["n"], [1.5, np.nan, 3])
        assert word == "1e400" or "taken for missing" in schema.notes["n"]
    numbers = pd.DataFrame({"n": [1.5, 2.5], "all": [np.inf, -np.inf]})
    schema = settled(numbers)
    assert schema.dropped == {"all": "all missing"}
    later = pd.DataFrame({"n": words("2", word)})  # in a file that came after the types were settled
    assert np.isnan(apply(schema, later, training=False, where="x")["n"][1])


def test_numbers_whose_differences_have_no_quotient_are_nothing():
    """P-values of a genome go down to 5e-324, from where quantiles were NaN. As numbers, text, and in another form."""
    small = [3e-310, 5e-324, -1e-200, 0.5, 2e-100]
    for values in (small, words(*map(str, small)), words(*(str(one).replace(".", ",") for one in small))):
        train = pd.DataFrame({"p": values})
        rows = apply(settled(train), train, training=False, where="x")
        np.testing.assert_array_equal(rows["p"], [0, 0, 0, 0.5, 2e-100])


@pytest.mark.parametrize("letters", ["ACGT", "70,8"])
def test_long_values_take_no_longer_than_reading_them(letters):
    """A genome has no digit, the pixels of a picture have no letter: a search from each place is quadratic."""
    values = [letters * 5_000 + letters * i for i in range(ROWS)]
    began = time.perf_counter()
    assert settled(pd.DataFrame({"s": words(*values)})).dropped == {}
    assert time.perf_counter() - began < 20


def test_words_among_numbers_that_are_no_known_marks_are_told():
    numbers = [*map(str, range(30))]
    frame = pd.DataFrame({"n": words(*numbers, "see note", "soon"), "code": words(*numbers, "10A", "11")})
    notes = settled(frame).notes
    assert "numbers but for 'see note' and 1 others; source.missing" in notes["n"] and "code" not in notes


@pytest.mark.parametrize("mark", ["see note", "Wert fehlt", "<lod>"])
def test_one_word_that_nobody_knows_among_many_numbers_or_dates_is_missing(mark):
    numbers, days = [f"1.{i},5 €" for i in range(100, 140)], [f"{i % 28 + 1}.{i % 12 + 1}.2020" for i in range(40)]
    plain = pd.DataFrame({"n": words(*numbers), "sold": words(*days)})
    marked = pd.DataFrame({"n": words(mark, *numbers[1:]), "sold": words(mark, *days[1:])})
    schema = settled(marked, plain)
    rows = apply(schema, marked, training=False, where="x")
    assert np.isnan(rows["n"][0]) and np.isnan(rows["sold.day"][0])
    assert rows["n"][1] == 1101.5 and rows["sold.day"][1] == 2
    for name in ("n", "sold"):
        assert f"{mark!r} taken for missing (columns.types: category keeps it as a word)" in schema.notes[name]
    with pytest.raises(UserError, match=r"row 2: needs a number.* or name it in source.missing"):
        apply(settled(plain, marked), marked, training=False, where="test.csv")


def test_whole_numbers_beside_a_mark_in_one_file_are_plain_numbers():
    train, test = pd.DataFrame({"n": [3.0, 6.0, 9.0]}), pd.DataFrame({"n": words("195", ".", "12")})
    assert settled(train, test).columns[0].format is None


def test_a_word_among_few_numbers_is_a_level_and_so_is_one_that_is_declared():
    few = pd.DataFrame({"doors": words("2", "3", "4", "more", "2")})
    assert settled(few).columns[0].kind == "category"
    many = pd.DataFrame({"floor": words("ground", *map(str, range(1, 30)))})
    assert settled(many, types={"floor": "category"}).columns[0].kind == "category"


@pytest.mark.parametrize("values", [["yes", "No", "Y", "n"], ["True", "F", "f", None], ["no", "Y"]])
def test_a_pair_of_truths_and_its_letters_are_truths(values):
    frame = pd.DataFrame({"b": words(*values)})
    rows = apply(settled(frame), frame, training=False, where="x")
    expected = [np.nan if one is None else float(one[0].lower() in "yt") for one in values]
    np.testing.assert_array_equal(rows["b"], expected)
    assert settled(pd.DataFrame({"b": words("Y", "N")})).columns[0].kind == "category"


def test_what_is_neither_number_nor_mark_in_test_is_refused_with_its_row():
    train, test = pd.DataFrame({"n": [1.5, 2.0]}), pd.DataFrame({"n": words("1", "big")})
    with pytest.raises(UserError, match=r"'n', row 3: needs a number, got 'big'"):
        apply(settled(train, test), test, training=False, where="test.csv")


RANDOM = np.random.default_rng(0)
MEASURED = {
    "income": RANDOM.choice(10**6, ROWS, replace=False),
    "epoch": 1_600_000_000 + RANDOM.choice(10**7, ROWS, replace=False),
    "weight": words(*(f"{one}kg" for one in RANDOM.choice(10**4, ROWS, replace=False))),
    "sold": words(*(f"{day:%d-%b-%Y}" for day in pd.date_range("2020-01-01", periods=ROWS, freq="37D"))),
    "clock": words(*(f"{minute // 60:02d}:{minute % 60:02d}" for minute in RANDOM.choice(1440, ROWS, replace=False))),
    "price": words(*(f"{one},50" for one in RANDOM.choice(10**4, ROWS, replace=False))),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_is_measured_is_no_identifier_though_no_value_occurs_twice(name):
    frame = pd.DataFrame({name: MEASURED[name]})
    assert frame[name].is_unique
    schema = settled(frame, frame.iloc[:0])
    assert schema.dropped == {} and schema.names("number")


NAMED = {
    "counts": np.arange(ROWS) + 7,
    "dealt": RANDOM.permutation(ROWS),
    "customer_id": RANDOM.choice(10**6, ROWS, replace=False),
    "orderID": RANDOM.choice(10**6, ROWS, replace=False),
    "code": words(*(f"P{i:04d}" for i in range(ROWS))),
    "hash": words(*(RANDOM.bytes(8).hex() for _ in range(ROWS))),
    "token": words(*(f"{RANDOM.bytes(4).hex()}-0a1b-4c2d-8e3f-{RANDOM.bytes(6).hex()}" for _ in range(ROWS))),
}


@pytest.mark.parametrize("name", NAMED)
def test_identifiers_have_further_signs_and_are_told(name):
    schema = settled(pd.DataFrame({name: NAMED[name]}))
    assert schema.dropped[name].startswith("identifier: ")
    assert settled(pd.DataFrame({name: NAMED[name]}), types={name: "category"}).dropped == {}


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__"])
def test_pandas_index_is_no_feature(name):
    train, test = pd.DataFrame({name: range(ROWS)}), pd.DataFrame({name: range(ROWS)})
    assert settled(train, test).dropped == {name: "pandas' index, which numbers the rows"}


def test_an_index_that_begins_again_in_each_file_counts_rows():
    train, test = pd.DataFrame({"row": range(ROWS)}), pd.DataFrame({"row": range(20)})
    assert settled(train, test).dropped["row"] == "identifier: counts the rows"


@pytest.mark.parametrize(
    ("name", "first"),
    [("built", 1990), ("YearBuilt", 1990), ("day", 1), ("sale_week", 7), ("sold", 20200101), ("t_period", 0)],
)
def test_times_that_go_on_in_the_test_file_count_no_rows(name, first):
    count = 25 if first != 20200101 else 20
    train, test = np.arange(first, first + count), np.arange(first + count, first + count + 8)
    schema = settled(pd.DataFrame({name: train}), pd.DataFrame({name: test}))
    assert schema.dropped == {} and schema.names("number") == [name]


@pytest.mark.parametrize(("first", "then"), [(0, ROWS), (0, 0), (1, 1461), (5000, 9000)])
@pytest.mark.parametrize("name", ["row", "n", "timer"])
def test_counters_of_rows_are_left_out_in_both_files(name, first, then):
    train, test = np.arange(first, first + ROWS), np.arange(then, then + 50)
    assert settled(pd.DataFrame({name: train}), pd.DataFrame({name: test})).dropped == {
        name: "identifier: counts the rows"
    }


def test_a_file_with_decimal_commas_decides_what_a_column_leaves_open():
    frame = pd.DataFrame({"sure": words("0,5", "1,25"), "open": words("1,234", "2,500")})
    rows = apply(settled(frame), frame, training=False, where="x")
    assert rows["open"].tolist() == [1.234, 2.5]
    alone = settled(frame[["open"]])
    assert "could be 1.234,5" in alone.notes["open"]
    assert apply(alone, frame[["open"]], training=False, where="x")["open"].tolist() == [1234, 2500]


def test_a_target_of_numbers_has_a_format_too():
    frame = pd.DataFrame({"x": [1, 2], "y": words("1.234,50", "0,5")})
    schema = settled(frame, target="y")
    assert apply(schema, frame, training=True, where="x")["y"].tolist() == [1234.5, 0.5]


def test_na_is_a_label_among_words_and_none_among_numbers():
    assert missing_labels(words("NA", "EU", "SA"), ("", "NA")) == ("",)
    assert missing_labels(words("NA", "0", "1"), ("", "NA")) == ("", "NA")
    assert missing_labels(words("?", "EU", "SA"), ("", "?")) == ("", "?")
    frame = pd.DataFrame({"x": [1, 2, 3], "y": words("NA", "EU", "SA")})
    schema = settled(frame, target="y", target_kind="class")
    assert schema.classes == ("EU", "NA", "SA") and "'NA' is read as a class" in schema.notes["y"]
    assert apply(schema, frame, training=True, where="x")["y"].tolist() == ["NA", "EU", "SA"]


def test_a_schema_comes_back_from_its_file():
    from pipeline.core.types import Schema

    schema = settled(pd.DataFrame({"n": words("1,5", ".", "2"), "y": words("0,5", "1", "2")}), target="y")
    assert Schema.from_json(schema.to_json()) == schema


def test_a_part_of_a_date_takes_no_raw_columns_name():
    frame = pd.DataFrame({"sold": words("2020-01-31", "2021-02-03"), "sold.year": [0.5, 0.7]})
    rows = apply(settled(frame), frame, training=False, where="x")
    assert rows["sold.year"].tolist() == [0.5, 0.7] and rows["sold.year_"].tolist() == [2020, 2021]


def test_decimal_commas_in_one_file_alone_are_of_the_other_files_size():
    train, test = pd.DataFrame({"n": [4.945, 3.1, 9.25]}), pd.DataFrame({"n": words("3,968", "5,125")})
    rows = apply(settled(train, test), test, training=False, where="x")
    assert rows["n"].tolist() == [3.968, 5.125]
    large = pd.DataFrame({"n": [4945.5, 3100.0]})
    assert apply(settled(large, test), test, training=False, where="x")["n"].tolist() == [3968, 5125]


def test_truths_in_one_file_and_digits_in_the_other():
    train, test = pd.DataFrame({"b": [0, 1, 1]}), pd.DataFrame({"b": words("True", "False")})
    rows = apply(settled(train, test), test, training=False, where="x")
    assert rows["b"].tolist() == [1, 0]


def test_moments_without_repeats_are_moments():
    frame = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=ROWS)})
    assert "when.days" in settled(frame).names("number")


def test_a_target_that_could_be_read_in_two_ways_is_told():
    frame = pd.DataFrame({"x": [1, 2], "y": words("1,234", "2,500")})
    assert "could be 1.234,5" in settled(frame, target="y").notes["y"]


HABITS = {
    "dependents": (["0", "1", "2", "3+"], [0, 1, 2, 3], "3+ are read as 3"),
    "dose": (["<5", "5", "~7.5", "12"], [4.5, 5, 7.5, 12], "<3 as 2.5"),
    "height": (["5'11\"", "6'", "5'7\"", "6'2\""], [71, 72, 67, 74], "feet and inches, read as inches"),
    "took": (["1h07", "2h", "45m", "3h30"], [67 / 60, 2, 0.75, 3.5], "read as hours"),
    "age": (["٣٤", "１２", "7", "۵"], [34, 12, 7, 5], "digits of another script, '٣٤' read as 34"),
}


@pytest.mark.parametrize("name", HABITS)
def test_numbers_of_every_habit_are_settled_once_told_and_read_alike_in_new_rows(name):
    written, numbers, told = HABITS[name]
    train, test = pd.DataFrame({"n": words(*written, None)}), pd.DataFrame({"n": words(*written[::-1])})
    schema = settled(train, test)
    assert schema.columns[0].kind == "number" and told in schema.notes["n"], schema.notes
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    np.testing.assert_allclose(apply(again, train, training=True, where="x")["n"], [*numbers, np.nan])
    np.testing.assert_allclose(apply(again, test, training=False, where="x")["n"], numbers[::-1])
    for word, number in zip(written, numbers, strict=True):  # as a row alone, which predict may be given
        alone = apply(again, pd.DataFrame({"n": words(word)}), training=False, where="x")["n"]
        np.testing.assert_allclose(alone, [number])
    with pytest.raises(UserError, match="row 2: needs a number"):
        apply(again, pd.DataFrame({"n": words("soon")}), training=False, where="x")


def test_marks_may_be_declared_and_kept():
    frame = pd.DataFrame({"n": words("3", "3+", "4"), "m": words("0", "1", "2+")})
    schema = settled(frame, formats={"n": "~1,234.5"}, types={"m": "category"})
    assert apply(schema, frame, training=True, where="x")["n"].tolist() == [3, 3, 4]
    assert [column.kind for column in settled(frame[["n"]]).columns] == ["category"]
    assert schema.names("category") == ["m"]
