"""What hangs on the order of rows, or on their time: the target, and the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pipeline.diagnosis.evidence import Evidence


def losses(evidence: Evidence) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Of the blend's out-of-fold predictions [rows]: each row's loss, and its signed error where it is a number.

    Minus the logarithm of the true class's probability, or the absolute error (of logarithms, where the metric or the
    task takes them); None of other targets.
    """
    import numpy as np

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
    time = evidence.competition.columns.time
    if time is not None and time in evidence.train:
        return time, evidence.train[time].iloc[rows].rank(method="average").to_numpy()
    return "the order of rows in the file", rows.astype(float)


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
