"""Metrics of language models and translations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

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


@metrics.register("bleu")
@settings
class Bleu(Metric):
    """Corpus BLEU, 0 to 100, by sacreBLEU (Post 2018).

    tokenize: ``13a`` (sacreBLEU's default), ``intl``, ``zh``, ``char``, ``none``.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    reads_text: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    lowercase: bool = False

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        from sacrebleu.metrics import BLEU

        references, hypotheses = _texts(self.name, target, predictions)
        # force: texts that look tokenised already are the user's choice, not worth a warning each epoch.
        metric = BLEU(tokenize=self.tokenize, lowercase=self.lowercase, force=True)
        return float(metric.corpus_score(hypotheses, [references]).score)


@metrics.register("chrf")
@settings
class Chrf(Metric):
    """Corpus chrF, 0 to 100, by sacreBLEU (Popović 2015). word_order 2 makes it chrF++."""

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    reads_text: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    word_order: Literal[0, 1, 2] = 0

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        from sacrebleu.metrics import CHRF

        references, hypotheses = _texts(self.name, target, predictions)
        return float(CHRF(word_order=self.word_order).corpus_score(hypotheses, [references]).score)


def _texts(metric: str, target: pd.Series, predictions: pd.DataFrame) -> tuple[list[str], list[str]]:
    """References and hypotheses, paired by position."""
    columns = {"target": target, "prediction": predictions["prediction"]}
    if len(target) != len(predictions):
        raise ValueError(f"metric {metric}: {len(target)} targets, but {len(predictions)} predictions")
    if len(target) == 0:
        raise UserError(f"metric {metric}: needs at least one row to score, got none")
    for what, values in columns.items():
        for row, text in enumerate(values):
            if not isinstance(text, str):
                raise UserError(f"metric {metric}: every {what} must be a text, got {text!r} in row {row}")
    return list(columns["target"]), list(columns["prediction"])
