"""Number columns: statistics from the rows fitted on, then transform, scale, fill.

Statistics are of the values present. The filling value is that of the transformed column, so
that ``mean`` is 0 after standardising (D2L 5.7); ``zero`` is 0 in the column's own units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

FALLEN_TOGETHER = 1e-6
"""Spread of a transformed column, relative to its mean, below which the transform has destroyed it."""

CLIP = 3.0
"""Where the smooth clip levels off: scaled values stay between -3 and 3."""
NOTHING = 1e30
"""Divisor that takes a column constant in fitting to 0, whatever its new values."""

Scale = Literal["none", "standard", "robust", "robust_clipped"]
BEYOND = 1e-6, 2e-7
"""How far the ends of ``middle_quantile`` lie outside the values seen: as a part of their range, and at
least (scikit-learn takes what is within 1e-7 of an end for the end)."""
ROWS_A_QUANTILE = 30
"""Rows for each of the quantiles of ``middle_quantile``: as many as its authors take."""

Transform = Literal["none", "yeo_johnson", "quantile", "middle_quantile"]
Missing = Literal["mean", "median", "most_frequent", "zero", "keep"]


def center_and_scale(present: np.ndarray, scale: Scale) -> tuple[float, float]:
    """What to subtract and divide by, as scikit-learn's StandardScaler and RobustScaler.

    present: float64 [values], without NaN. A constant or empty column is divided by 1.
    ``robust_clipped`` is RealMLP's scale (Holzmüller et al. 2024, section 3.1): half the range
    where the interquartile range is 0, and a constant column comes out as 0.
    """
    if scale == "none" or present.size == 0:
        return 0.0, 1.0
    if scale == "standard":
        center = float(present.mean())
        deviation = present - center
        spread = float(np.sqrt(np.dot(deviation, deviation) / present.size))
        # Rounding in the mean leaves a constant column a spread of about its value times epsilon.
        constant = spread <= 10 * np.finfo(float).eps * abs(center)
        return center, 1.0 if constant else spread
    low, center, high = (float(value) for value in np.percentile(present, [25, 50, 75]))
    spread = high - low
    if scale == "robust":
        return center, 1.0 if spread < 10 * np.finfo(float).eps else spread
    spread = spread or 0.5 * float(present.max() - present.min())
    return center, spread or NOTHING


def rescaled(values: np.ndarray, center: np.ndarray, spread: np.ndarray, scale: Scale) -> np.ndarray:
    """Float64 values, changed in place: centred, divided by their spread, and smoothly clipped
    (x / sqrt(1 + (x / 3)²)) where the scale asks for it."""
    values -= center
    values /= spread
    if scale == "robust_clipped":
        values /= np.sqrt(1 + (values / CLIP) ** 2)
    return values


def fill_value(present: np.ndarray, missing: Missing) -> float:
    """What stands for a missing value; 0 where nothing is present.

    present: float64 [values], without NaN, in the units that are filled.
    """
    if present.size == 0 or missing in ("zero", "keep"):
        return 0.0
    if missing == "mean":
        return float(present.mean())
    if missing == "median":
        return float(np.median(present))
    found, counts = np.unique(present, return_counts=True)
    return float(found[np.argmax(counts)])  # the smallest of the most frequent, as SimpleImputer


def fit_transformer(
    columns: Sequence[np.ndarray], transform: Transform, seed: int, skew_above: float | None = None
) -> dict[str, Any]:
    """State of the transform: Yeo-Johnson powers, or quantiles, by column.

    columns: float64 [rows] each, NaN where missing. A column with fewer than two different
    values is left as it is, and so is one whose skewness is not beyond ``skew_above``, either way.
    """
    if transform == "none" or not columns:
        return {"kind": "none"}
    which = [j for j, column in enumerate(columns) if _varies(column)]
    if skew_above is not None:
        which = [j for j in which if abs(skewness(columns[j])) > skew_above]
    if not which:
        return {"kind": "none"}
    matrix = np.column_stack([columns[j] for j in which])  # [rows, varying columns]
    if transform == "yeo_johnson":
        from sklearn.preprocessing import PowerTransformer

        fitted = PowerTransformer(method="yeo-johnson", standardize=False).fit(matrix)
        changed = fitted.transform(matrix)  # [rows, varying columns]
        # A nearly constant column gets a power so extreme that its values fall together, and the
        # next unseen one is 1e14 deviations away: leave it as it is.
        spread, size = np.nanstd(changed, axis=0), np.abs(np.nanmean(changed, axis=0))
        tame = [i for i in range(len(which)) if spread[i] > FALLEN_TOGETHER * size[i]]
        lambdas = [float(fitted.lambdas_[i]) for i in tame]
        return {"kind": transform if tame else "none", "which": [which[i] for i in tame], "lambdas": lambdas}
    from sklearn.preprocessing import QuantileTransformer

    count = min(1000, len(matrix))
    if transform == "middle_quantile":
        count = min(len(matrix), max(10, min(1000, len(matrix) // ROWS_A_QUANTILE)))
    quantile = QuantileTransformer(n_quantiles=count, output_distribution="normal", random_state=seed).fit(matrix)
    knots = quantile.quantiles_  # [quantiles, varying columns], ascending
    if transform == "middle_quantile":
        # scikit-learn takes equal values to the middle of their quantiles, but for the least and the
        # greatest, which it takes 5 deviations out, however many there are. Gorishniy et al. 2021 add
        # noise to the rows instead.
        beyond = np.maximum(BEYOND[0] * (knots[-1] - knots[0]), BEYOND[1])
        knots[0] -= beyond
        knots[-1] += beyond
    return {"kind": "quantile", "which": which, "quantiles": knots.tolist()}


def skewness(column: np.ndarray) -> float:
    """Third standardised moment of the values present (0 of a constant column), as scipy.stats.skew."""
    present = column[~np.isnan(column)]
    deviation = present - present.mean()
    variance = np.mean(deviation**2)
    return float(np.mean(deviation**3) / variance**1.5) if variance > 0 else 0.0


def _varies(column: np.ndarray) -> bool:
    present = column[~np.isnan(column)]
    return present.size > 0 and bool((present != present[0]).any())


class Transformer:
    """The fitted transform, from its state."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.which: list[int] = list(state.get("which", []))
        self._fitted: Any = None
        if state["kind"] == "yeo_johnson":
            from sklearn.preprocessing import PowerTransformer

            self._fitted = PowerTransformer(method="yeo-johnson", standardize=False)
            self._fitted.lambdas_ = np.array(state["lambdas"], dtype="float64")
        elif state["kind"] == "quantile":
            from sklearn.preprocessing import QuantileTransformer

            quantiles = np.array(state["quantiles"], dtype="float64")  # [quantiles, columns]
            self._fitted = QuantileTransformer(n_quantiles=len(quantiles), output_distribution="normal")
            self._fitted.quantiles_ = quantiles
            self._fitted.n_quantiles_ = len(quantiles)
            self._fitted.references_ = np.linspace(0, 1, len(quantiles), endpoint=True)
        if self._fitted is not None:
            self._fitted.n_features_in_ = len(self.which)

    def __call__(self, block: np.ndarray) -> None:
        """Transform float64 [rows, columns] in place; NaN stays NaN."""
        if self._fitted is not None and len(block):
            block[:, self.which] = self._fitted.transform(block[:, self.which])


