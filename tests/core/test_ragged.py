from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.ragged import Ragged, smallest_type

ROWS = st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=6), max_size=8)
FEW = [[5, 6, 7], [], [300], [1, 2]]


def lists(column: Ragged) -> list[list[int]]:
    return [row.tolist() for row in column]


@given(ROWS)
def test_rows_come_back(rows):
    column = Ragged.from_lists(rows)
    assert lists(column) == rows and len(column) == len(rows)
    assert column.lengths.tolist() == [len(row) for row in rows]


@given(ROWS, st.data())
def test_taking_slicing_and_padding_are_those_of_lists(rows, data):
    column = Ragged.from_lists(rows)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    mask = np.array([i % 2 == 0 for i in range(len(rows))], bool)
    begin, end = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    assert lists(column.take(index)) == [rows[i] for i in index]
    assert lists(column.take(mask)) == rows[::2]
    assert lists(column[begin:end]) == rows[begin:end]
    assert lists(column.take(index).compact()) == [rows[i] for i in index]
    longest = max((len(rows[i]) for i in index), default=0)
    padded = column.padded(index, fill=-1)
    assert padded.shape == (len(index), longest)
    assert padded.tolist() == [rows[i] + [-1] * (longest - len(rows[i])) for i in index]


@given(st.lists(ROWS, max_size=4))
def test_concatenated_parts_hold_their_rows_in_order(parts):
    together = Ragged.concatenate([Ragged.from_lists(rows) for rows in parts])
    assert lists(together) == [row for rows in parts for row in rows]


@pytest.mark.parametrize("mapped", [None, "r", "c"])
@pytest.mark.parametrize("rows", [FEW, [], [[]], [[], []]])
def test_a_column_is_read_back_from_its_files(rows, mapped, tmp_path):
    column = Ragged.from_lists(rows)
    column.save(tmp_path, "tokens")
    loaded = Ragged.load(tmp_path, "tokens", mapped)
    assert lists(loaded) == rows and loaded.values.dtype == column.values.dtype
    assert loaded.fingerprint() == column.fingerprint()
    assert loaded.padded(range(len(rows))).tolist() == column.padded(range(len(rows))).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens.offsets.npy", "tokens.values.npy"]


def test_a_mapped_column_stays_on_the_disk(tmp_path):
    Ragged.from_lists([[1, 2, 3]] * 100).save(tmp_path, "x")
    assert isinstance(Ragged.load(tmp_path, "x", "r").take([5, 7]).values, np.memmap)


def test_values_take_the_smallest_type():
    for row, kind in (
        ([0, 255], np.uint8),
        ([256], np.uint16),
        ([-1], np.int8),
        ([-1, 128], np.int16),
        ([2**16], np.uint32),
        ([0.5], np.float32),
    ):
        assert Ragged.from_lists([row]).values.dtype == kind
    with pytest.raises(ValueError, match="no integer type"):
        smallest_type(-1, 2**64 - 1)


def test_windows_overlap_without_a_copy():
    values = np.arange(1000, dtype=np.uint16)
    begins = np.arange(0, 900)
    windows = Ragged(values, begins, begins + 100)
    assert np.shares_memory(windows.take([1, 3]).values, values)
    np.testing.assert_array_equal(windows.padded([0, 899]), [np.arange(100), np.arange(899, 999)])
    assert windows.nbytes < 20_000


def test_what_no_row_needs_is_not_written(tmp_path):
    Ragged.from_lists([[1] * 1000, [2, 3]]).take([1]).save(tmp_path, "x")
    assert Ragged.load(tmp_path, "x").values.tolist() == [2, 3]


@pytest.mark.parametrize(("fill", "kind"), [(0, np.uint16), (7, np.uint16), (-100, np.int32), (70_000, np.uint32)])
def test_the_padding_fits_the_type(fill, kind):
    padded = Ragged.from_lists(FEW).padded([2, 1, 0], fill)
    assert padded.dtype == kind
    assert padded.tolist() == [[300, fill, fill], [fill] * 3, [5, 6, 7]]


def test_signed_values_keep_their_type_when_filled_with_zero():
    assert Ragged.from_lists([[-1], []]).padded([0, 1]).dtype == np.int8


def test_another_value_or_cut_is_another_fingerprint():
    found = {Ragged.from_lists(rows).fingerprint() for rows in (FEW, FEW[1:], [[5, 6], [7], [300], [1, 2]], [[1]])}
    assert len(found) == 4
    assert Ragged.from_lists(FEW).fingerprint() == Ragged.from_lists([list(row) for row in FEW]).fingerprint()


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="3 values for lengths of 4"):
        Ragged.from_lengths(np.arange(3), np.array([2, 2]))
