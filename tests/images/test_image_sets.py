"""Which files belong to which set of rows: folders in folders, tables that share one, names that look like numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.types import Schema
from pipeline.images.column import images_of
from pipeline.images.rows import read_rows

RANDOM = np.random.default_rng(0)


def paint(folder: Path, names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(RANDOM.integers(100, 256, (8, 8), np.uint8)).save(folder / f"{name}.png")


def table(file: Path, names, **columns) -> None:
    pd.DataFrame({"file": list(names), **columns}).to_csv(file, index=False)


def brightest(bench, stem: str) -> list[int]:
    """The brightest pixel of each image of a set of rows."""
    for stage in ("fetch", "preprocess"):
        assert bench.run(stage, "toy")[0] == 0
    rows = bench.root / "data" / "toy" / "rows"
    schema = Schema.from_json(read_json(rows.parent / "schema.json"))
    images = images_of(read_rows(rows / f"{stem}.parquet", schema)[schema.names("image")[0]])
    return images.stored.read().reshape(len(images), -1).max(axis=1).tolist()


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("gap", ["train", "test"])
def test_names_of_digits_are_no_numbers_where_a_cell_is_empty(padded, gap, added, bench):
    names = [f"{i:05}" if padded else f"{i}" for i in range(100, 140)]

    def make(folder: Path) -> None:
        paint(folder / "train", names[:34])
        paint(folder / "test", names[34:])
        kept = [names[:34], names[34:]]
        kept[gap == "test"] = [*kept[gap == "test"], ""]
        table(folder / "train.csv", kept[0], label=np.arange(len(kept[0])) % 2)
        table(folder / "test.csv", kept[1])

    added(make, target="label", broken="skip")
    assert len([one for one in brightest(bench, "train") if one >= 100]) == 34
    assert sorted(brightest(bench, "test"))[-6:][0] >= 100


def test_class_folders_beside_a_test_folder(added, bench):
    def make(folder: Path) -> None:
        for name in ("cat", "dog"):
            paint(folder / name, range(20))
        paint(folder / "test", range(100, 106))

    added(make)
    assert (len(brightest(bench, "train")), len(brightest(bench, "test"))) == (40, 6)
    schema = read_json(bench.root / "data" / "toy" / "schema.json")
    assert schema["classes"] == ["cat", "dog"]


@pytest.mark.parametrize("inner", ["test", "train/test"])
def test_a_folder_in_another_has_its_own_files(inner, added, bench):
    def make(folder: Path) -> None:
        paint(folder if inner == "test" else folder / "train", range(40))
        paint(folder / inner, range(100, 106))
        table(folder / "train.csv", range(40), label=np.arange(40) % 2)

    added(make, target="label")
    assert (len(brightest(bench, "train")), len(brightest(bench, "test"))) == (40, 6)


@pytest.mark.parametrize(("other", "rows"), [("valid", (50, 6)), ("test", (40, 10))])
def test_tables_may_share_a_folder(other, rows, added, bench):
    def make(folder: Path) -> None:
        paint(folder / "train", range(50))
        table(folder / "train.csv", range(40), label=np.arange(40) % 2)
        told = {"label": np.arange(10) % 2} if other == "valid" else {}
        table(folder / f"{other}.csv", range(40, 50), **told)
        if other == "valid":
            paint(folder / "test", range(100, 106))

    added(make, target="label")
    assert (len(brightest(bench, "train")), len(brightest(bench, "test"))) == rows


def test_a_file_that_no_table_names_is_told_once(added):
    def make(folder: Path) -> None:
        paint(folder / "train", range(51))
        table(folder / "train.csv", range(40), label=np.arange(40) % 2)
        table(folder / "valid.csv", range(40, 50), label=np.arange(10) % 2)
        paint(folder / "test", range(100, 106))

    with pytest.raises(UserError, match=r"a fault in the images: '50\.png' has no row") as told:
        added(make, target="label")
    assert "\n" not in str(told.value)
