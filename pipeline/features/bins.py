"""Number columns cut at their quantiles, so that a linear model may bend there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import settings


@settings
class Bins:
    """Quantile bins of number columns, beside the numbers themselves and unscaled.

    count: bins a column, of equally many training rows each; fewer where values repeat.
    columns: which number columns (made ones too); all where it is left out.
    how: ``one_hot`` (1 in the value's bin), or ``piecewise_linear`` (in each bin, how far the value
        has come through it, from 0 to 1: Gorishniy et al. 2022, section 3.2).
    Missing values are 0 throughout, and a column that fills no two bins is left out.
    """

    count: int = Field(default=8, ge=2)
    columns: tuple[str, ...] | None = None
    how: Literal["one_hot", "piecewise_linear"] = "piecewise_linear"

    def fit(self, names: Sequence[str], columns: Sequence[np.ndarray]) -> dict[str, Any]:
        """State of ``QuantileBins``: the edges of each column that is cut.

        columns: float64 [rows] each, NaN where missing.
        Raises UserError for a column that is to be cut and is none of them.
        """
        for name in self.columns or ():
            if name not in names:
                raise UserError(f"bins.columns: no number column '{name}'{did_you_mean(name, names)}")
        edges = {}
        for name, column in zip(names, columns, strict=True):
            present = column[~np.isnan(column)]
            if (self.columns is None or name in self.columns) and present.size:
                found = np.unique(np.quantile(present, np.linspace(0, 1, self.count + 1)))
                if len(found) > 2:
                    edges[name] = found.tolist()
        return {"how": self.how, "names": [name for name in names if name in edges], "edges": edges}


class QuantileBins:
    """Fitted bins. ``state``: by name, the edges of the bins, the outer ones included."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state
        self.names: list[str] = list(state["names"])
        self._edges = [np.array(state["edges"][name], dtype="float64") for name in self.names]

    def output_names(self) -> list[str]:
        pairs = zip(self.names, self._edges, strict=True)
        return [f"{name} in bin {k + 1}" for name, edges in pairs for k in range(len(edges) - 1)]

    def write(self, columns: Mapping[str, np.ndarray], out: np.ndarray) -> None:
        """Fill ``out`` [rows, bins], zero before, from float64 [rows] columns by name."""
        at = 0
        for name, edges in zip(self.names, self._edges, strict=True):
            values = columns[name]
            known = ~np.isnan(values)
            block = out[:, at : at + len(edges) - 1]
            if self.state["how"] == "one_hot":
                bins = np.searchsorted(edges[1:-1], values[known], side="right")
                block[np.flatnonzero(known), bins] = 1
            else:
                low, high = edges[:-1], edges[1:]
                # [known rows, 1] against [bins] -> [known rows, bins]
                block[known] = np.clip((values[known, None] - low) / (high - low), 0, 1)
            at += len(edges) - 1
