"""A data frame's column of images: a cell is a position in an array on disk."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from pipeline.core.stored import Stored


class ImageDtype(ExtensionDtype):
    """Of a column of ``Images``."""

    name = "image"
    type = np.ndarray  # type: ignore[assignment]
    kind = "O"
    na_value = None

    @classmethod
    def construct_array_type(cls) -> builtins.type[Images]:
        return Images


class Images(ExtensionArray):
    """Rows of uint8 [height, width, channels], none of them missing.

    stored: uint8 [rows, height, width, channels]. Taking rows and putting columns together reads no pixel.
    """

    def __init__(self, stored: Stored) -> None:
        if stored.dtype != np.uint8 or len(stored.shape) != 4:
            raise ValueError(f"images are uint8 [rows, height, width, channels], got {stored.dtype} {stored.shape}")
        self.stored = stored

    @classmethod
    def of(cls, array: np.ndarray) -> Images:
        return cls(Stored([array]))

    @classmethod
    def mapped(cls, path: Path) -> Images:
        """Of an array in a file."""
        return cls.of(np.load(path, mmap_mode="r", allow_pickle=False))

    @property
    def shape_of_one(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        _, height, width, channels = self.stored.shape
        return height, width, channels

    @property
    def dtype(self) -> ImageDtype:
        return ImageDtype()

    @property
    def nbytes(self) -> int:
        return self.stored.index.nbytes

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, (int, np.integer)):
            return self.stored.read(np.array([range(len(self))[item]]))[0]
        return Images(self.stored[item] if isinstance(item, slice) else self.stored.take(np.asarray(item)))

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Images) or len(other) != len(self):
            return NotImplemented
        return np.array([np.array_equal(one, two) for one, two in zip(self, other)], dtype=bool)

    def isna(self) -> np.ndarray:
        return np.zeros(len(self), dtype=bool)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> Images:
        places = np.asarray(indices, dtype=np.int64)
        if allow_fill and (places < 0).any():
            raise ValueError("a column of images has none missing")
        return Images(self.stored.take(places))

    def copy(self) -> Images:
        return Images(self.stored)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[Images]) -> Images:
        return cls(Stored.concatenate([one.stored for one in to_concat]))

    @classmethod
    def _from_sequence(cls, scalars: Iterable[np.ndarray], *, dtype: Any = None, copy: bool = False) -> Images:
        return cls.of(np.stack(list(scalars)))

    def digests(self) -> np.ndarray:
        """Of each image, uint64 [rows]: two are one where their pixels are."""
        import hashlib

        digests = [
            hashlib.blake2b(image.tobytes(), digest_size=8).digest() for b in self.stored.blocks() for image in b
        ]
        return np.array([int.from_bytes(one, "little") for one in digests], dtype=np.uint64)

    def _values_for_factorize(self) -> tuple[np.ndarray, Any]:
        return self.digests(), None

    def _formatter(self, boxed: bool = False) -> Any:
        return lambda image: " x ".join(map(str, image.shape))


def is_images(column: pd.Series) -> bool:
    return isinstance(column.dtype, ImageDtype)


def images_of(column: pd.Series) -> Images:
    """The array of a column of images; raises TypeError for another."""
    if not isinstance(column.array, Images):
        raise TypeError(f"column '{column.name}' holds {column.dtype}, no images")
    return column.array
