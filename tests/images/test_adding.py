"""What ``add`` takes folders and arrays of images for, and what it refuses in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
