"""Numbers that a model reads only where they are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def check_finite(who: str, numbers: np.ndarray, names: Sequence[str]) -> None:
    """Raises UserError naming the first feature that is missing or infinite in some row.

    who: reads them, for the message. numbers: float [rows, p]. names: [p], or none.
    """
    import numpy as np

    if math.isfinite(float(numbers.sum(dtype=np.float64))):  # which takes no memory, as a mask of all would
        return
    fine = np.isfinite(numbers).all(axis=0)  # [rows, p] -> [p]
    if fine.all():
        return
    where = int(np.argmin(fine))
    feature = repr(names[where]) if len(names) else f"number {where}"
    raise UserError(
        f"{who}: reads finite numbers only, and the feature {feature} has missing or infinite ones; fill them in its "
        "feature set (missing: mean)"
    )
