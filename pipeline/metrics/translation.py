"""Metrics of translations: those of sacreBLEU (Post 2018), and of whole texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 200
"""Draws of as many rows as there are, with replacement, of which an interval is made."""


@settings
class OfCorpus(Metric):
    """One of all rows together, from statistics of each that are added up; by sacreBLEU, 0 to 100 (TER may be more)."""

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    reads_text: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    @property
    def perfect(self) -> float | None:
        return 100.0 if self.higher_is_better else 0.0

    @abstractmethod
    def measures(self) -> list[Any]:
        """sacreBLEU's metrics, of which the score is made."""

    def combined(self, scores: Sequence[float]) -> float:
        """Of the measures' scores."""
        return float(scores[0])

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        references, hypotheses = texts(self.name, target, predictions)
        return self.combined([one.corpus_score(hypotheses, [references]).score for one in self.measures()])

    def signature(self) -> str:
        """As sacreBLEU writes it."""
        told = []
        for measure in self.measures():
            measure.corpus_score(["a"], [["a"]])  # it counts the references in the signature
            told.append(f"{measure.get_signature()}")
        return ", ".join(told)

    def interval(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[float, float]:
        """By the bootstrap (Koehn 2004), seeded."""
        references, hypotheses = texts(self.name, target, predictions)
        measures = self.measures()
        found = [np.array(one._extract_corpus_statistics(hypotheses, [references])) for one in measures]
        random, scores = np.random.default_rng(0), []
        for _ in range(RESAMPLES):
            rows = random.integers(len(target), size=len(target))
            # Sums are all that a corpus score looks at.
            sums = [one[rows].sum(axis=0, keepdims=True).tolist() for one in found]
            parts = zip(measures, sums, strict=True)
            scores.append(self.combined([one._aggregate_and_compute(some).score for one, some in parts]))
        low, high = np.quantile(scores, [0.025, 0.975])
        return float(low), float(high)


@metrics.register("bleu")
@settings
class Bleu(OfCorpus):
    """Corpus BLEU (Papineni et al. 2002).

    tokenize: ``13a`` (sacreBLEU's default), ``intl``, ``zh``, ``char``, ``none``.
    """

    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    lowercase: bool = False

    def measures(self) -> list[Any]:
        from sacrebleu.metrics import BLEU

        # force: texts that look tokenised already are the user's choice, not worth a warning each epoch.
        return [BLEU(tokenize=self.tokenize, lowercase=self.lowercase, force=True)]


@metrics.register("chrf")
@settings
class Chrf(OfCorpus):
    """Corpus chrF (Popović 2015). word_order 2 makes it chrF++."""

    word_order: Literal[0, 1, 2] = 0
    lowercase: bool = False

    def measures(self) -> list[Any]:
        from sacrebleu.metrics import CHRF

        return [CHRF(word_order=self.word_order, lowercase=self.lowercase)]


@metrics.register("chrf_plus_plus")
@settings
class ChrfPlusPlus(OfCorpus):
    """Corpus chrF++, of characters and words (Popović 2017)."""

    lowercase: bool = False

    def measures(self) -> list[Any]:
        from sacrebleu.metrics import CHRF

        return [CHRF(word_order=2, lowercase=self.lowercase)]


@metrics.register("ter")
@settings
class Ter(OfCorpus):
    """Corpus translation edit rate (Snover et al. 2006): edits, shifts of words among them, to 100 words of the
    reference."""

    higher_is_better: ClassVar[bool] = False

    lowercase: bool = True
    punctuation: bool = True

    def measures(self) -> list[Any]:
        from sacrebleu.metrics import TER

        return [TER(case_sensitive=not self.lowercase, no_punct=not self.punctuation)]


@metrics.register("bleu_chrf")
@settings
class BleuChrf(OfCorpus):
    """The geometric mean of corpus BLEU and corpus chrF, as Kaggle has scored translations.

    word_order: 2 takes chrF++ in place of chrF.
    """

    word_order: Literal[0, 1, 2] = 0
    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"

    def measures(self) -> list[Any]:
        from sacrebleu.metrics import BLEU, CHRF

        return [BLEU(tokenize=self.tokenize, force=True), CHRF(word_order=self.word_order)]

    def combined(self, scores: Sequence[float]) -> float:
        return float(np.sqrt(scores[0] * scores[1]))


@metrics.register("exact_match")
@settings
class ExactMatch(Metric):
    """Share of the texts that are the very same, spaces at their ends apart.

    lowercase: letters of either case are the same.
    """

    tasks: ClassVar[tuple[str, ...]] = ("translation",)
    reads_text: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True

    lowercase: bool = False

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        return float(self._same(target, predictions).mean())

    def interval(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[float, float]:
        """By the bootstrap: of rows that are right or not, draws are binomial."""
        from scipy.stats import binom

        same = self._same(target, predictions)
        low, high = binom.ppf([0.025, 0.975], len(same), same.mean()) / len(same)
        return float(low), float(high)

    def _same(self, target: pd.Series, predictions: pd.DataFrame) -> np.ndarray:
        """bool [rows]."""
        pairs = zip(*texts(self.name, target, predictions), strict=True)
        return np.array([self._seen(one) == self._seen(other) for one, other in pairs])

    def _seen(self, text: str) -> str:
        return text.strip().lower() if self.lowercase else text.strip()


def texts(metric: str, target: pd.Series, predictions: pd.DataFrame) -> tuple[list[str], list[str]]:
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
