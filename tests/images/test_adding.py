"""What ``add`` takes folders and arrays of images for, and what it refuses in a line."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.commands import add
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.types import Schema
from pipeline.images.rows import read_rows
from pipeline.sources.arrays import read_arrays

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, np.uint8)


def paint(folder: Path, names: list[str], side: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(noise(side, side)).save(folder / name)


@pytest.mark.parametrize("names", [("0", "1", "2"), tuple(f"{i:05}" for i in range(30))])
def test_folders_are_classes_whatever_they_are_called(names, added):
    def make(folder: Path) -> None:
        for name in names:
            paint(folder / "train" / name, ["a.png", "b.png", "c.png"])
        paint(folder / "test", ["d.png"])

    found = added(make)["competitions"]["toy"]
    assert found["task"] == {"name": "classification"} and found["split"]["name"] == "stratified"


@pytest.mark.parametrize(("metric", "task"), [(None, "classification"), ("rmse", "regression")])
def test_an_array_of_whole_numbers_called_labels_is_of_classes_unless_a_metric_is_of_numbers(metric, task, added):
    def make(folder: Path) -> None:
        np.savez(folder / "train.npz", images=noise(90, 8, 8), labels=np.arange(90) % 30)
        np.savez(folder / "test.npz", images=noise(4, 8, 8))

    assert added(make, metric=metric)["competitions"]["toy"]["task"]["name"] == task


def test_labels_of_which_each_row_has_its_own_are_numbers(added):
    def make(folder: Path) -> None:
        np.savez(folder / "train.npz", images=noise(90, 8, 8), labels=np.arange(90))
        np.savez(folder / "test.npz", images=noise(4, 8, 8))

    assert added(make)["competitions"]["toy"]["task"]["name"] == "regression"


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def as_idx(folder: Path) -> None:
    for role, count in (("train", 40), ("t10k", 5)):
        (folder / f"{role}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(noise(count, 8, 8))))
        (folder / f"{role}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 3))
    np.savez(folder / "packed.npz", images=noise(40, 8, 8), labels=np.arange(40) % 3)


@pytest.mark.parametrize(
    ("name", "left", "told"),
    [
        ("train-images-idx3-ubyte.gz", 1500, "compressed file ended"),
        ("train-labels-idx1-ubyte", 45, "ends before its last value"),
        ("t10k-labels-idx1-ubyte", 11, "ends before its last value"),
        ("train-images-idx3-ubyte.gz", 15, "compressed file ended"),
        ("train-labels-idx1-ubyte", 6, "ends in its header"),
        ("packed.npz", 1000, "not a zip file"),
    ],
)
def test_arrays_that_are_cut_off_are_told_in_a_line(name, left, told, added):
    def make(folder: Path) -> None:
        as_idx(folder)
        (folder / name).write_bytes((folder / name).read_bytes()[:left])
        if name == "packed.npz":
            (folder / name).rename(folder / "train.npz")

    stem = "train" if name == "packed.npz" else name.partition("-")[0].replace("t10k", "(t10k|test)")
    with pytest.raises(UserError, match=rf"{stem}\S*: is damaged or cut off \([^)]*{told}[^)]*\); download or write"):
        added(make)


def test_arrays_read_alone_take_nothing_from_what_lies_beside_them(tmp_path):
    np.savez(tmp_path / "test.npz", images=noise(6, 8, 8))
    pd.DataFrame({"Number": range(101, 107), "Label": 0}).to_csv(tmp_path / "sample_submission.csv", index=False)
    np.savez(tmp_path / "new.npz", images=noise(4, 8, 8), labels=np.arange(4))
    rows = read_arrays({"": tmp_path / "new.npz"}, "test", tmp_path, alone=True)
    assert list(rows) == ["image", "labels"] and len(rows) == 4


def linked(folder: Path) -> None:
    """A class lies elsewhere."""
    (folder.parent / "birds").mkdir()
    (folder / "train" / "bird").symlink_to(folder.parent / "birds")


def looped(folder: Path) -> None:
    (folder / "train" / "0" / "a.png").unlink()
    (folder / "train" / "0" / "a.png").symlink_to("a.png")


def dangling(folder: Path) -> None:
    (folder / "test" / "d.png").unlink()
    (folder / "test" / "d.png").symlink_to("gone.png")


def renamed(folder: Path) -> None:
    (folder / "train" / "1" / "a.png").rename(folder / "train" / "1" / os.fsdecode(b"\xfcber.png"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (linked, r"^in/train/bird: a link to a folder, which is not followed; copy the folder there$"),
        (looped, r"^in/train/0/a\.png: a link that leads nowhere; copy the file there$"),
        (dangling, r"^in/test/d\.png: a link that leads nowhere; copy the file there$"),
        (renamed, r"^in/train/1/\\xfcber\.png: its name is not UTF-8 text; rename the file$"),
    ],
)
def test_links_and_names_that_cannot_be_brought_are_told(change, told, added):
    def make(folder: Path) -> None:
        for name in ("0", "1"):
            paint(folder / "train" / name, ["a.png", "b.png", "c.png"])
        paint(folder / "test", ["d.png"])
        change(folder)

    with pytest.raises(UserError, match=told):
        added(make)


def test_two_columns_of_file_names_are_two_images_that_the_networks_read(bench, added):
    def make(folder: Path) -> None:
        names = [f"{i:03}.png" for i in range(40)]
        paint(folder / "train", names)
        paint(folder / "test", names[:6])
        pairs = {"left": names[:39], "right": names[1:], "path": [f"train/{name}" for name in names[:39]]}
        train = pd.DataFrame({"id": range(39), **pairs, "label": ["cat", "dog", "cow"] * 13})
        train.to_csv(folder / "train.csv", index=False)
        test = {"left": names[:5], "right": names[1:6], "path": [f"test/{name}" for name in names[:5]]}
        pd.DataFrame({"id": range(100, 105), **test}).to_csv(folder / "test.csv", index=False)

    found = added(make)["competitions"]["toy"]
    assert {name: how["files"] for name, how in found["columns"]["images"].items()} == {
        "left_image": "left",
        "right_image": "right",
    }
    assert found["features"]["image"]["columns"] == ["left_image", "right_image"]
    bench.through("fetch", "preprocess")
    schema = Schema.from_json(read_json(bench.root / "data" / "toy" / "schema.json"))
    rows = read_rows(bench.root / "data" / "toy" / "rows" / "train.parquet", schema)
    left, right = (rows[name].array.stored.read() for name in ("left_image", "right_image"))
    np.testing.assert_array_equal(left[1:], right[:-1])
    assert not np.array_equal(left[0], right[0])


def test_arrays_of_images_of_one_size_are_read_together_and_others_told(added, capsys):
    def make(folder: Path) -> None:
        for name, rows in (("train", 40), ("test", 6)):
            arrays = {"left": noise(rows, 8, 8), "right": noise(rows, 8, 8), "small": noise(rows, 4, 4)}
            labels = {"labels": np.arange(rows) % 2} if name == "train" else {}
            np.savez(folder / f"{name}.npz", **arrays, **labels)

    assert added(make)["competitions"]["toy"]["features"]["image"] == {"name": "image", "columns": ["left", "right"]}
    told = " ".join(capsys.readouterr().out.split())
    assert "small: an array of 4 x 4 pixels; the networks read those of 8 x 8 pixels alone" in told


def test_files_that_cannot_be_read_are_skipped_where_add_is_told_so(bench, added):
    def make(folder: Path) -> None:
        for name in ("cat", "dog"):
            paint(folder / "train" / name, [f"{i}.png" for i in range(9)])
        paint(folder / "test", ["d.png"])
        (folder / "train" / "cat" / "3.png").write_bytes(b"")

    with pytest.raises(UserError, match=r"'cat/3\.png' is empty; mend it, or skip such files: `add` with --broken"):
        added(make)
    shutil.rmtree(bench.root / "in")
    found = added(make, broken="skip")["competitions"]["toy"]
    assert [body["broken"] for body in found["columns"]["images"].values()] == ["skip"]
    assert any("1 rows are left out" in line for line in bench.through("fetch", "preprocess"))
    for said, told in (("drop", "is refuse or skip, got 'drop'"), ("skip", "is of image files, and there are none")):
        with pytest.raises(UserError, match=f"--broken: {told}"):
            add.run("ames", source=None, target=None, id=None, metric=None, minutes=None, broken=said)


@pytest.mark.parametrize("first", [False, True])
def test_arrays_of_sixteen_bits_are_images_as_bright_as_their_files(first, bench, added):
    deep = RANDOM.integers(0, 65_536, (40, 8, 10, 3)).astype(np.uint16)

    def make(folder: Path) -> None:
        shaped = np.asfortranarray(deep.transpose(0, 3, 1, 2)) if first else deep
        np.savez(folder / "train.npz", images=shaped, labels=np.arange(40) % 2)
        np.savez(folder / "test.npz", images=np.ascontiguousarray(shaped[:6]))

    assert "image" in added(make)["competitions"]["toy"]["features"]
    bench.through("fetch", "preprocess")
    schema = Schema.from_json(read_json(bench.root / "data" / "toy" / "schema.json"))
    rows = read_rows(bench.root / "data" / "toy" / "rows" / "train.parquet", schema)
    np.testing.assert_array_equal(rows["image"].array.stored.read(), np.rint(deep / 257))


def test_arrays_whose_white_is_not_known_are_told_to_be_numbers(added, capsys):
    def make(folder: Path) -> None:
        floats = RANDOM.normal(size=(40, 8, 8)).astype(np.float32)
        np.savez(folder / "train.npz", scans=floats, labels=np.arange(40) % 2)
        np.savez(folder / "test.npz", scans=floats[:6])

    added(make)
    told = capsys.readouterr().err
    assert "array 'scans': float32 of 8 x 8 a row is read as 64 columns of numbers; images are uint8" in told


def test_four_channels_are_not_called_grey(added, capsys):
    def make(folder: Path) -> None:
        np.savez(folder / "train.npz", images=noise(40, 8, 8, 4), labels=np.arange(40) % 2)
        np.savez(folder / "test.npz", images=noise(6, 8, 8, 4))

    added(make)
    told = capsys.readouterr().out
    assert "8 x 8 pixels with 4 channels" in told and "8 x 8 pixels, 4 channels" in told and "grey" not in told
