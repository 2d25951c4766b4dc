"""Files and rows that belong together, or do not: names, folders, links, what is broken, and skipping it."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.core.sections import ImageColumn
from pipeline.images import files as image_files
from pipeline.images.decoding import Unreadable
from pipeline.images.files import read_images
from pipeline.images.places import Names, Place
from pipeline.images.reading import settled_columns, with_images

APART = normalize("NFD", "für.png")  # as macOS writes it
KNOWN = ["a.png", "b/a.jpg", "b/c.png", "zwölf 12.png", "d.png", "d.jpg", APART, "e.jfif", "f.png", "F.png", "g.png"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.png", "a.png"),
        ("./a.png", "a.png"),
        ("train/a.png", "a.png"),
        ("b\\c", "b/c.png"),
        ("c", "b/c.png"),
        ("c.png", "b/c.png"),
        ("zwölf 12", "zwölf 12.png"),
        ("b/a", "b/a.jpg"),
        ("a", "a.png"),
        (normalize("NFC", "für.png"), APART),
        ("für", APART),
        (normalize("NFD", "zwölf 12.png"), "zwölf 12.png"),
        ("e.jfif", "e.jfif"),
        ("g.PNG", "g.png"),
        ("TRAIN/B/C", "b/c.png"),
        ("F.png", "F.png"),
    ],
)
def test_a_name_means_a_file_with_or_without_ending_and_folder(name, file):
    assert Names(KNOWN, "train").find(name) == file


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x", "has no file"),
        ("", "names no file"),
        ("../a.png", "leads out of its folder"),
        ("/etc/passwd", "leads out of its folder"),
        ("d", "could be d.png or d.jpg"),
        ("f.PNG", "could be F.png or f.png"),
    ],
)
def test_a_name_that_means_none_is_told(name, why):
    with pytest.raises(Unreadable, match=why):
        Names(KNOWN, "train").find(name)


def paint(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((6, 8), 3 * i, np.uint8)).save(folder / f"{i:03}.png")
    return [f"{i:03}.png" for i in range(count)]


def test_processes_read_what_one_reads(tmp_path, monkeypatch):
    names = paint(tmp_path / "in", 40)[::-1]
    (tmp_path / "in" / "007.png").write_bytes(b"")
    read = {}
    for few in (1000, 1):
        monkeypatch.setattr(image_files, "FEW", few)
        monkeypatch.setattr(image_files, "TOGETHER", 7)
        images, there, faults, unnamed = read_images(names, Place(tmp_path / "in"), ImageColumn(), None, None, "")
        assert faults.by == {"is empty": ["007.png"]} and not unnamed and there.sum() == 39
        read[few] = images.stored.read()
    np.testing.assert_array_equal(read[1], read[1000])
    assert read[1][:, 0, 0, 0].tolist() == [0 if i == 7 else 3 * i for i in range(40)][::-1]


def tables(names: list[str]) -> dict[str, pd.DataFrame]:
    return {"train": pd.DataFrame({"file": names, "y": range(len(names))})}


BROKEN = {"image": ImageColumn(files="file")}
NAMES = {"train": "train.csv", "test": "test.csv"}


def spoiled(folder: Path) -> dict[str, pd.DataFrame]:
    """A file of each fault, two of one, and a row without a file."""
    names = paint(folder, 9)
    for name, content in (("001.png", b""), ("002.png", b"text"), ("003.png", b"text")):
        (folder / name).write_bytes(content)
    Image.new("L", (3, 3)).save(folder / "004.png")
    (folder / "005.png").unlink()
    (folder / "005.png").symlink_to(folder.parent / "outside.png")
    (folder / "007.png").unlink()
    (folder / "007.png").symlink_to("007.png")
    Image.new("L", (8, 6)).save(folder.parent / "outside.png")
    Image.new("L", (8, 6)).save(folder / "extra.png")
    return tables([*names, "gone.png"])


def test_all_that_is_wrong_is_one_error_that_names_and_counts(tmp_path):
    raw = spoiled(tmp_path / "train")
    with pytest.raises(UserError) as told:
        with_images(raw, BROKEN, {"train": Place(tmp_path / "train")}, NAMES)
    assert str(told.value) == (
        "train.csv: 8 faults in the images: 'gone.png' has no file; 'extra.png' has no row; "
        "'007.png' is a link that leads nowhere; '005.png' is a link that leads out of its folder; "
        "'001.png' is empty; '002.png', '003.png' is no image; "
        "'004.png' is not 6 x 8 as the first; mend them, or skip such files: "
        "`add` with --broken skip, or columns.images.image.broken: skip in params.yaml"
    )


def test_what_is_wrong_is_skipped_where_that_is_asked_for(tmp_path):
    raw, told = spoiled(tmp_path / "train"), []
    raw["test"] = pd.DataFrame({"file": ["006", "002"]})
    skip = {"image": ImageColumn(files="file", broken="skip")}
    place = Place(tmp_path / "train")
    settled = with_images(raw, skip, {"train": place, "test": place}, NAMES, warn=told.append)
    assert raw["train"]["y"].tolist() == [0, 6, 8]  # rows without an image teach nothing
    assert list(raw["train"]) == ["y", "image"]
    test = raw["test"]["image"].array.stored.read()
    assert test[0].max() == 18 and test[1].max() == 0 and len(test) == 2  # but each test row is answered
    assert any("7 rows are left out" in line for line in told)
    assert any("1 rows are answered as if black" in line for line in told)
    assert settled_columns(settled)["image"].size == (6, 8)


def test_later_rows_are_read_as_the_training_rows_were(tmp_path):
    names = paint(tmp_path / "train", 3)
    raw = tables(names)
    settled = with_images(raw, BROKEN, {"train": Place(tmp_path / "train")}, NAMES)
    Image.new("L", (80, 60), 7).save(tmp_path / "new.png")
    later = {"test": pd.DataFrame({"file": ["new.png"]})}
    with_images(later, settled_columns(settled), {"test": Place(tmp_path)}, NAMES, settled=settled)
    assert (later["test"]["image"].array.stored.read() == np.full((1, 6, 8, 1), 7)).all()
    (tmp_path / "new.png").write_bytes(b"")
    later = {"test": pd.DataFrame({"file": ["new.png"]})}
    with pytest.raises(UserError, match=r"'new\.png' is empty; mend it, or take that row and file out$"):
        with_images(later, settled_columns(settled), {"test": Place(tmp_path)}, NAMES, settled=settled)


def test_a_place_is_not_gone_through_where_every_name_is_a_files(tmp_path, monkeypatch):
    """A served model's working folder may be the root of a machine."""
    paint(tmp_path / "in", 3)
    monkeypatch.setattr(Place, "files", lambda self: pytest.fail("went through the folder"))
    read = read_images(["in/002.png", "in/000.png"], Place(tmp_path), ImageColumn(), None, None, "", whole=False)
    assert read[0].stored.read()[:, 0, 0, 0].tolist() == [6, 0]


