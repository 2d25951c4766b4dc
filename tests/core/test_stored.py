"""Columns whose rows stay in files, against what numpy does with all of them in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.core.columns import joined, take
from pipeline.core.stored import Stored
from pipeline.core.types import Column, Schema
from pipeline.images.column import Images
from pipeline.images.rows import array_file, read_rows, write_rows

RANDOM = np.random.default_rng(0)
FIRST, SECOND = (RANDOM.integers(0, 256, (count, 3, 4, 2)).astype(np.uint8) for count in (6, 4))
BOTH = np.concatenate([FIRST, SECOND])


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, array in (("first", FIRST), ("second", SECOND)):
        np.save(tmp_path / f"{name}.npy", array)
    parts = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("first", "second")]
    return Stored.concatenate([Stored([part]) for part in parts])


@pytest.mark.parametrize("index", [[9, 0, 5, 6, 0], [], np.arange(10) % 3 == 1, slice(4, 8)])
def test_rows_are_taken_and_read_as_of_an_array(mapped, index):
    chosen = take(mapped, index)
    expected = BOTH[np.asarray(index, np.int64) if isinstance(index, list) else index]
    np.testing.assert_array_equal(chosen.read(), expected)
    assert chosen.shape == expected.shape and chosen.nbytes == expected.nbytes and len(chosen) == len(expected)
    assert all(np.shares_memory(one, other) for one, other in zip(chosen.parts, mapped.parts))


def test_columns_are_joined_without_a_part_twice(mapped):
    again = joined(take(mapped, [8, 1]), take(mapped, [1, 2]))
    np.testing.assert_array_equal(again.read(), BOTH[[8, 1, 1, 2]])
    assert len(again.parts) == 2


def test_blocks_go_over_all_rows_and_a_fingerprint_is_of_rows_alone(mapped, monkeypatch):
    monkeypatch.setattr("pipeline.core.stored.BLOCK", 60)
    blocks = list(take(mapped, [7, 7, 0, 3]).blocks())
    assert [len(block) for block in blocks] == [2, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), BOTH[[7, 7, 0, 3]])
    assert take(mapped, [6, 7]).fingerprint() == Stored([SECOND[:2]]).fingerprint()
    assert take(mapped, [6, 7]).fingerprint() != take(mapped, [7, 6]).fingerprint()


def test_sums_and_sums_of_squares_of_each_row(mapped):
    some = BOTH[[4, 9]].astype(np.int64)
    moments = take(mapped, [4, 9]).moments()
    np.testing.assert_array_equal(moments[..., 0], some.sum(axis=(1, 2)))
    np.testing.assert_array_equal(moments[..., 1], (some**2).sum(axis=(1, 2)))


def test_what_is_kept_of_it_names_files_and_holds_no_pixel(mapped, tmp_path):
    (tmp_path / "kept").mkdir()
    take(mapped, [9, 2]).save(tmp_path / "kept", "image")
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["image.index.npy", "image.parts.json"]
    np.testing.assert_array_equal(Stored.load(tmp_path / "kept", "image").read(), BOTH[[9, 2]])
    Stored([FIRST]).take([3]).save(tmp_path / "kept", "other")  # of memory, which no file holds
    np.testing.assert_array_equal(Stored.load(tmp_path / "kept", "other").read(), FIRST[[3]])


def test_typed_rows_hold_positions_and_come_back_with_their_images(mapped, tmp_path):
    schema = Schema(id=None, target="y", columns=(Column("image", "image"),))
    rows = pd.DataFrame({"y": range(4), "image": pd.Series(Images(take(mapped, [9, 0, 3, 9])))})
    write_rows(rows, tmp_path / "train.parquet")
    assert pd.read_parquet(tmp_path / "train.parquet")["image"].tolist() == [0, 1, 2, 3]
    array = np.load(array_file(tmp_path, "image", "train"))
    np.testing.assert_array_equal(array, BOTH[[9, 0, 3, 9]])
    back = read_rows(tmp_path / "train.parquet", schema)
    np.testing.assert_array_equal(back["image"].array.stored.read(), array)
    np.testing.assert_array_equal(back.iloc[[2, 1]].reset_index(drop=True)["image"][1], BOTH[0])
    both = pd.concat([back, rows.iloc[:1]], ignore_index=True)
    np.testing.assert_array_equal(both["image"].array.stored.read(), BOTH[[9, 0, 3, 9, 9]])
    hashes = pd.util.hash_pandas_object(both[["image"]], index=False)
    assert hashes[0] == hashes[3] == hashes[4] and hashes.nunique() == 3


def test_only_bytes_of_height_width_and_channels_are_images():
    with pytest.raises(ValueError, match="images are uint8"):
        Images.of(FIRST.astype(np.float32))
    with pytest.raises(ValueError, match="one shape and type"):
        Stored([FIRST, FIRST[:, 1:]])
