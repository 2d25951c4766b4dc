"""What hangs on the order of rows, on their time or on a level that they share: the target, and the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence


ROWS, LEVELS = 20, 50
"""Rows that a level must have, to be compared, and levels that are compared at most, the most frequent."""


def losses(evidence: Evidence) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Of the blend's out-of-fold predictions [rows]: each row's loss, and its signed error where it is a number.

    Minus the logarithm of the true class's probability, or the absolute error (of logarithms, where the metric or the
    task takes them); of a language model the nats of each token, word or character. None of other targets.
    """
    import numpy as np

    if evidence.kind == "count":
        answered = evidence.answered
        counted = np.maximum(answered.target.to_numpy(dtype=float), 1.0)
        return answered.predictions["prediction"].to_numpy(dtype=float) / counted, None
    if evidence.kind not in ("number", "class"):
        return None
    answered = evidence.answered
    if evidence.kind == "number":
        truth = answered.target.to_numpy(dtype=float)
        told = answered.predictions["prediction"].to_numpy(dtype=float)
        if logarithmic(evidence) and truth.min() > 0:
            truth, told = np.log(truth), np.log(np.maximum(told, 1e-9))
        return np.abs(told - truth), told - truth
    names = [str(name) for name in answered.predictions]
    place = answered.target.astype(str).map({name: i for i, name in enumerate(names)}).to_numpy()
    chosen = answered.predictions.to_numpy()[np.arange(len(place)), place]
    return -np.log(np.clip(chosen, 1e-6, 1)), None


def logarithmic(evidence: Evidence) -> bool:
    """Whether errors count by their ratio."""
    transform = evidence.competition.raw["task"]
    target = transform.get("target") if isinstance(transform, dict) else None
    return "log" in evidence.competition.metric.name or target in ("log", "log1p")


def by_order(evidence: Evidence, rows: np.ndarray) -> tuple[str, np.ndarray]:
    """What rows are ordered by, and each one's place in it: the declared time, or else their place in the file."""
    from scipy.stats import rankdata

    from pipeline.diagnosis.leaks import moments

    time = evidence.competition.columns.time
    if time is not None and (when := moments(evidence.train, time)) is not None:
        return time, rankdata(when[rows])
    return "the order of rows in the file", rows.astype(float)


def signed(evidence: Evidence) -> tuple[np.ndarray, np.ndarray] | None:
    """The rows that the blend answers out of fold [rows], and each one's error: predicted less true, of a number or of
    the second of two classes; the loss, of several classes; None of other targets."""
    if (known := losses(evidence)) is None:
        return None
    loss, error = known
    answered = evidence.answered
    if error is None and evidence.kind == "class" and len(answered.predictions.columns) == 2:
        second = str(answered.predictions.columns[1])
        truth = (answered.target.astype(str) == second).to_numpy(dtype=float)
        error = answered.predictions.iloc[:, 1].to_numpy(dtype=float) - truth
    return answered.rows, loss if error is None else error


def by_level(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By column of categories, or of the declared group: ``p`` (Kruskal-Wallis of the errors over its levels),
    ``explained`` (the part of the spread of their ranks that levels make beyond chance: epsilon squared) and ``most``,
    the level whose errors lie furthest off."""
    import numpy as np
    from scipy.stats import kruskal, rankdata

    if (known := signed(evidence)) is None:
        return {}
    rows, errors = known
    found = {}
    for name in dict.fromkeys([*evidence.schema.names("category"), evidence.competition.columns.group]):
        if name is None or name not in evidence.train:
            continue
        levels = evidence.train[name].iloc[rows].astype("object")
        counts = levels.value_counts()
        frequent = sorted(counts[counts >= ROWS].index[:LEVELS], key=str)
        inside = levels.isin(frequent).to_numpy()
        if len(frequent) < 2 or np.ptp(errors[inside]) == 0:
            continue
        parts = {str(level): (levels[inside] == level).to_numpy() for level in frequent}
        some = errors[inside]
        test = kruskal(*(some[part] for part in parts.values()))
        ranks = rankdata(some)
        found[name] = {
            "p": float(test.pvalue),
            "explained": max(float((test.statistic - len(parts) + 1) / (len(some) - len(parts))), 0.0),
            "most": max(parts, key=lambda level: abs(ranks[parts[level]].mean() - ranks.mean())),
        }
    return found


def trend(values: np.ndarray, place: np.ndarray) -> dict[str, float]:
    """Spearman's correlation, and its p-value."""
    import numpy as np
    from scipy.stats import spearmanr

    if len(values) < 20 or np.ptp(values) == 0 or np.ptp(place) == 0:
        return {"rho": 0.0, "p": 1.0}
    found: Any = spearmanr(values, place)
    return {"rho": float(found.statistic), "p": float(found.pvalue)}


def neighbours(values: np.ndarray) -> dict[str, float]:
    """Correlation of the ranks of neighbouring rows, and how probable it is among rows in no order."""
    import numpy as np
    from scipy.stats import norm, rankdata

    rows = len(values)
    if rows < 20 or np.ptp(values) == 0:
        return {"rho": 0.0, "p": 1.0}
    ranks = rankdata(values)
    ranks = (ranks - ranks.mean()) / ranks.std()
    rho = float((ranks[1:] * ranks[:-1]).mean())
    return {"rho": rho, "p": float(2 * norm.sf(abs(rho + 1 / rows) * (rows - 1) ** 0.5))}
