"""What most tasks do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.types import Batch

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


class TaskBase:
    """The network's output is the answer, and no picture shows where predictions go wrong."""

    decodes: ClassVar[bool] = False

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """[batch, ...], as the network gives it."""
        return output

    def diagnostic(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        return None
