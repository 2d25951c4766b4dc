"""Feature sets of images: what is stored, the mean and spread of training rows, pixels as numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.stored import Stored
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.images.column import Images

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3)).astype(np.uint8)  # [rows, H, W, C]
SCHEMA = Schema(id=None, target="y", columns=(Column("image", "image"), Column("age", "number")))
ROWS = pd.DataFrame({"image": pd.Series(Images.of(PIXELS)), "age": np.arange(7.0)})


def built(**settings):
    return features.build({"name": "image", **settings}, "f")


def test_images_stay_where_they_are_and_come_in_the_rows_order():
    encoder = built().fit(ROWS, SCHEMA, 0)
    image = encoder.encode(ROWS.iloc[[5, 0, 5]])["image"]
    assert isinstance(image, Stored) and np.shares_memory(image.parts[0], PIXELS)
    np.testing.assert_array_equal(image.read(), PIXELS[[5, 0, 5]])
    assert encoder.spec.shapes == {"image": (3, 4, 6)}


def test_mean_and_spread_are_those_of_the_rows_it_learned_from():
    state = json.loads(json.dumps(built().fit(ROWS.iloc[[1, 4, 6]], SCHEMA, 0).state()))
    channels = PIXELS[[1, 4, 6]].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(state["mean"], channels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state["spread"], channels.std(axis=0), rtol=1e-10)
    assert built(standardize="none").fit(ROWS, SCHEMA, 0).spec.scales["image"]["spread"] == [255.0] * 3


def test_an_image_of_one_colour_has_a_spread_of_1():
    rows = ROWS.assign(image=pd.Series(Images.of(np.full_like(PIXELS, 9))))
    assert built().fit(rows, SCHEMA, 0).spec.scales["image"] == {"mean": [9.0] * 3, "spread": [1.0] * 3}


def test_numbers_stand_beside_the_image():
    encoder = built(numbers={}).fit(ROWS, SCHEMA, 0)
    encoded = encoder.encode(ROWS)
    np.testing.assert_allclose(encoded["numbers"][:, 0], (np.arange(7) - 3) / 2, rtol=1e-6)
    assert encoder.reads == ["image", "age"] and len(encoded["image"]) == 7


def test_numbers_are_of_training_rows_alone():
    with pytest.raises(UserError, match="numbers does not take statistics: train_and_test"):
        built(numbers={"statistics": "train_and_test"})


def test_pixels_as_numbers_run_over_width_height_and_channels():
    encoder = features.build("pixels", "f").fit(ROWS, SCHEMA, 0)
    numbers = encoder.encode(ROWS)["numbers"]
    np.testing.assert_allclose(numbers, PIXELS.transpose(0, 3, 1, 2).reshape(7, -1) / 255, rtol=1e-6)
    assert encoder.spec.names["numbers"][7] == "1,1,0"
    coarse = features.build({"name": "pixels", "coarser": 2}, "f").fit(ROWS, SCHEMA, 0).encode(ROWS)["numbers"]
    np.testing.assert_allclose(coarse[:, 0], PIXELS[:, :2, :2, 0].mean(axis=(1, 2)) / 255, rtol=1e-6)
    with pytest.raises(UserError, match="coarser 4 does not divide images of 4 x 6"):
        features.build({"name": "pixels", "coarser": 4}, "f").fit(ROWS, SCHEMA, 0)


def test_a_column_that_is_not_there_or_not_said_is_refused():
    with pytest.raises(UserError, match="no column 'picture' of images; known: image"):
        built(column="picture").fit(ROWS, SCHEMA, 0)
    two = Schema(id=None, target="y", columns=(Column("a", "image"), Column("b", "image")))
    with pytest.raises(UserError, match="which of a, b it reads"):
        built().fit(ROWS, two, 0)
    with pytest.raises(
        UserError, match=r"a column of images, and there is none; set column, or declare columns.images"
    ):
        built().fit(ROWS, Schema(id=None, target="y", columns=(Column("age", "number"),)), 0)
