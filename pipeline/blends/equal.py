"""The same weight for every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.blends import blends
from pipeline.blends.scoring import Average, Score
from pipeline.core.registry import settings

if TYPE_CHECKING:
    import pandas as pd


@blends.register("equal")
@settings
class Equal:
    """Weights 1 / number of models."""

    numeric: ClassVar[bool] = True

    def weights(
        self,
        frames: Sequence[pd.DataFrame],
        target: pd.Series,
        score: Score,
        average: Average,
        higher_is_better: bool,
    ) -> list[float]:
        return [1.0 / len(frames)] * len(frames)
