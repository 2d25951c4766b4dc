"""Comparing scores, whichever way the metric points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Score: TypeAlias = "Callable[[pd.DataFrame], float]"
Average: TypeAlias = "Callable[[Sequence[pd.DataFrame], Sequence[float]], pd.DataFrame]"


def loss_of(score: Score, frame: pd.DataFrame, higher_is_better: bool) -> float:
    """The score so turned that lower is better."""
    value = score(frame)
    return -value if higher_is_better else value


def best_model(frames: Sequence[pd.DataFrame], score: Score, higher_is_better: bool) -> int:
    """Index of the best single model, the first of equals."""
    losses = [loss_of(score, frame, higher_is_better) for frame in frames]
    return losses.index(min(losses))


def blended(frames: Sequence[pd.DataFrame], weights: Sequence[float], average: Average) -> pd.DataFrame:
    """Average the frames that have a weight; a lone one passes unchanged, be it text."""
    kept = [i for i, weight in enumerate(weights) if weight > 0]
    if len(kept) == 1:
        return frames[kept[0]]
    return average([frames[i] for i in kept], [weights[i] for i in kept])
