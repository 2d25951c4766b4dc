"""Stratified folds for several targets: iterative stratification of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

NUMBER_BINS = 5
"""Equally full bins that a numeric target is cut into, each a label, where it is not said."""


def stratify_several(targets: pd.DataFrame, folds: int, seed: int, bins: int = NUMBER_BINS) -> np.ndarray:
    """Fold of each row, int64 [rows], so that each label is spread evenly over the folds.

    The rarest label's rows are dealt first, each to the fold that lacks most of it (Sechidis et al. 2011, On the
    Stratification of Multi-Label Data). Each class of a target is a label; numbers are labels by which of ``bins`` they
    lie in.
    """
    labels = _labels(targets, bins)  # [rows, labels]
    random = np.random.default_rng(seed)
    rows, share = len(labels), 1 / folds
    room = np.full(folds, rows * share)
    wanted = labels.sum(axis=0) * np.full((folds, 1), share)  # [folds, labels]
    fold = np.full(rows, -1, dtype=np.int64)
    order = random.permutation(rows)
    left = labels.sum(axis=0)
    while (left > 0).any():
        rarest = int(np.flatnonzero(left == left[left > 0].min())[0])
        for row in order[(fold[order] < 0) & labels[order, rarest]]:
            best = np.flatnonzero(wanted[:, rarest] == wanted[:, rarest].max())
            best = best[room[best] == room[best].max()]
            chosen = int(best[random.integers(len(best))])
            fold[row] = chosen
            wanted[chosen] -= labels[row]
            room[chosen] -= 1
            left = left - labels[row]
    for row in order[fold[order] < 0]:  # rows without any label
        chosen = int(room.argmax())
        fold[row], room[chosen] = chosen, room[chosen] - 1
    return fold


def holds_classes(values: pd.Series) -> bool:
    """Whether a target is labels as it is: words, or yes and no. Missing values say nothing."""
    return values.dtype == "str" or set(values.dropna().unique()) <= {0.0, 1.0}


def _labels(targets: pd.DataFrame, bins: int) -> np.ndarray:
    """bool [rows, labels]."""
    columns = []
    for name in targets:
        values = targets[name]
        if values.dtype == "str":
            codes, levels = values.factorize(sort=True)
            columns += [codes == code for code in range(len(levels))]
        elif set(values.dropna().unique()) <= {0.0, 1.0}:
            columns.append((values == 1).to_numpy())
        else:
            ranks = values.rank(method="first", pct=True).to_numpy()
            place = np.floor(np.minimum(ranks * bins, bins - 1))  # [rows], NaN where missing
            columns += [place == one for one in range(bins)]
    return np.stack(columns, axis=1)
