"""How much the training rows of each class weigh: what models and losses of classes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.schema import Spec

if TYPE_CHECKING:
    import numpy as np


def _checked(value: Any) -> Any:
    """Classes are named as text, whatever YAML makes of them."""
    if value in ("none", "balanced"):
        return value
    if isinstance(value, Mapping) and value:
        numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in value.values()]
        if all(numbers) and all(0 < one < float("inf") for one in value.values()):
            return {str(name): float(one) for name, one in value.items()}
    raise ValueError("needs none, balanced or {class: weight} with weights above 0")


ClassWeights: TypeAlias = Annotated[str | dict[str, float], BeforeValidator(_checked)]
"""``none``: every row weighs 1. ``balanced``: every class weighs the same, rows of a class
rows / (classes · rows of the class). ``{class: weight}``: as said, 1 for the classes not named.

Predicted probabilities are then those of a world with as many rows of each class as they weigh:
a rare class that weighs more comes out more probable than it is. Good for a metric of decisions
(F1, balanced accuracy), bad for one of probabilities (log loss)."""


def class_weights(setting: ClassWeights, target: np.ndarray, spec: Spec) -> np.ndarray | None:
    """Weight of each class, float64 [classes], from the training rows; None where each weighs 1.

    target: int64, any shape. A class without training rows weighs 1.
    Raises UserError for a weight of a class that there is not.
    """
    import numpy as np

    if setting == "none":
        return None
    weights = np.ones(spec.outputs)
    if isinstance(setting, Mapping):
        for name, weight in setting.items():
            if name not in spec.classes:
                raise UserError(f"class_weights: no class {name!r}{did_you_mean(name, spec.classes)}")
            weights[spec.classes.index(name)] = weight
        return weights
    counts = np.bincount(target.reshape(-1), minlength=spec.outputs)
    seen = counts > 0
    weights[seen] = counts.sum() / (seen.sum() * counts[seen])
    return weights
