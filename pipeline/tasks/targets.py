"""Targets: into training and exactly back. All in float64; training itself is float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Transform = Literal["none", "log", "log1p", "standardise"]

LARGEST_LOGARITHM = 700.0
"""exp of more is no float64 any more."""


@dataclass(frozen=True)
class NumberTarget:
    """A numeric target through ``none``, ``log``, ``log1p`` or ``standardise``.

    mean, deviation: of the training rows, for ``standardise``; 0 and 1 otherwise.
    """

    transform: Transform = "none"
    mean: float = 0.0
    deviation: float = 1.0

    def encode(self, target: pd.Series) -> np.ndarray:
        """[rows] -> float32 [rows, 1]. Raises UserError for a value that the transform cannot take."""
        import numpy as np

        values = target.to_numpy(dtype=np.float64, na_value=np.nan)
        self._check(target, values)
        return self.forward(values).astype(np.float32)[:, None]  # [rows] -> [rows, 1]

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Own units to those of the loss; any shape."""
        import numpy as np

        if self.transform == "log":
            return np.log(values)
        if self.transform == "log1p":
            return np.log1p(values)
        return (values - self.mean) / self.deviation

    def backward(self, values: np.ndarray) -> np.ndarray:
        """The inverse of ``forward``, in float64."""
        import numpy as np

        values = np.asarray(values, dtype=np.float64)
        if self.transform == "log":
            return np.exp(np.minimum(values, LARGEST_LOGARITHM))
        if self.transform == "log1p":
            return np.expm1(np.minimum(values, LARGEST_LOGARITHM))
        return values * self.deviation + self.mean

    def state(self) -> dict[str, Any]:
        return {"transform": self.transform, "mean": self.mean, "deviation": self.deviation}

    def _check(self, target: pd.Series, values: np.ndarray) -> None:
        import numpy as np

        rules = {"log": ("is above 0", values > 0), "log1p": ("is not negative", values >= 0)}
        rule, good = rules.get(self.transform, ("is a finite number", np.isfinite(values)))
        good = good & np.isfinite(values)
        if not good.all():
            first = int(np.flatnonzero(~good)[0])
            value = float(values[first])
            hint = "; use target: log1p or none" if self.transform == "log" else ""
            raise UserError(
                f"column {target.name}, {_place(target, first)}: "
                f"a target under '{self.transform}' {rule}, got {value:g}{hint}"
            )


def _place(target: pd.Series, position: int) -> str:
    """The row as a line of the training file, whose first line is the header."""
    label = target.index[position]
    return f"row {int(label) + 2}" if hasattr(label, "__index__") else f"row {label!r}"


def fit_number_target(transform: Transform, target: pd.Series) -> NumberTarget:
    if transform != "standardise":
        return NumberTarget(transform)
    import numpy as np

    values = target.to_numpy(dtype=np.float64, na_value=np.nan)
    deviation = float(values.std())
    return NumberTarget(transform, float(values.mean()), deviation if deviation > 0 else 1.0)


@dataclass(frozen=True)
class ClassTarget:
    """Classes to their index in the schema's order."""

    classes: tuple[Any, ...]

    def encode(self, target: pd.Series) -> np.ndarray:
        """[rows] -> int64 [rows]. Raises UserError for a class that the schema does not have."""
        import numpy as np

        index = {level: i for i, level in enumerate(self.classes)}
        codes = np.fromiter((index.get(value, -1) for value in target.tolist()), np.int64, len(target))
        if (codes < 0).any():
            first = int(np.flatnonzero(codes < 0)[0])
            known = ", ".join(map(repr, self.classes[:10]))
            raise UserError(
                f"column {target.name}, {_place(target, first)}: a target is one of the classes {known}, "
                f"got {target.tolist()[first]!r}"
            )
        return codes

    def state(self) -> dict[str, Any]:
        return {"classes": list(self.classes)}


def weighted_mean(arrays: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Sum of weight times array, added up in the order given."""
    import numpy as np

    total = np.zeros(arrays[0].shape, dtype=np.float64)
    for array, weight in zip(arrays, weights, strict=True):
        total += weight * array
    return total


def number_target(state: Mapping[str, Any]) -> NumberTarget:
    return NumberTarget(**state)
