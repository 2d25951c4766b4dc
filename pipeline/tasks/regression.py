"""Task ``regression``: one number a row (D2L ch. 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.registry import settings
from pipeline.core.types import Batch, Schema, Spec, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import weighed
from pipeline.tasks.targets import NumberTarget, Transform, fit_number_target, number_target, weighted_mean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch


@tasks.register("regression")
@settings
class Regression(Task):
    """target: how the number goes into training: none, log, log1p or standardise. Predictions
    come back in its own units, and are averaged where the loss lives: the mean of logarithms."""

    losses: ClassVar[tuple[str, ...]] = ("squared", "absolute", "huber")
    numeric: ClassVar[bool] = True
    target_kind: ClassVar[TargetKind] = "number"

    target: Transform = "none"

    def fit_target(self, target: pd.Series | None, schema: Schema) -> NumberTarget:
        if target is None:
            raise ValueError("regression needs a target column")
        return fit_number_target(self.target, target)

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> NumberTarget:
        return number_target(state)

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return 1

    def loss(self, output: torch.Tensor, batch: Batch, criterion: Callable[..., torch.Tensor]) -> Weighed:
        """Summed over rows. Output [batch, 1], or [batch, submodels, 1]: a row counts for each submodel."""
        target = batch["target"]  # [batch, 1]
        if output.ndim > target.ndim:
            target = target.unsqueeze(-2).expand(output.shape)  # [batch, submodels, 1]
        return weighed(criterion(output, target), batch).sum(), target.numel()

    def predictions(self, raw: np.ndarray, target: NumberTarget, spec: Spec) -> pd.DataFrame:
        """[rows, 1] or [rows] -> column ``prediction``, float64, in the target's own units."""
        import pandas as pd

        return pd.DataFrame({"prediction": target.backward(raw.reshape(-1))})  # [rows, 1] -> [rows]

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: NumberTarget) -> pd.DataFrame:
        import pandas as pd

        values = [target.forward(frame["prediction"].to_numpy()) for frame in frames]
        mean = target.backward(weighted_mean(values, weights))  # [rows]
        # A blend averages thousands of times, and naming the column anew costs more than the mean.
        columns = frames[0].columns if frames[0].shape[1] == 1 else ["prediction"]
        return pd.DataFrame(mean[:, None], columns=columns, index=frames[0].index)  # [rows] -> [rows, 1]

    def of_no_rows(self, target: NumberTarget) -> NumberTarget:
        return target.of_no_rows()

    def raw(self, predictions: pd.DataFrame, target: NumberTarget) -> np.ndarray:
        """Column ``prediction`` -> [rows, 1], in the units of the loss."""
        return target.forward(predictions["prediction"].to_numpy())[:, None]  # [rows] -> [rows, 1]

    def diagnostic(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        from pipeline.tasks.diagnostics import residuals

        return "residuals", residuals(target, predictions)
