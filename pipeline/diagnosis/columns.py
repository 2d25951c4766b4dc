"""Training and test rows column by column: which differ, by how much, and what may be by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from pipeline.core.schema import ColumnKind
    from pipeline.diagnosis.evidence import Evidence

FEW = 10
"""Values of a number up to which it is compared like categories."""
EXPECTED = 5
"""Rows that a level must be expected in, to be compared alone (Cochran 1954)."""


def distributions(evidence: Evidence) -> dict[str, dict[str, float]]:
    """By column ``p`` (Kolmogorov-Smirnov of numbers, chi-square of levels) and the population stability index, of
    values that are there; of texts and images by each of their ``traits``, as ``image: brightness``."""
    found = {}
    for name, kind, train, test in _comparable(evidence):
        before, after = train.dropna(), test.dropna()
        if min(len(before), len(after)) < 20:
            continue
        if kind == "category" or len({*before.unique().tolist(), *after.unique().tolist()}) <= FEW:
            found[name] = _of_levels(before.astype(str), after.astype(str))
        else:
            found[name] = _of_numbers(before.to_numpy(dtype=float), after.to_numpy(dtype=float))
    return found


def _comparable(evidence: Evidence) -> Iterator[tuple[str, ColumnKind, pd.Series, pd.Series]]:
    """Each feature column, or trait of one, and its kind, in both files."""
    import pandas as pd

    from pipeline.diagnosis.traits import traits
    from pipeline.features.indicators import sampled

    kinds: dict[str, ColumnKind] = {column.name: column.kind for column in evidence.schema.columns}
    for name, train, test in pairs(evidence):
        kind = kinds[name]
        if kind in ("number", "category"):
            yield name, kind, train, test
            continue
        before, after = (traits(sampled(part, 0), kind) for part in (train, test))
        for what, values in before.items():
            yield f"{name}: {what}", "number", pd.Series(values), pd.Series(after[what])


def pairs(evidence: Evidence) -> list[tuple[str, pd.Series, pd.Series]]:
    """Each feature column of the training rows, but for those from elsewhere, and of the test rows."""
    if evidence.test is None:
        return []
    train, test = evidence.own_train, evidence.test
    return [(column.name, train[column.name], test[column.name]) for column in evidence.schema.columns]


def _of_numbers(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    import numpy as np
    from scipy.stats import ks_2samp

    edges = np.unique(np.quantile(np.concatenate([before, after]), np.linspace(0.1, 0.9, 9)))
    counts = [np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) for part in (before, after)]
    return {"p": float(ks_2samp(before, after, method="asymp").pvalue), "psi": stability(*counts)}


def _of_levels(before: pd.Series, after: pd.Series) -> dict[str, float]:
    import numpy as np
    from scipy.stats import chi2_contingency

    levels = sorted({*before.unique().tolist(), *after.unique().tolist()})
    table = np.array([[part.value_counts().get(level, 0) for level in levels] for part in (before, after)])
    smaller = min(len(before), len(after)) / (len(before) + len(after))
    common = table.sum(axis=0) * smaller >= EXPECTED
    table = np.column_stack([table[:, common], table[:, ~common].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table[:, -1].sum() * smaller < EXPECTED and table.shape[1] < 3):
        return {"p": 1.0, "psi": 0.0}
    return {"p": float(chi2_contingency(table, correction=False).pvalue), "psi": stability(*table)}


def stability(before: np.ndarray, after: np.ndarray) -> float:
    """Population stability index of two counts [bins]; half a row stands in each empty bin."""
    import numpy as np

    first, second = (np.maximum(counts, 0.5) / np.maximum(counts, 0.5).sum() for counts in (before, after))
    return float(((second - first) * np.log(second / first)).sum())


def missing(evidence: Evidence) -> dict[str, dict[str, float]]:
    """By column that misses values somewhere: its share of them in train and test, and the p-value of their
    difference (Fisher's exact test, chi-square of many rows)."""
    from scipy.stats import chi2_contingency, fisher_exact

    found = {}
    for name, train, test in pairs(evidence):
        counts = [[int(part.isna().sum()), int(part.notna().sum())] for part in (train, test)]
        if not counts[0][0] + counts[1][0] or not counts[0][1] + counts[1][1]:
            continue
        exact = min(counts[0][0] + counts[1][0], counts[0][1] + counts[1][1]) < 200
        p = fisher_exact(counts).pvalue if exact else chi2_contingency(counts, correction=False).pvalue
        found[name] = {"p": float(p), "train": float(train.isna().mean()), "test": float(test.isna().mean())}
    return found


def levels(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By column of categories: ``unseen``, the share of test rows whose level no training row has, and ``vanished``,
    the other way round; ``p``: how probable so many such levels are where rows fell to the two files by lot."""
    found = {}
    for name, train, test in pairs(evidence):
        if name not in evidence.schema.names("category"):
            continue
        counts = [part.dropna().astype(str).value_counts() for part in (train, test)]
        if not len(counts[0]) or not len(counts[1]):
            continue
        taught = evidence.train[name].dropna().astype(str).unique().tolist()  # by rows from elsewhere too
        only = [counts[1].index.difference(taught), counts[0].index.difference(counts[1].index)]
        both = counts[0].add(counts[1], fill_value=0).to_numpy()
        share = counts[1].sum() / both.sum()
        p_values = [
            _lot(both, float(part), [int(counts[side][level]) for level in gone])
            for part, side, gone in ((share, 1, only[0]), (1 - share, 0, only[1]))
        ]
        found[name] = {
            "p": min(1.0, 2 * min(p_values)),
            "unseen": float(counts[1][only[0]].sum() / counts[1].sum()),
            "vanished": float(counts[0][only[1]].sum() / counts[0].sum()),
            "examples": sorted(only[0], key=lambda level: (-int(counts[1][level]), level))[:3],
        }
    return found


def _lot(counts: np.ndarray, share: float, alone: list[int]) -> float:
    """How probable so many levels that stand in one file alone are, all of them or the frequent ones.

    counts: rows of each level in both files. share: of all rows, those of that file. alone: rows of its own levels.
    """
    import numpy as np
    from scipy.stats import poisson

    p_values = []
    for least in (1, EXPECTED):
        expected = float(np.power(share, counts[counts >= least]).sum())
        p_values.append(float(poisson.sf(sum(count >= least for count in alone) - 1, expected)))
    return min(1.0, 2 * min(p_values))
