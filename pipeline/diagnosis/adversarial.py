"""Adversarial validation: how well a model tells test rows from training rows (a classifier two-sample test, Lopez-Paz
and Oquab 2017), with the very same model on permuted labels for what chance gives.

The model is a ridge regression on indicators (``features/indicators.py``), which do not look at which file a row is
of, so that permutations are exact, and hundreds of them cost no more than one matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.features.indicators import WIDEST, indicators, sampled

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence

PERMUTATIONS, FOLDS = 300, 4
STIFF = 10
"""The ridge's penalty is the sum of all features' squares divided by it: the more features, the stiffer."""


def tell_apart(evidence: Evidence) -> dict[str, Any] | None:
    """``auc``: out of fold. ``chance``: the middle 95 % of it on permuted labels; ``p``: how probable by chance one as
    large is. ``columns``: those that tell most, each with the part of the difference that it makes."""
    own = evidence.own_train
    if evidence.test is None or not evidence.schema.columns or min(len(own), len(evidence.test)) < 20:
        return None
    train, test = sampled(own, 0), sampled(evidence.test, 1)
    blocks = indicators(train, test, evidence.schema)
    return two_sample(blocks, len(train), len(test)) if blocks else None


def two_sample(blocks: dict[str, np.ndarray], train: int, test: int) -> dict[str, Any]:
    """See ``tell_apart``. blocks: centred features by column, the ``train`` rows first."""
    import numpy as np
    from scipy.stats import norm

    generator = np.random.default_rng(0)
    features = np.column_stack(list(blocks.values()))  # [rows, features]
    if features.shape[1] > WIDEST:
        features = features @ generator.normal(size=(features.shape[1], WIDEST)).astype(np.float32)
    rows = train + test
    truth = np.concatenate([np.zeros(train), np.ones(test)])
    labels = np.column_stack([truth, *(generator.permutation(truth) for _ in range(PERMUTATIONS))]).astype(np.float32)
    fold = generator.permutation(np.arange(rows) % FOLDS)
    gram = features.T @ features  # [features, features]
    weight = max(float(np.trace(gram)) / STIFF, 1e-6)
    areas = []
    for k in range(FOLDS):
        here, there = fold == k, fold != k
        own = features[here]
        left = gram - own.T @ own + weight * np.eye(features.shape[1], dtype=np.float32)
        centred = labels[there] - labels[there].mean(axis=0)
        coefficients = np.linalg.solve(left, features[there].T @ centred)  # [features, permutations and truth]
        answers = own @ coefficients  # [rows of the fold, permutations and truth]
        areas.append(_areas(answers, labels[here]))
    found = np.mean(areas, axis=0)
    auc, by_chance = float(found[0]), found[1:]
    above = int((by_chance >= auc).sum())
    tail = float(norm.sf((auc - by_chance.mean()) / max(by_chance.std(ddof=1), 1e-12)))
    p = (1 + above) / (1 + PERMUTATIONS) if above >= 10 else tail  # which so few permutations cannot count
    low, high = np.quantile(by_chance, [0.025, 0.975])
    return {"auc": auc, "chance": [float(low), float(high)], "p": p, "columns": _behind(blocks, truth)}


def _areas(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Areas under the ROC curves [columns] of answers for labels of 0 and 1, by ranks."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(answers, axis=0)
    ones = labels.sum(axis=0)
    zeros = len(labels) - ones
    return ((ranks * labels).sum(axis=0) - ones * (ones + 1) / 2) / np.maximum(ones * zeros, 1)


def _behind(blocks: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, float]:
    """Columns by how far their features' means lie apart (the sum of squares, by what chance gives each), the part of
    each of the five largest."""
    import numpy as np

    apart = {}
    share = 1 / truth.sum() + 1 / (len(truth) - truth.sum())
    for name, block in blocks.items():
        gaps = block[truth == 1].mean(axis=0) - block[truth == 0].mean(axis=0)
        spread = block.var(axis=0)
        squares = np.divide(np.square(gaps), spread * share, out=np.zeros_like(gaps), where=spread > 0)
        apart[name] = max(float(squares.sum()) - len(gaps), 0.0)  # each is 1 by chance
    total = sum(apart.values()) or 1.0
    largest = sorted(apart.items(), key=lambda item: (-item[1], item[0]))[:5]
    return {name: value / total for name, value in largest if value > 0}
