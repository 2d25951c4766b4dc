"""Blend ``ensemble``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.blending import Blending, best_model, only
from pipeline.core.combination import Library
from pipeline.core.registry import settings


@blends.register("ensemble")
@settings
class Ensemble(Blending):
    """Translators that share their tokens search together: at each step the mean of their probabilities (Sutskever et
    al. 2014; Vaswani et al. 2017). As many of the best ones as score best together, the best alone among these choices,
    so that on the rows it was chosen by it is never worse than the best model.

    Out of fold each row is answered by the networks that did not train on it. All that take part must read one feature
    set; where none share their tokens it is the best model alone.

    most: models at most.
    """

    numeric: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...] | None] = ("translation",)

    most: int = Field(default=4, ge=2)

    @property
    def together(self) -> int:  # type: ignore[override]
        return self.most

    def weights(self, library: Library) -> list[float]:
        return only(best_model(library), len(library.frames))
