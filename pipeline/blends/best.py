"""The best model alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.blends import blends
from pipeline.blends.scoring import Average, Score, best_model
from pipeline.core.registry import settings

if TYPE_CHECKING:
    import pandas as pd


@blends.register("best")
@settings
class Best:
    """Weight 1 for the model of the best out-of-fold score, the first of equals."""

    numeric: ClassVar[bool] = False

    def weights(
        self,
        frames: Sequence[pd.DataFrame],
        target: pd.Series,
        score: Score,
        average: Average,
        higher_is_better: bool,
    ) -> list[float]:
        chosen = best_model(frames, score, higher_is_better)
        return [float(i == chosen) for i in range(len(frames))]
