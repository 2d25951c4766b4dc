"""Data of the picture that shows where predictions go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

POINTS = 3000
"""Points of a residual plot at most; more rows are thinned evenly."""


def residuals(target: pd.Series, predictions: pd.DataFrame) -> dict[str, Any]:
    """Truth and prediction of numbers, in the target's units."""
    import numpy as np

    keep = np.linspace(0, len(target) - 1, min(len(target), POINTS)).astype(int)
    return {
        "target": target.to_numpy(dtype=float)[keep].tolist(),
        "prediction": predictions["prediction"].to_numpy(dtype=float)[keep].tolist(),
        "unit": str(target.name),
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
