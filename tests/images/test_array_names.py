"""Arrays of an ``.npz`` by their names, which are a stranger's, and those of no rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import UserError
from pipeline.sources.arrays import read_arrays

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("name", ["../../../evil", "a/b", "a\\b", "/evil", "n" * 200])
def test_no_file_is_written_elsewhere_by_the_name_of_an_array(name, added, tmp_path):
    def make(folder: Path) -> None:
        np.savez(folder / "train.npz", **{name: noise(40, 8, 8)}, labels=np.arange(40) % 2)
        np.savez(folder / "test.npz", **{name: noise(5, 8, 8)})

    with pytest.raises(UserError, match=r"^images '.+': the column's name is that of a file of arrays; one of at most"):
        added(make)
    assert not list(Path(tmp_path.anchor).glob("evil*")) and not list(tmp_path.parent.glob("evil*"))
    assert not (tmp_path / "params.yaml").exists()


def test_of_several_arrays_of_images_none_takes_the_others_place(tmp_path):
    both = {"images": noise(6, 16, 16), "x": noise(6, 8, 8)}
    np.savez(tmp_path / "new.npz", **both)
    rows = read_arrays({"": tmp_path / "new.npz"}, "test", tmp_path, alone=True)
    assert list(rows) == ["images", "x"]
    np.testing.assert_array_equal(rows["images"].array.stored.read()[..., 0], both["images"])
    np.savez(tmp_path / "new.npz", x=both["x"], image=np.arange(6))  # one of them a number
    assert list(read_arrays({"": tmp_path / "new.npz"}, "test", tmp_path, alone=True)) == ["x", "image"]


def test_arrays_of_no_rows_are_told(added):
    def make(folder: Path) -> None:
        np.savez(folder / "train.npz", images=noise(40, 8, 8), labels=np.arange(40) % 2)
        np.savez(folder / "test.npz", images=noise(0, 8, 8))

    with pytest.raises(UserError, match=r"test\.npz: holds no rows$"):
        added(make)
