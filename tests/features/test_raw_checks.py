"""Bad raw input: one line that names file, column, row and rule."""

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.features.raw_checks import check_raw


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    train = pd.DataFrame({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5], "y": [10, 20, 30]})
    return train, pd.DataFrame({"x": [3.5, 4.5], "id": [4, 5]})


def run(train, test=None, **options):
    arguments = {"id": "id", "target": "y", "where": "train.csv", "test_where": "test.csv", **options}
    check_raw(train, test, **arguments)


def test_good_input_passes_in_any_column_order():
    train, test = frames()
    run(train, test)
    run(train, test.assign(y=0))
    run(train.assign(only_here=1), test, drop=["only_here"])
    run(train.assign(y=["a", "b", "a"]), test, target_kind="class")
    run(train.assign(y=["a", "b", "c"]), test, target_kind="text")
    run(train.assign(y=["1,000", "2", "3"]), test)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda a, b: (a.drop(columns="y"), b), {}, ["train.csv", "no column 'y'"]),
        (lambda a, b: (a.assign(y=np.nan), b), {}, ["train.csv", "'y'", "every row"]),
        (lambda a, b: (a.assign(y=[1, np.nan, 2]), b), {}, ["train.csv", "'y'", "row 3", "missing"]),
        (lambda a, b: (a.assign(y=["1", "2", "dear"]), b), {}, ["train.csv", "'y'", "row 4", "'dear'", "number"]),
        (lambda a, b: (a.assign(y=[1, np.inf, 2]), b), {}, ["train.csv", "'y'", "row 3", "finite", "inf"]),
        (lambda a, b: (a.assign(y=7.5), b), {}, ["train.csv", "'y'", "two values", "7.5"]),
        (lambda a, b: (a.assign(id=["1", "2", "Total"]), b), {}, ["train.csv", "'id'", "row 4", "'Total'", "sum"]),
        (lambda a, b: (a.assign(y="a"), b), {"target_kind": "class"}, ["train.csv", "'y'", "two classes", "'a'"]),
        (lambda a, b: (a, b.assign(id=[5, 5])), {}, ["test.csv", "'id'", "row 3", "'5'"]),
        (lambda a, b: (a, b.assign(id=["1", ""])), {}, ["test.csv", "'id'", "row 3", "missing"]),
        (lambda a, b: (a, b.drop(columns="id")), {}, ["test.csv", "no column 'id'"]),
        (lambda a, b: (a, b.drop(columns="x")), {}, ["test.csv", "'x'", "missing"]),
        (lambda a, b: (a, b.rename(columns={"x": "xx"})), {}, ["test.csv", "'x'", "missing", "did you mean 'xx'"]),
        (lambda a, b: (a.set_axis(["id", "x", "x"], axis=1), b), {"target": None}, ["train.csv", "'x'", "twice"]),
        (lambda a, b: (a.iloc[:0], b), {}, ["train.csv", "at least one row"]),
    ],
)
def test_bad_input_is_one_line_that_says_where(change, options, words):
    with pytest.raises(UserError) as error:
        run(*change(*frames()), **options)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_ids_belong_to_their_file_and_a_test_file_may_have_columns_of_its_own():
    train, test = frames()
    run(train.assign(id=[7, 7, 7]), test.assign(id=[7, 8], z=1))
    run(train.drop(columns="id"), test)
