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
