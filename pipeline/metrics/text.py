"""Metrics of language models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics
from pipeline.metrics.arrays import numbers

if TYPE_CHECKING:
    import pandas as pd


@metrics.register("perplexity")
@settings
class Perplexity(Metric):
    """exp(total negative log-likelihood / total tokens).

    Column ``prediction`` holds each row's negative log-likelihood in nats, the target each
    row's number of tokens (Dive into Deep Learning, 9.3.2).
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    higher_is_better: ClassVar[bool] = False

    @property
    def perfect(self) -> float | None:
        return 1.0

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        mean = _nats(self.name, target, predictions)
        return math.exp(mean) if mean < 709 else math.inf


@metrics.register("bits_per_character")
@settings
class BitsPerCharacter(Metric):
    """Total negative log-likelihood in bits / total characters, whatever a model's tokens are: 0 of the perfect model,
    log2 of the number of tokens of the uniform one on characters.

    Column ``prediction`` is as for ``perplexity``, the target each row's number of characters, its end counted as one.
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model",)
    higher_is_better: ClassVar[bool] = False
    counts: ClassVar[str | None] = "characters"

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        return _nats(self.name, target, predictions) / math.log(2)


def _nats(metric: str, target: pd.Series, predictions: pd.DataFrame) -> float:
    """Mean negative log-likelihood of what the target counts."""
    counts, surprise = numbers(metric, target, predictions)
    if counts.min() < 0 or counts.sum() <= 0:
        raise UserError(f"metric {metric}: needs token counts above 0, got {counts.sum():g} in all")
    return float(np.sum(surprise) / np.sum(counts))