def test_pixels_are_packed_and_fractions_are_of_255():
    values = np.random.default_rng(0).integers(0, 256, (5, 12)).astype(float)
    how = {"image": ImageColumn(pixels="p", size=(3, 4))}
    for scale, times in ((1, 1), (255, 255)):
        frame = pd.DataFrame(values / scale, columns=[f"p{i}" for i in range(1, 13)])
        frame.loc[0, "p1"] = np.nan
        raw = {"train": frame[frame.columns[::-1]].assign(y=range(5))}
        settled = with_images(raw, how, {}, NAMES)
        assert list(raw["train"]) == ["y", "image"] and settled["image"]["times"] == times
        expected = values.copy()
        expected[0, 0] = 0
        np.testing.assert_array_equal(raw["train"]["image"].array.stored.read().reshape(5, 12), expected)


def test_colours_in_columns_stand_channel_after_channel():
    values = np.arange(12).reshape(1, 12)
    raw = {"train": pd.DataFrame(values, columns=[f"p{i}" for i in range(12)])}
    with_images(raw, {"image": ImageColumn(pixels="p", size=(2, 2), colour="colour")}, {}, NAMES)
    np.testing.assert_array_equal(raw["train"]["image"][0][..., 1], [[4, 5], [6, 7]])


@pytest.mark.parametrize(
    ("frame", "how", "message"),
    [
        ({"p0": [1], "p1": [2]}, {"pixels": "p", "size": (2, 2)}, "images of 2 x 2 have 4 columns 'p<number>', got 2"),
        ({"p0": [1.0], "p1": [300.0]}, {"pixels": "p", "size": (1, 2)}, "row 2, column 'p1': a pixel is a number from"),
        ({"p0": [1, 2], "p1": ["3", "abc"]}, {"pixels": "p", "size": (1, 2)}, "row 3, column 'p1': a .*, got 'abc'"),
        ({"a": [1]}, {"files": "b"}, "no column 'b' \\(declared as columns.images.image.files\\)"),
        ({"a": [1]}, {}, "no array 'image' of images"),
        ({"image": [1]}, {"pixels": "p", "size": (1, 1)}, "has a column 'image' already"),
    ],
)
def test_what_cannot_be_read_is_told(frame, how, message, tmp_path):
    with pytest.raises(UserError, match=message):
        with_images({"train": pd.DataFrame(frame)}, {"image": ImageColumn(**how)}, {"train": Place(tmp_path)}, NAMES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"files": "a", "pixels": "p"}, "take one of the two out"), ({"pixels": "p"}, "pixels need a size")],
)
def test_a_declaration_that_says_too_much_or_too_little_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ImageColumn(**settings)