class Numbers:
    """Fitted number columns. ``state``: lists in the columns' order, plain JSON values."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state
        self.names: list[str] = list(state["names"])
        self.flagged: list[int] = list(state["flagged"])
        self._transform = Transformer(state["transformer"])
        self._center = np.array(state["center"], dtype="float64")
        self._scale = np.array(state["scale"], dtype="float64")
        self._fill = np.array(state["fill"], dtype="float64")
        self._scaling: Scale = state["scaling"]
        self._keeps = state["missing"] == "keep"
        self._fills_raw = state["missing"] == "zero"

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        columns: Sequence[np.ndarray],
        *,
        scale: Scale,
        transform: Transform,
        missing: Missing,
        flags: bool,
        seed: int,
        skew_above: float | None = None,
    ) -> Numbers:
        """columns: float64 [rows] each, NaN where missing. flags: mark missing values."""
        transformer = fit_transformer(columns, transform, seed, skew_above)
        apply = Transformer(transformer)
        changed = dict(zip(apply.which, _transformed(columns, apply), strict=True))
        center, spread, fill, flagged = [], [], [], []
        for j, column in enumerate(columns):
            absent = np.isnan(column)
            if flags and absent.any():
                flagged.append(j)
            present = changed.get(j, column)[~absent]
            statistics = center_and_scale(present, scale)
            center.append(statistics[0])
            spread.append(statistics[1])
            fill.append(fill_value(present, missing))
        return cls(
            {
                "names": list(names),
                "missing": missing,
                "scaling": scale,
                "flagged": flagged,
                "transformer": transformer,
                "center": center,
                "scale": spread,
                "fill": fill,
            }
        )

    def width(self) -> int:
        return len(self.names) + len(self.flagged)

    def output_names(self) -> list[str]:
        return self.names + [f"{self.names[j]} is missing" for j in self.flagged]

    def write(self, columns: Sequence[np.ndarray], out: np.ndarray) -> None:
        """Fill ``out`` [rows, width] from float64 [rows] columns."""
        count = len(columns)
        block = np.empty((len(out), count))  # [rows, columns]
        for j, column in enumerate(columns):
            block[:, j] = column
        absent = np.isnan(block)
        if self._fills_raw:
            block[absent] = 0.0
        self._transform(block)
        if not self._keeps and not self._fills_raw:
            np.copyto(block, self._fill, where=absent)
        out[:, :count] = rescaled(block, self._center, self._scale, self._scaling)
        if self.flagged:
            out[:, count:] = absent[:, self.flagged]


def _transformed(columns: Sequence[np.ndarray], transformer: Transformer) -> list[np.ndarray]:
    """Only the columns the transform changes."""
    if not transformer.which:
        return []
    block = np.column_stack(columns)  # [rows, columns]
    transformer(block)
    return [block[:, j] for j in transformer.which]
