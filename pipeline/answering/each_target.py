"""Calibrations and decisions of several targets: one for each, fitted on the rows that have it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.class_columns import named_again, predictions_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KIND = "each_target"


@dataclass(frozen=True)
class EachTarget:
    """parts: by target a calibration or decision. numbers: whether predictions are numbers, see ``predictions_of``."""

    parts: Mapping[str, Any]
    numbers: bool

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            after = part.apply(predictions_of(predictions, name, self.numbers))
            columns |= named_again(name, after, predictions.columns)
        whole = {name: columns.get(str(name), predictions[name].to_numpy()) for name in predictions}
        return pd.DataFrame(whole, index=predictions.index)

    def state(self) -> dict[str, Any]:
        parts = {name: part.state() for name, part in self.parts.items()}
        return {"kind": KIND, "parts": parts, "numbers": self.numbers}


def each_target(
    fit: Callable[..., Any], numbers: bool = False, only: Collection[str] | None = None
) -> Callable[..., Any]:
    """The same fit of one target, and of several for each.

    fit: target [rows] and predictions of one, paired by position, and how many of these rows are one, to a calibration
    or decision. numbers: see ``predictions_of``. only: of several targets those that have one, the others' predictions
    staying as they are; None: all.
    """

    def fitted(target: Any, predictions: pd.DataFrame, copies: float) -> Any:
        if target.ndim == 1:
            return fit(target, predictions, copies)
        parts = {}
        for name in map(str, target):
            known = target[name].notna().to_numpy()
            if known.any() and (only is None or name in only):
                truth = target[name][known].reset_index(drop=True)
                if not numbers and name in predictions.columns:
                    truth = truth.astype("int64")  # labels, as the classes 0 and 1
                parts[name] = fit(truth, predictions_of(predictions, name, numbers, known), copies)
        return EachTarget(parts, numbers)

    return fitted


def restored(state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], Any]) -> Any:
    """restore: of a calibration or decision of one target."""
    if state["kind"] != KIND:
        return restore(state)
    return EachTarget({name: restore(part) for name, part in state["parts"].items()}, state["numbers"])
