"""Tasks with several targets: numbers, or yes/no labels, of which rows may lack some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


class SeveralTargets(Task):
    """One output a target; what a row lacks teaches nothing."""

    numeric: ClassVar[bool] = True

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return len(schema.targets)

    def loss(self, output: torch.Tensor, batch: Batch, criterion: Callable[..., torch.Tensor]) -> Weighed:
        """Summed over rows and targets. Output [batch, targets], or [batch, submodels, targets]."""
        target = batch["target"]  # [batch, targets], NaN where a row lacks one
        if output.ndim > target.ndim:
            target = target.unsqueeze(-2).expand(output.shape)  # [batch, submodels, targets]
        known = ~target.isnan()
        each = criterion(output, target.nan_to_num(0.0))
        return weighed(each * known, batch).sum(), known.sum()


@dataclass(frozen=True)
class SeveralNumbers:
    """A ``NumberTarget`` for each."""

    parts: Mapping[str, NumberTarget]

    def encode(self, target: pd.DataFrame) -> np.ndarray:
        """[rows, targets] -> float32 [rows, targets], NaN where a row lacks one."""
        import numpy as np

        encoded = np.full(target.shape, np.nan, dtype=np.float32)
        for column, (name, part) in enumerate(self.parts.items()):
            known = target[name].notna().to_numpy()
            encoded[known, column] = part.encode(target[name][known])[:, 0]
        return encoded

    def state(self) -> dict[str, Any]:
        return {"parts": {name: part.state() for name, part in self.parts.items()}}


@tasks.register("multioutput_regression")
@settings
class MultioutputRegression(SeveralTargets):
    """Several numbers a row. target: how each goes into training, see ``regression``; standardised unless said,
    so that all weigh alike in the loss."""

    losses: ClassVar[tuple[str, ...]] = ("squared", "absolute", "huber")
    target_kind: ClassVar[TargetKind] = "numbers"
    one: ClassVar[str | None] = "regression"

    target: Transform = "standardise"

    def fit_target(self, target: Any, schema: Schema) -> SeveralNumbers:
        return SeveralNumbers({name: fit_number_target(self.target, target[name].dropna()) for name in schema.targets})

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> SeveralNumbers:
        # In the targets' order, which is that of raw answers, and which a mapping loses on its way through JSON.
        return SeveralNumbers({name: number_target(state["parts"][name]) for name in schema.targets})

    def predictions(self, raw: np.ndarray, target: SeveralNumbers, spec: Spec) -> pd.DataFrame:
        """[rows, targets] -> a column a target, float64, in its own units."""
        import pandas as pd

        return pd.DataFrame({name: part.backward(raw[:, i]) for i, (name, part) in enumerate(target.parts.items())})

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: SeveralNumbers) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        means = [
            part.backward(weighted_mean([part.forward(frame[name].to_numpy()) for frame in frames], weights))
            for name, part in target.parts.items()
        ]
        columns: Any = frames[0].columns  # taken over where it can be: an index of names is slow to make
        columns = columns if list(columns) == list(target.parts) else list(target.parts)
        return pd.DataFrame(np.stack(means, axis=1), columns=columns, index=frames[0].index)

    def only(self, target: SeveralNumbers, name: str) -> SeveralNumbers:
        return SeveralNumbers({name: target.parts[name]})

    def single(self) -> tuple[Task, dict[str, Any]]:
        return tasks.build("regression", "task"), {"outputs": 1}


@dataclass(frozen=True)
class Labels:
    """0 and 1 as they are."""

    names: tuple[str, ...]

    def encode(self, target: pd.DataFrame) -> np.ndarray:
        """[rows, labels] -> float32 [rows, labels], NaN where a row lacks one."""
        return target[list(self.names)].to_numpy(dtype="float32")

    def state(self) -> dict[str, Any]:
        return {"names": list(self.names)}


@tasks.register("multilabel")
@settings
class Multilabel(SeveralTargets):
    """Several yes/no labels a row, any number of them true."""

    losses: ClassVar[tuple[str, ...]] = ("binary_cross_entropy",)
    target_kind: ClassVar[TargetKind] = "labels"
    one: ClassVar[str | None] = "classification"

    def fit_target(self, target: Any, schema: Schema) -> Labels:
        return Labels(schema.targets)

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Labels:
        return Labels(tuple(state["names"]))

    def predictions(self, raw: np.ndarray, target: Labels, spec: Spec) -> pd.DataFrame:
        """Logits [rows, labels] -> the probability of each label, float64."""
        import numpy as np
        import pandas as pd

        logits = np.clip(np.asarray(raw, dtype=np.float64), -700, 700)
        return pd.DataFrame(1 / (1 + np.exp(-logits)), columns=list(target.names))

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Labels) -> pd.DataFrame:
        """The mean of probabilities."""
        import pandas as pd

        names = list(target.names)
        mean = weighted_mean([frame[names].to_numpy() for frame in frames], weights)
        return pd.DataFrame(mean, columns=names, index=frames[0].index)

    def only(self, target: Labels, name: str) -> Labels:
        return Labels((name,))

    def single(self) -> tuple[Task, dict[str, Any]]:
        return tasks.build("classification", "task"), {"outputs": 2, "classes": ("0", "1")}
