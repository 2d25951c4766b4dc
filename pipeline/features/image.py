"""Columns of images as what networks read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import settings
from pipeline.core.stored import Beside, Stored
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

WHITE = 255.0


@features.register("image")
@settings
class Image(FeatureSet):
    """A column of images as ``image`` uint8 [rows, height, width, channels], read from its file a minibatch at a time,
    with ``numbers`` and ``categories`` beside it where they are asked for.

    column: the only one where it is not said. columns: several of one size in its place, which stand beside each other
        as channels of one image (before and after, two cameras, an image and its mask), and are moved alike by
        augmentation; what changes colours does not suit them.
    standardize: networks take each channel's mean off and divide by its spread, both of the training rows; or, with
        none, divide by 255.
    numbers: settings of ``tabular`` for the columns beside the image.
    """

    column: str | None = None
    columns: tuple[str, ...] = ()
    standardize: Literal["channel", "none"] = "channel"
    numbers: Tabular | None = None

    def __post_init__(self) -> None:
        if self.columns and (self.column is not None or len(set(self.columns)) < max(len(self.columns), 2)):
            raise ValueError(f"columns are two or more of images, each once, in place of column, got {self.columns}")
        if self.numbers and self.numbers.statistics != "training":
            raise ValueError("numbers does not take statistics: train_and_test")

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"image"}) | (self.numbers.gives if self.numbers else frozenset())

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> ImageEncoder:
        """Raises UserError where there is no such column, or it is not said which of several."""
        names = [image_column(name, schema) for name in self.columns or (self.column,)]
        sizes = {name: stored_images(rows, [name]).shape[1:3] for name in names}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {height} x {width}" for name, (height, width) in sizes.items())
            raise UserError(f"features: images beside each other need one size, got {told}; see columns.images.*.size")
        stored = stored_images(rows, names)
        channels = stored.shape[-1]
        mean, spread = [0.0] * channels, [WHITE] * channels
        if self.standardize == "channel":
            mean, spread = mean_and_spread(stored)
        numbers = self.numbers.fit(rows, schema, seed).state() if self.numbers else None
        _, height, width, channels = stored.shape
        state = {"columns": names, "shape": [channels, height, width], "mean": mean, "spread": spread}
        return ImageEncoder(self, schema, {**state, "numbers": numbers})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> ImageEncoder:
        return ImageEncoder(self, schema, state)


class ImageEncoder:
    """Made of its settings and its state alone."""

    def __init__(self, settings: Image, schema: Schema, state: Mapping[str, Any]) -> None:
        self._state, self.columns = dict(state), list(state["columns"])
        self._numbers = settings.numbers.restore(state["numbers"], schema) if settings.numbers else None
        beside = self._numbers.spec if self._numbers else Spec()
        self.reads = [*self.columns, *(self._numbers.reads if self._numbers else [])]
        channels, height, width = state["shape"]
        self.spec = Spec(
            shapes={**beside.shapes, "image": (channels, height, width)},
            names=beside.names,
            sizes=beside.sizes,
            scales={"image": {"mean": list(state["mean"]), "spread": list(state["spread"])}},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        encoded: Encoded = {"image": stored_images(rows, self.columns)}
        return encoded | self._numbers.encode(rows, training) if self._numbers else encoded


@features.register("pixels")
@settings
class Pixels(FeatureSet):
    """A column of images as ``numbers``, a pixel each, for models that know of no images: divided by 255, row after
    row and channel after channel.

    column: the only one where it is not said. coarser: so many pixels of height and of width become one, their mean.
    """

    column: str | None = None
    coarser: int = Field(default=1, ge=1)

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"numbers"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> PixelsEncoder:
        column = image_column(self.column, schema)
        _, height, width, channels = stored_images(rows, [column]).shape
        if height % self.coarser or width % self.coarser:
            raise UserError(f"features: coarser {self.coarser} does not divide images of {height} x {width}")
        return PixelsEncoder(self, {"column": column, "shape": [channels, height, width]})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> PixelsEncoder:
        return PixelsEncoder(self, state)


class PixelsEncoder:
    def __init__(self, settings: Pixels, state: Mapping[str, Any]) -> None:
        self._state, self.coarser = dict(state), settings.coarser
        channels, height, width = state["shape"]
        places = [
            f"{row},{column},{channel}"
            for channel in range(channels)
            for row in range(height // self.coarser)
            for column in range(width // self.coarser)
        ]
        self.reads = [str(state["column"])]
        self.spec = Spec(shapes={"numbers": (len(places),)}, names={"numbers": places})

    def state(self) -> dict[str, Any]:
        return self._state

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        stored, parts = stored_images(rows, self.reads), []
        for block in stored.blocks():
            count, height, width, _ = block.shape
            cells = block.reshape(count, height // self.coarser, self.coarser, width // self.coarser, self.coarser, -1)
            means = cells.mean(axis=(2, 4), dtype=np.float32) / np.float32(WHITE)  # [rows, H, W, channels]
            parts.append(means.transpose(0, 3, 1, 2).reshape(count, -1))  # [rows, channels * H * W]
        empty = np.empty((0, *self.spec.shapes["numbers"]), np.float32)
        return {"numbers": np.ascontiguousarray(np.concatenate(parts or [empty]))}


def image_column(named: str | None, schema: Schema) -> str:
    """Raises UserError where there is no such column, or it is not said which of several."""
    known = schema.names("image")
    if named is None and len(known) != 1:
        told = f"which of {', '.join(known)} it reads" if known else "a column of images, and there is none"
        raise UserError(f"features: needs {told}; set column, or declare columns.images")
    if named is not None and named not in known:
        raise UserError(f"features: no column '{named}' of images{did_you_mean(named, known)}")
    return named or known[0]


def stored_images(rows: pd.DataFrame, columns: Sequence[str]) -> Stored:
    """One column, or several beside each other."""
    from pipeline.images.column import images_of

    stored = [images_of(rows[name]).stored for name in columns]
    return stored[0] if len(stored) == 1 else Beside(stored)


def mean_and_spread(stored: Stored) -> tuple[list[float], list[float]]:
    """Of each channel, over all pixels of all rows; a spread of 0 is 1. Sums are of whole numbers, so that they do not
    hang on the order of the rows."""
    moments = stored.moments().sum(axis=0)  # [rows, channels, 2] -> [channels, 2]
    count = len(stored) * stored.shape[1] * stored.shape[2]
    mean = moments[:, 0] / count
    spread = np.sqrt(np.maximum(moments[:, 1] / count - mean**2, 0))
    return mean.tolist(), np.where(spread > 0, spread, 1.0).tolist()
