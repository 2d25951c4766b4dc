"""The best model alone."""

from __future__ import annotations

from typing import ClassVar

from pipeline.blends import blends
from pipeline.blends.blending import Blending, best_model, only
from pipeline.core.combination import Library
from pipeline.core.registry import settings


@blends.register("best")
@settings
class Best(Blending):
    """Weight 1 for the model of the best out-of-fold score, the first of equals."""

    numeric: ClassVar[bool] = False

    def weights(self, library: Library) -> list[float]:
        return only(best_model(library), len(library.frames))
