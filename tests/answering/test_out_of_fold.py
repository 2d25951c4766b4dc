"""The guard against leaks into a second level."""

import numpy as np
import pandas as pd
import pytest

from pipeline.answering.out_of_fold import fold_scores, guarded, parts_of
from pipeline.core import types
from pipeline.core.errors import UserError
from pipeline.core.types import ROW

FOLD = np.array([0, 1, 2, -1, 0, 1, 2])


def table(fold=FOLD, rows=None):
    rows = np.flatnonzero(fold >= 0) if rows is None else np.asarray(rows)
    return pd.DataFrame({ROW: rows, types.FOLD: FOLD[rows], "prediction": rows * 1.0})


def test_predictions_of_the_folds_that_did_not_train_on_them_pass():
    row, frames = guarded({"a": table(), "b": table()}, FOLD)
    assert row.tolist() == [0, 1, 2, 4, 5, 6]
    assert [list(frame) for frame in frames] == [["prediction"]] * 2
    assert frames[0]["prediction"].tolist() == row.tolist()


def test_a_prediction_of_a_row_that_its_model_trained_on_is_refused():
    leaking = table()
    leaking.loc[3, types.FOLD] = 2  # fold 2's model trained on row 4, which is of fold 0
    with pytest.raises(UserError, match=r"b: .*got row 4 of fold 0 predicted in fold 2; run `dvc repro`"):
        guarded({"a": table(), "b": leaking}, FOLD)


def test_predictions_of_rows_that_every_fold_trained_on_are_refused():
    rows = [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(UserError, match="every validated row once, in order, got 7 for 6 rows"):
        guarded({"a": table(rows=rows)}, FOLD)


@pytest.mark.parametrize("rows", [[0, 1, 2, 4, 5], [0, 1, 2, 4, 5, 6, 6], [1, 0, 2, 4, 5, 6]])
def test_rows_that_are_missing_stand_twice_or_out_of_order_are_refused(rows):
    with pytest.raises(UserError, match="every validated row once, in order"):
        guarded({"a": table(rows=rows)}, FOLD)


def test_rows_of_another_table_are_refused():
    with pytest.raises(UserError, match="predicts rows 0 to 6 of 5 training rows"):
        guarded({"a": table()}, FOLD[:5])


def test_each_part_is_apart_from_what_fits_it():
    for others, rows in parts_of(np.array([2, 0, 2, 1, 0])):
        assert set(others) | set(rows) == set(range(5))
        assert not set(others) & set(rows)
    assert [rows.tolist() for _, rows in parts_of(np.array([2, 0, 2, 1, 0]))] == [[1, 4], [3], [0, 2]]


def test_a_single_hold_out_is_taken_apart():
    parts = parts_of(np.zeros(12, dtype=int))
    assert len(parts) == 5
    assert parts[0][1].tolist() == [0, 5, 10]


def test_scores_are_of_each_folds_rows_alone():
    target = pd.Series([1.0, 2.0, 3.0, 4.0])
    off = pd.DataFrame({"prediction": [1.0, 2.0, 4.0, 6.0]})
    error = lambda truth, frame: float((frame["prediction"] - truth).abs().mean())  # noqa: E731
    assert fold_scores(error, target, off, np.array([0, 0, 5, 5])) == [0.0, 1.5]
