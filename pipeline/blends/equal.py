"""The same weight for every model."""

from __future__ import annotations

from typing import ClassVar

from pipeline.blends import blends
from pipeline.blends.blending import Blending
from pipeline.core.combination import Library
from pipeline.core.registry import settings


@blends.register("equal")
@settings
class Equal(Blending):
    """Weights 1 / number of models."""

    numeric: ClassVar[bool] = True

    def weights(self, library: Library) -> list[float]:
        return [1.0 / len(library.frames)] * len(library.frames)
