"""Black-box shift estimation: the shares of the classes in rows whose classes nobody knows, from what a model answers
for them and its mistakes elsewhere (Lipton, Wang and Smola 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

STABLE = 100.0
"""Condition of the matrix of mistakes, for each class, up to which it is solved."""


def estimated(joint: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Shares [classes] of the test rows' true classes. joint: how often, or how surely, each class is answered for
    each [answer, class] out of fold. answers: the same of the test rows [classes]."""
    import numpy as np

    given = joint / np.maximum(joint.sum(axis=0), 1e-12)  # [answer, class]: how each class is answered
    try:
        shares = np.linalg.solve(given, answers / answers.sum())
    except np.linalg.LinAlgError:
        return np.full(len(answers), np.nan)
    shares = np.maximum(shares, 0)
    return shares / shares.sum() if shares.sum() else np.full(len(answers), np.nan)
