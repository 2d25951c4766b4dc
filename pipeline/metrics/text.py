"""How probable models have texts: language models whole texts, translators the references."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import LOGS, Metric
from pipeline.metrics import metrics
from pipeline.metrics.arrays import numbers
from pipeline.metrics.translation import RESAMPLES

if TYPE_CHECKING:
    import pandas as pd


@metrics.register("perplexity")
@settings
class Perplexity(Metric):
    """exp(total negative log-likelihood / total tokens) (Dive into Deep Learning, 9.3.2).

    Of language models column ``prediction`` holds each row's negative log-likelihood in nats, the target each row's
    number of tokens. Of translators it is that of the reference, by teacher forcing, over the tokens that the model
    itself writes, end marks included: only models of one vocabulary compare. It asks the model, so submissions have
    none, nor has a consensus, which chooses among texts.
    """

    tasks: ClassVar[tuple[str, ...]] = ("language_model", "translation")
    higher_is_better: ClassVar[bool] = False
    asks_model: ClassVar[frozenset[str]] = frozenset({"translation"})

    @property
    def perfect(self) -> float | None:
        return 1.0

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        if _counts(target):
            return _exp(_nats(self.name, target, predictions))
        nats, tokens = self._references(predictions)
        return _exp(nats.sum() / tokens.sum())

    def interval(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[float, float] | None:
        """Of translators, by the bootstrap, seeded."""
        if _counts(target):
            return None
        nats, tokens = self._references(predictions)
        draws = np.random.default_rng(0).integers(len(nats), size=(RESAMPLES, len(nats)))  # [draws, rows]
        low, high = np.quantile(nats[draws].sum(1) / tokens[draws].sum(1), [0.025, 0.975])
        return _exp(low), _exp(high)

    def _references(self, predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Of each row's reference its nats and its tokens: float64 and int64 [rows]."""
        if LOGS not in predictions or not len(predictions):
            raise UserError(
                f"metric {self.name}: needs the probability that a model gives each token of the reference, and there "
                "is none here, as answers alone do not tell it; take another metric"
            )
        nats = np.array([-float(np.sum(row, dtype=np.float64)) for row in predictions[LOGS]])
        return nats, np.array([len(row) for row in predictions[LOGS]])


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


def _counts(target: pd.Series) -> bool:
    """Whether the target counts tokens; else it is a text."""
    from pandas.api.types import is_numeric_dtype

    return is_numeric_dtype(target) or not len(target) or not isinstance(target.iloc[0], str)


def _exp(mean: float) -> float:
    return math.exp(mean) if mean < 709 else math.inf


def _nats(metric: str, target: pd.Series, predictions: pd.DataFrame) -> float:
    """Mean negative log-likelihood of what the target counts."""
    counts, surprise = numbers(metric, target, predictions)
    if counts.min() < 0 or counts.sum() <= 0:
        raise UserError(f"metric {metric}: needs token counts above 0, got {counts.sum():g} in all")
    return float(np.sum(surprise) / np.sum(counts))
