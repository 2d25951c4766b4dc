from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (5, 2, 3, 4)).astype(np.float64)  # [rows, C, H, W]
NAMES = [f"pixel{i}" for i in range(1, 25)]  # counted from 1, as Kaggle's Fashion-MNIST
ROWS = pd.DataFrame(PIXELS.reshape(5, 24), columns=NAMES)


def schema(kept: list[str], dropped: list[str]) -> Schema:
    columns = tuple(Column(name, "number") for name in [*sorted(kept), "pixels", "age"])
    return Schema(id=None, target="label", columns=columns, dropped={name: "constant" for name in dropped})


def test_pixels_come_in_the_order_of_their_numbers():
    image = features.build({"name": "image", "shape": [2, 3, 4]}, "f")
    encoded = image.fit(ROWS, schema(NAMES, []), 0).encode(ROWS[NAMES[::-1]])["image"]
    np.testing.assert_allclose(encoded, PIXELS / 255, rtol=1e-6)
    assert encoded.dtype == np.float32 and encoded.flags.c_contiguous


def test_dropped_columns_come_back_as_zeros_and_so_do_missing_values():
    dropped = ["pixel1", "pixel12"]
    rows = ROWS.drop(columns=dropped)
    rows.loc[2, "pixel2"] = np.nan
    image = features.build({"name": "image", "shape": [2, 3, 4], "scale": 1}, "f")
    encoded = image.fit(rows, schema(NAMES, dropped), 0).encode(rows)["image"].reshape(5, 24)
    expected = PIXELS.reshape(5, 24).copy()
    expected[:, [0, 11]] = 0
    expected[2, 1] = 0
    np.testing.assert_array_equal(encoded, expected)


def test_pixels_that_were_typed_as_categories_are_numbers_again():
    rows = ROWS.round().astype(int).astype(str).astype("category")
    image = features.build({"name": "image", "shape": [2, 3, 4]}, "f")
    np.testing.assert_allclose(image.fit(rows, schema(NAMES, []), 0).encode(rows)["image"], PIXELS / 255, rtol=1e-6)


def test_a_shape_that_does_not_fit_the_columns_is_refused():
    with pytest.raises(UserError, match="1 x 28 x 28 needs 784 columns 'pixel<number>', got 24"):
        features.build({"name": "image", "shape": [1, 28, 28]}, "f").fit(ROWS, schema(NAMES, []), 0)
