"""What the blend answers as a whole against the truth: the distributions, and whether probabilities keep their word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence

BINS, MOST_CLASSES, CALIBRATED = 30, 30, 10


def distribution(evidence: Evidence) -> dict[str, Any] | None:
    """Of a number ``edges`` and the rows in each bin, ``truth`` and ``said``; of a class ``classes`` and their rows, by
    truth and as chosen. None of other targets."""
    import numpy as np

    answered = evidence.answered
    if evidence.kind == "number":
        from pipeline.diagnosis.order import logarithmic

        truth = answered.target.to_numpy(dtype=float)
        said = answered.predictions["prediction"].to_numpy(dtype=float)
        both = np.concatenate([truth, said])
        log = bool(logarithmic(evidence) and both.min() > 0)
        low, high = float(both.min()), float(both.max())
        if not high > low:
            return None
        edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
        edges[0], edges[-1] = low, high  # which rounding may have moved
        counts = [np.histogram(part, edges)[0].tolist() for part in (truth, said)]
        unit = str(answered.target.name)
        return {"edges": edges.tolist(), "truth": counts[0], "said": counts[1], "unit": unit, "log": log}
    if evidence.kind == "class":
        names = [str(name) for name in answered.predictions]
        if len(names) > MOST_CLASSES:
            return None
        truth = answered.target.astype(str).value_counts()
        chosen = np.bincount(answered.predictions.to_numpy().argmax(axis=1), minlength=len(names))
        return {
            "classes": names,
            "truth": [int(truth.get(name, 0)) for name in names],
            "said": chosen.tolist(),
            "unit": str(answered.target.name),
        }
    return None


def calibration(evidence: Evidence) -> dict[str, Any] | None:
    """Of classes, rows put together by the probability of what was said (of two classes, of the second): by bin the
    mean of it, ``said``, the share that came ``true`` with its 95 % ``interval`` (Wilson 1927), and ``rows``.
    ``error``: the expected calibration error (Naeini, Cooper and Hauskrecht 2015). None of other targets."""
    import numpy as np

    if evidence.kind != "class":
        return None
    answered = evidence.answered
    names = [str(name) for name in answered.predictions]
    values, truth = answered.predictions.to_numpy(dtype=float), answered.target.astype(str).to_numpy()
    two = len(names) == 2
    if two:
        sure, right = values[:, 1], truth == names[1]
    else:
        chosen = values.argmax(axis=1)
        sure, right = values.max(axis=1), np.array(names)[chosen] == truth
    place = np.minimum((sure * CALIBRATED).astype(int), CALIBRATED - 1)
    bins, error = [], 0.0
    for k in range(CALIBRATED):
        mask = place == k
        if rows := int(mask.sum()):
            said, true = float(sure[mask].mean()), float(right[mask].mean())
            error += rows / len(sure) * abs(said - true)
            bins.append({"said": said, "true": true, "interval": wilson(true, rows), "rows": rows})
    of = f"probability of {names[1]}" if two else "probability of the class said"
    return {"bins": bins, "error": error, "of": of}


def wilson(share: float, rows: int) -> list[float]:
    """95 % interval of a share (Wilson 1927)."""
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = (z2 * (share * (1 - share) / rows + z2 / (4 * rows**2))) ** 0.5 / (1 + z2 / rows)
    return [max(middle - half, 0.0), min(middle + half, 1.0)]
