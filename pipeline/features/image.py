"""Pixel columns as images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features

if TYPE_CHECKING:
    import pandas as pd


@features.register("image")
@settings
class Image(FeatureSet):
    """Columns ``<prefix><number>`` as ``image`` float32 [rows, channels, height, width].

    Numbers in ascending order run over the width first, then the height, then the channels.
    Columns that preprocess dropped (pixels that never change) come back as zeros, and so do
    missing values. scale: pixels are divided by it (255 for bytes).
    """

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    prefix: str = "pixel"
    scale: float = Field(default=255.0, gt=0)
    gives: ClassVar[frozenset[str]] = frozenset({"image"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> ImageEncoder:
        pattern = re.compile(rf"{re.escape(self.prefix)}(\d+)")
        names = {column.name for column in schema.columns} | set(schema.dropped)
        matches = sorted((int(match[1]), name) for name in names if (match := pattern.fullmatch(name)))
        if len(matches) != prod(self.shape):
            wanted = " x ".join(str(size) for size in self.shape)
            raise UserError(
                f"features: shape {wanted} needs {prod(self.shape)} columns '{self.prefix}<number>', "
                f"got {len(matches)}; set shape or prefix"
            )
        return ImageEncoder(self, [name for _, name in matches])

    def restore(self, state: Mapping[str, Any], schema: Schema) -> ImageEncoder:
        return ImageEncoder(self, list(state["pixels"]))


@dataclass(frozen=True)
class ImageEncoder:
    settings: Image
    pixels: list[str]
    """The columns in their order in the image, dropped ones included."""

    @property
    def reads(self) -> list[str]:
        return self.pixels

    @property
    def spec(self) -> Spec:
        return Spec(shapes={"image": self.settings.shape})

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        table = rows.reindex(columns=self.pixels).astype("float32").fillna(0.0)
        values = table.to_numpy(dtype=np.float32) / np.float32(self.settings.scale)
        return {"image": np.ascontiguousarray(values).reshape(-1, *self.settings.shape)}  # [rows, C, H, W]

    def state(self) -> dict[str, Any]:
        return {"pixels": self.pixels}
