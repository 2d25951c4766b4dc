"""The text among several that is most like all of them: least expected loss, measured by chrF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

ORDER, BETA = 6, 2
"""Characters of the longest n-grams, and how many times as much recall counts as precision: chrF2."""


def consensus(texts: Sequence[str], weights: Sequence[float]) -> int:
    """Which of the texts has the largest expected chrF, of both directions, where each of them is right with a
    probability that goes with its weight: minimum Bayes risk (Kumar and Byrne 2004); of equals the first one.

    weights: not negative.
    """
    return 0 if len(set(texts)) == 1 else _chosen(tuple(texts), tuple(weights))


@lru_cache(1 << 16)  # a blend is chosen by the same rows again and again, once for each fold
def _chosen(texts: tuple[str, ...], weights: tuple[float, ...]) -> int:
    return texts.index(list(dict.fromkeys(texts))[int(expected(texts, weights).argmax())])


def expected(texts: Sequence[str], weights: Sequence[float]) -> np.ndarray:
    """Expected chrF, 0 to 1, of each distinct text in the order in which they come first: float64 [distinct texts].

    Of two texts it is the mean of both directions: recall counts more than precision, and of two that differ the longer
    one would be taken for no other reason.
    """
    distinct = list(dict.fromkeys(texts))
    place = np.array([distinct.index(text) for text in texts])
    total = np.bincount(place, np.asarray(weights, np.float64), len(distinct))  # [distinct texts]
    found = similarities(distinct)
    # Sums that are the same but for rounding are equals.
    return np.round((found + found.T) / 2 @ total / total.sum(), 12)


def similarities(texts: Sequence[str]) -> np.ndarray:
    """chrF of each text as a hypothesis against each as its reference, 0 to 1, as sacreBLEU has it of sentences:
    [texts, texts]."""
    joined = ["".join(text.split()) for text in texts]
    precision, recall, orders = (np.zeros((len(texts), len(texts))) for _ in range(3))
    for order in range(1, ORDER + 1):
        grams = [Counter(text[i : i + order] for i in range(len(text) - order + 1)) for text in joined]
        numbers = {gram: number for number, gram in enumerate({gram: None for one in grams for gram in one})}
        counts = np.zeros((len(texts), len(numbers)), np.int32)
        for row, one in enumerate(grams):
            counts[row, [numbers[gram] for gram in one]] = list(one.values())
        shared = np.minimum(counts[:, None], counts).sum(axis=2)  # [texts, texts]
        length = counts.sum(axis=1)  # [texts]
        both = (length[:, None] > 0) & (length > 0)
        precision += np.where(both, shared / np.maximum(length[:, None], 1), 0)
        recall += np.where(both, shared / np.maximum(length, 1), 0)
        orders += both
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    weighed = BETA**2 * precision + recall
    return np.where(weighed > 0, (1 + BETA**2) * precision * recall / np.where(weighed > 0, weighed, 1), 0)
