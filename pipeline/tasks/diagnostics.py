"""Data of the picture that shows where predictions go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.core.class_columns import predictions_of

if TYPE_CHECKING:
    import pandas as pd

POINTS = 3000
"""Points of a residual plot, and sentences that are scored, at most; more rows are thinned evenly."""
BARS, SENTENCES = 6, 5
"""Lengths that sentences are put together by, and of the best and of the worst."""


def residuals(target: pd.Series, predictions: pd.DataFrame) -> dict[str, Any]:
    """Truth and prediction of numbers, in the target's units."""
    import numpy as np

    keep = np.linspace(0, len(target) - 1, min(len(target), POINTS)).astype(int)
    return {
        "target": target.to_numpy(dtype=float)[keep].tolist(),
        "prediction": predictions["prediction"].to_numpy(dtype=float)[keep].tolist(),
        "unit": str(target.name),
    }


def translated(target: pd.Series, predictions: pd.DataFrame) -> dict[str, Any]:
    """Mean chrF of sentences by the words of their references, and the worst and the best ones, of equals the longer
    first."""
    import numpy as np

    from pipeline.decoding.minimum_risk import similarities

    keep = np.linspace(0, len(target) - 1, min(len(target), POINTS)).astype(int)
    wanted, said = target.iloc[keep].tolist(), predictions["prediction"].iloc[keep].tolist()
    scores = [100 * float(similarities([one, other])[0, 1]) for one, other in zip(said, wanted, strict=True)]
    words = np.array([len(text.split()) for text in wanted])
    bounds = np.unique(np.quantile(words, np.linspace(0, 1, BARS + 1)).astype(int))
    # [rows]: between which bounds, the last one included
    place = np.minimum(np.searchsorted(bounds, words, side="right"), max(len(bounds) - 1, 1)) - 1
    lengths = []
    for i in range(int(place.max()) + 1):
        of = np.flatnonzero(place == i)
        if len(of):
            low, high = int(words[of].min()), int(words[of].max())
            mean = float(np.mean([scores[row] for row in of]))
            lengths.append({"words": str(low) if low == high else f"{low}–{high}", "rows": len(of), "score": mean})

    def first(sign: int) -> list[int]:
        return sorted(range(len(scores)), key=lambda row: (sign * scores[row], -words[row]))[:SENTENCES]

    def told(row: int) -> dict[str, Any]:
        return {"score": scores[row], "target": wanted[row], "prediction": said[row]}

    return {
        "lengths": lengths,
        "worst": [told(row) for row in first(1)],
        "best": [told(row) for row in first(-1)],
    }


def confusion(target: pd.Series, predictions: pd.DataFrame) -> dict[str, Any]:
    """Counts [true class][most probable class]."""
    import numpy as np
    import pandas as pd

    classes = [str(name) for name in predictions.columns]
    truth = pd.Categorical(target.astype(str), categories=classes).codes
    chosen = predictions.to_numpy().argmax(axis=1)
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (truth, chosen), 1)
    return {"classes": classes, "counts": counts.tolist()}


def confusions(target: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
    """The same of each of several targets, over the rows that have it."""
    found = []
    for name in map(str, target):
        known = target[name].notna().to_numpy()
        own = predictions_of(predictions, name, known=known)
        found.append({"target": name, **confusion(target[name][known], own)})
    return {"targets": found}


def mistakes(target: pd.Series, predictions: pd.DataFrame, most: int = 24) -> list[tuple[int, str]]:
    """Rows that are wrong and surest to be right, or of numbers furthest off: position, and what to say of each."""
    import numpy as np

    if list(predictions.columns) == ["prediction"]:
        truth, told = target.to_numpy(dtype=float), predictions["prediction"].to_numpy(dtype=float)
        worst = np.argsort(-np.abs(told - truth), kind="stable")[:most]
        return [(int(row), f"{truth[row]:g}, not {told[row]:g}") for row in worst]
    classes = [str(name) for name in predictions.columns]
    values, truths = predictions.to_numpy(), target.astype(str).to_numpy()
    chosen = np.array(classes)[values.argmax(axis=1)]
    wrong = np.nonzero(chosen != truths)[0]
    surest = wrong[np.argsort(-values[wrong].max(axis=1), kind="stable")][:most]
    return [(int(row), f"{truths[row]}, not {chosen[row]} ({values[row].max():.0%})") for row in surest]
