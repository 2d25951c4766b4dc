"""Task ``classification``: one of two or more classes a row (D2L ch. 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.registry import settings
from pipeline.core.types import Batch, Schema, Spec, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import weighed
from pipeline.tasks.targets import ClassTarget, softmax, weighted_mean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch


LEAST_PROBABILITY = 1e-6


@tasks.register("classification")
@settings
class Classification(Task):
    """Raw answers are one logit a class, two for two classes; predictions are their softmax."""

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    numeric: ClassVar[bool] = True
    target_kind: ClassVar[TargetKind] = "class"

    def fit_target(self, target: pd.Series | None, schema: Schema) -> ClassTarget:
        return ClassTarget(schema.classes)

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> ClassTarget:
        return ClassTarget(tuple(state["classes"]))

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return len(schema.classes)

    def loss(self, output: torch.Tensor, batch: Batch, criterion: Callable[..., torch.Tensor]) -> Weighed:
        """Summed over rows. Output [batch, classes], or [batch, submodels, classes]: a row counts for each submodel."""
        target = batch["target"]  # [batch]
        if output.ndim > target.ndim + 1:
            target = target.unsqueeze(-1).expand(output.shape[:-1])  # [batch, submodels]
        return weighed(criterion(output, target), batch).sum(), target.numel()

    def predictions(self, raw: np.ndarray, target: ClassTarget, spec: Spec) -> pd.DataFrame:
        """Logits [rows, classes] -> a probability column a class, in the schema's order, float64."""
        import pandas as pd

        return pd.DataFrame(softmax(raw), columns=[str(level) for level in target.classes])

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: ClassTarget) -> pd.DataFrame:
        """The mean of probabilities."""
        import pandas as pd

        names = [str(level) for level in target.classes]
        # A blend averages thousands of times, and choosing columns anew costs more than the mean.
        ordered = [frame if frame.columns.tolist() == names else frame[names] for frame in frames]
        mean = weighted_mean([frame.to_numpy() for frame in ordered], weights)  # [rows, classes]
        return pd.DataFrame(mean, columns=ordered[0].columns, index=ordered[0].index)

    def raw(self, predictions: pd.DataFrame, target: ClassTarget) -> np.ndarray:
        """Logarithms of the probabilities [rows, classes], of which ``predictions`` gives the probabilities again.

        A probability of 0, which no logit gives, counts as 1e-6: one sure model's mistake must not outweigh all.
        """
        import numpy as np

        names = [str(level) for level in target.classes]
        return np.log(np.clip(predictions[names].to_numpy(dtype=np.float64), LEAST_PROBABILITY, 1.0))

    def diagnostic(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        from pipeline.tasks.diagnostics import confusion

        return "confusion", confusion(target, predictions)
