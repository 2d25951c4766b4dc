"""Images found in small tables: pixel columns, and the size of images of several sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_guess import AMOUNT, FIVE, ROWS, tables

from pipeline.commands.guess import guess
from pipeline.commands.images import choose_size, find_images
from pipeline.commands.pixel_columns import pixel_square
from pipeline.core.errors import UserError


def pixels(side: int, high: int = 255, prefix: str = "pixel", first: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(0).integers(0, high + 1, (ROWS, side * side))
    values[0, 0] = high
    return pd.DataFrame(values, columns=[f"{prefix}{i + first}" for i in range(side * side)])


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pixels(8, 16), ("pixel", 8)),
        (pixels(28, 255, "px", 1), ("px", 28)),
        (pixels(10)[::-1] / 255, ("pixel", 10)),
        (pixels(8).drop(columns="pixel5"), None),
        (pixels(5), None),
        (pixels(8).rename(columns={"pixel63": "pixel99"}), None),
        (pixels(8).rename(columns={"pixel63": "age63"}), None),
        (pixels(8) - 300, None),
        (pixels(8, 1000), None),
        (pixels(8).astype(str), None),
        (pixels(8).rename(columns=lambda name: f"{name}a"), None),
    ],
)
def test_pixels_of_a_square(frame, expected):
    assert pixel_square(frame, frame) == expected


def test_numbered_columns_among_others_are_pixels_only_by_their_name():
    others = pd.DataFrame({name: range(ROWS) for name in ("a", "b", "c")})
    for prefix, expected in (("pixel", ("pixel", 8)), ("measure", None)):
        frame = pd.concat([others, pixels(8, prefix=prefix)], axis=1)
        assert pixel_square(frame, frame) == expected


@pytest.mark.parametrize(("values", "portfolio"), [(FIVE, "image_classification"), (AMOUNT, "image_regression")])
def test_images(values, portfolio, tmp_path):
    train, test, sample = tables(y=values)
    train, test = (pd.concat([frame, pixels(8)], axis=1) for frame in (train, test))
    images = find_images({}, train, test, sample, tmp_path)
    assert images.columns == {"image": {"pixels": "pixel", "size": [8, 8]}}
    found = guess(images.beside(train), images.beside(test), sample)
    facts = {"keep": [], "target_kind": "class" if portfolio.endswith("classification") else "number"}
    made = images.describe(images.beside(train), images.beside(test), found, **facts)
    assert made["portfolio"] == portfolio and made["pixels"] == 64
    assert found.columns["images"] == images.columns and "8 x 8 pixels" in found.why["columns.images.image"]
    assert made["columns"]["image"]["numbers"]["categories"] == "native"  # size and colour stand beside the image


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 9, ((28, 28), "stretch")),
        ([(40, 40)] * 19 + [(23, 61)], ((40, 40), "stretch")),
        ([(200, 300), (220, 330), (240, 360)] * 9, ((64, 96), "stretch")),
        ([(200, 300), (300, 200), (400, 400)] * 9, ((64, 64), "pad")),
        ([(50, 50), (60, 60), (55, 55)] * 9, ((48, 48), "stretch")),
        ([(20, 20), (16, 16)] * 9, ((28, 28), "stretch")),
        ([(80, 4000)] * 9, ((12, 600), "stretch")),
        ([(4000, 80), (3900, 78)] * 9, ((600, 12), "stretch")),
        ([(60, 400)] * 9, ((35, 233), "stretch")),
    ],
)
def test_the_size_of_images_of_several_sizes(sizes, expected):
    assert choose_size(sizes)[:2] == expected


@pytest.mark.parametrize("ratio", [1, 1.5, 1.999, 2, 2.001, 7.3, 50, 128, 200, 5000])
@pytest.mark.parametrize("short", [30, 70, 3000])
def test_long_images_have_no_more_pixels_than_two_squares(short, ratio):
    for size in ((short, round(short * ratio)), (round(short * ratio), short)):
        (height, width), fit, told = choose_size([size, size])
        assert height * width <= 2 * 64 * 64 and min(height, width) >= 8 and fit == "stretch"
        assert (height - width) * (size[0] - size[1]) >= 0
        if min(height, width) > 8:  # which networks need: there alone the shape is not kept
            assert height / width == pytest.approx(size[0] / size[1], rel=0.05)
        side = max(one for one in (28, 32, 48, 64) if one <= short)
        assert ("no more than 8192 pixels" in told) == (min(height, width) < side)


def spoiled(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    cells = frame.astype({column: "object"})
    cells.loc[row, column] = value
    return cells.infer_objects() if not isinstance(value, str) else cells.astype({column: "str"})


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (spoiled(pixels(8), 3, "pixel5", 300), "row 5, column 'pixel5': a pixel is a number from 0 to 255, .* got 300"),
        (spoiled(pixels(8), 3, "pixel5", "abc"), "row 5, column 'pixel5': a pixel is a number .* got 'abc'"),
        (spoiled(pixels(10) / 255, 0, "pixel9", -0.5), "row 2, column 'pixel9': .* got -0.5"),
    ],
)
def test_a_fault_among_pixels_is_told_by_row_and_column(frame, told):
    with pytest.raises(UserError, match=told):
        pixel_square(frame, frame)


def test_pixels_that_one_of_two_files_lacks_are_told(tmp_path):
    train, test = pixels(8).assign(y=0), pixels(8).drop(columns="pixel63")
    with pytest.raises(UserError, match=r"has 64 columns 'pixel<number>' of pixels, .* test file 63 \(see 'pixel63'\)"):
        find_images({}, train, test, None, tmp_path)
