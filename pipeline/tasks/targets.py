"""Targets: into training and exactly back. All in float64; training itself is float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.class_columns import class_column
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

    Logarithms are centred: a network begins near 0, and finds log prices around 12 only slowly
    (House Prices, 5 folds, 50 epochs of an MLP: 0.253 without, 0.129 with it).
    mean, deviation: of the training rows, once transformed; 0 and 1 for ``none``.
    """

    transform: Transform = "none"
    mean: float = 0.0
    deviation: float = 1.0

    def encode(self, target: pd.Series) -> np.ndarray:
        """[rows] -> float32 [rows, 1]. Raises UserError for a value that the transform cannot take."""
        import numpy as np

        values = _checked(self.transform, target)
        return self.forward(values).astype(np.float32)[:, None]  # [rows] -> [rows, 1]

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Own units to those of the loss; any shape."""
        return (_logarithm(self.transform, values) - self.mean) / self.deviation

    def backward(self, values: np.ndarray) -> np.ndarray:
        """The inverse of ``forward``, in float64. Under ``log1p`` no target is below 0, and what a model puts there is
        0."""
        import numpy as np

        values = np.asarray(values, dtype=np.float64) * self.deviation + self.mean
        if self.transform == "log":
            return np.exp(np.minimum(values, LARGEST_LOGARITHM))
        if self.transform == "log1p":
            return np.expm1(np.clip(values, 0.0, LARGEST_LOGARITHM))
        return values

    def state(self) -> dict[str, Any]:
        return {"transform": self.transform, "mean": self.mean, "deviation": self.deviation}

    def of_no_rows(self) -> NumberTarget:
        return NumberTarget(self.transform)


def fit_number_target(transform: Transform, target: pd.Series) -> NumberTarget:
    """Raises UserError for a value that the transform cannot take, and where there is none at all."""
    if not len(target):
        raise UserError(
            f"column {target.name}: needs a value in some row of each fold's training rows, and those of a fold all "
            "lack one; choose another split (such as stratified), or take it out of columns.target"
        )
    if transform == "none":
        return NumberTarget(transform)
    values = _logarithm(transform, _checked(transform, target))
    deviation = float(values.std()) if transform == "standardise" else 1.0
    return NumberTarget(transform, float(values.mean()), deviation if deviation > 0 else 1.0)


def _logarithm(transform: Transform, values: np.ndarray) -> np.ndarray:
    import numpy as np

    if transform == "log":
        return np.log(values)
    return np.log1p(values) if transform == "log1p" else values


def _checked(transform: Transform, target: pd.Series) -> np.ndarray:
    """float64 [rows], every value one that the transform can take."""
    import numpy as np

    values = target.to_numpy(dtype=np.float64, na_value=np.nan)
    rules = {"log": ("above 0", values > 0), "log1p": ("not negative", values >= 0)}
    rule, good = rules.get(transform, ("finite", np.isfinite(values)))
    good = good & np.isfinite(values)
    if not good.all():
        first = int(np.flatnonzero(~good)[0])
        hint = "; use target: log1p or none" if transform == "log" else ""
        raise UserError(
            f"column {target.name}, {_place(target, first)}: "
            f"under target: {transform} every value must be {rule}, got {values[first]:g}{hint}"
        )
    return values


def _place(target: pd.Series, position: int) -> str:
    """The row as a line of the training file, whose first line is the header."""
    label = target.index[position]
    return f"row {int(label) + 2}" if hasattr(label, "__index__") else f"row {label!r}"


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


@dataclass(frozen=True)
class SeveralClasses:
    """A ``ClassTarget`` for each, of classes as text."""

    parts: Mapping[str, ClassTarget]

    @property
    def columns(self) -> list[str]:
        """Of predictions."""
        return [class_column(name, level) for name, part in self.parts.items() for level in part.classes]

    def encode(self, target: pd.DataFrame) -> np.ndarray:
        """[rows, targets] -> float32 [rows, targets], the class numbers, NaN where a row lacks one."""
        import numpy as np

        encoded = np.full(target.shape, np.nan, dtype=np.float32)
        for column, (name, part) in enumerate(self.parts.items()):
            known = target[name].notna().to_numpy()
            encoded[known, column] = part.encode(target[name][known])
        return encoded

    def state(self) -> dict[str, Any]:
        return {"classes": {name: list(part.classes) for name, part in self.parts.items()}}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits [rows, classes] -> probabilities, float64."""
    import numpy as np

    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))  # [rows, classes]
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def weighted_mean(arrays: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Sum of weight times array, added up in the order given."""
    import numpy as np

    total = np.zeros(arrays[0].shape, dtype=np.float64)
    for array, weight in zip(arrays, weights, strict=True):
        total += weight * array
    return total


def number_target(state: Mapping[str, Any]) -> NumberTarget:
    return NumberTarget(**state)
