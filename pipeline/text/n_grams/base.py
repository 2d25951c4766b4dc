"""What every estimator promises, and what those share that interpolate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.core.registry import settings
from pipeline.text.n_grams.counts import Counts
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.reserved import BOS, PAD
from pipeline.text.vocabulary import Vocabulary

NOTICED = 0.2
"""Part of an order's counts that a discount which could not be estimated must take, to be told: the 1-grams of
characters are always too few to estimate one, and all seen so often that it hardly matters."""


@dataclass(frozen=True)
class Estimate:
    """Probabilities of counted n-grams; what was not seen after a context has the probability that it has after the
    context without its first token, times the context's weight (Katz's form, in which ARPA files hold every model).

    probabilities: for orders 1 to n, [n-grams]. weights: for orders 1 to n - 1, [n-grams].
    told: what the user should hear of.
    """

    probabilities: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]
    told: tuple[str, ...] = ()


class Estimator(ABC):
    """Settings of an estimator (shelf ``estimators``). What it estimates sums to 1 over all tokens that may follow:
    the vocabulary without padding and begin."""

    name: ClassVar[str]

    def fit(self, counts: Counts, vocabulary: Vocabulary) -> NGramModel:
        """Raises UserError where the counts are too few for the settings."""
        if len(vocabulary) != counts.vocabulary_size:
            raise ValueError(f"{len(vocabulary)} tokens, and counts of a vocabulary of {counts.vocabulary_size}")
        estimate = self.estimate(counts)
        told = estimate.told
        if counts.order < counts.asked:
            told = (f"no row has {counts.asked}-grams: n-grams of order {counts.order} are the longest", *told)
        with np.errstate(divide="ignore"):  # probabilities of 0
            probabilities = tuple(np.log(one) for one in estimate.probabilities)
            weights = tuple(np.log(one) for one in estimate.weights)
        return NGramModel(vocabulary, counts.keys, probabilities, weights, told)

    @abstractmethod
    def estimate(self, counts: Counts) -> Estimate: ...


@settings
class Interpolated(Estimator):
    """One that takes a discount off each count and gives what it took to the order below:

    p(w | h) = (a(hw) - D(a(hw))) / a(h) + weight(h) p(w | h without its first token),
    weight(h) = sum of D over what follows h / a(h), a(h) = sum of a over what follows h.

    Below order 1 stands the uniform distribution.
    """

    @abstractmethod
    def adjusted(self, counts: Counts) -> Sequence[np.ndarray]:
        """a of each n-gram, for orders 1 to n, int64 [n-grams]."""

    @abstractmethod
    def taken_off(self, order: int, adjusted: np.ndarray) -> tuple[np.ndarray, str | None]:
        """D of adjusted counts 0, 1, ..., the last one for all above too; and what is to be told of it, where it takes
        off as much as matters."""

    def estimate(self, counts: Counts) -> Estimate:
        probabilities: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        told = []
        for order, a in enumerate(self.adjusted(counts), start=1):
            taken, message = self.taken_off(order, a)
            off = taken[np.minimum(a, len(taken) - 1)]  # [n-grams]
            told += [message] if message and off.sum() > NOTICED * a.sum() else []
            if order == 1:
                total = a.sum()
                probabilities.append((a - off) / total + off.sum() / total * uniform(counts.vocabulary_size))
                continue
            context = counts.contexts(order)  # [n-grams]
            total = np.bincount(context, a, len(probabilities[-1]))  # [contexts]
            followed = total > 0
            weight = np.ones(len(total))
            weight[followed] = np.bincount(context, off, len(total))[followed] / total[followed]
            lower = probabilities[-1][counts.suffixes[order - 2]]  # [n-grams]
            probabilities.append((a - off) / total[context] + weight[context] * lower)
            weights.append(weight)
        return Estimate(probabilities, weights, tuple(told))


def predicted(vocabulary_size: int) -> np.ndarray:
    """bool [vocabulary]: whether a token may follow at all."""
    may = np.ones(vocabulary_size, bool)
    may[[PAD, BOS]] = False
    return may


def uniform(vocabulary_size: int) -> np.ndarray:
    """[vocabulary]"""
    may = predicted(vocabulary_size)
    return may / may.sum()


def counts_of_counts(counts: np.ndarray, highest: int) -> np.ndarray:
    """How many n-grams have count 0, 1, ... ``highest``: [highest + 1]."""
    return np.bincount(np.minimum(counts, highest + 1), minlength=highest + 2)[: highest + 1]
