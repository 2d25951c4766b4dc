"""Tasks with several targets: numbers, yes/no labels or classes, of which rows may lack some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Batch, Schema, Spec, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import weighed
from pipeline.tasks.targets import (
    ClassTarget,
    NumberTarget,
    SeveralClasses,
    Transform,
    fit_number_target,
    number_target,
    softmax,
    weighted_mean,
)

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
        """Summed over rows and targets. Output [batch, outputs], or [batch, submodels, outputs]."""
        target = batch["target"]  # [batch, targets], NaN where a row lacks one
        if output.ndim > target.ndim:
            target = target.unsqueeze(-2).expand(*output.shape[:-1], -1)  # [batch, submodels, targets]
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
        """Raises UserError for a target that no row has, and what ``fit_number_target`` refuses."""
        if absent := [name for name in schema.targets if target[name].isna().all()]:
            raise UserError(
                f"column {absent[0]}: none of the {len(target)} training rows at hand has this target, got missing "
                "values alone; let each fold train on some that do (split: stratified), or leave the target out"
            )
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

    def of_no_rows(self, target: SeveralNumbers) -> SeveralNumbers:
        return SeveralNumbers({name: part.of_no_rows() for name, part in target.parts.items()})

    def only(self, target: SeveralNumbers, name: str) -> SeveralNumbers:
        return SeveralNumbers({name: target.parts[name]})

    def singles(self, spec: Spec) -> list[tuple[Task, dict[str, Any]]]:
        return [(tasks.build("regression", "task"), {"outputs": 1})] * spec.outputs

    def joined(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        import numpy as np

        return np.stack([raw.reshape(-1) for raw in raws], axis=1)  # [rows, 1] each -> [rows, targets]


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

    def singles(self, spec: Spec) -> list[tuple[Task, dict[str, Any]]]:
        return [(tasks.build("classification", "task"), {"outputs": 2, "classes": ("0", "1")})] * spec.outputs

    def joined(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        """Of log-probabilities the logit of the second class."""
        import numpy as np

        return np.stack([raw[:, 1] - raw[:, 0] for raw in raws], axis=1)  # [rows, 2] each -> [rows, labels]


@tasks.register("multioutput_classification")
@settings
class MultioutputClassification(SeveralTargets):
    """Several classes a row, each one of its target's own. Raw answers are one logit a class, the targets one after
    another; predictions their softmax by target, in columns named ``target=class``."""

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    target_kind: ClassVar[TargetKind] = "classes"
    one: ClassVar[str | None] = "classification"

    def fit_target(self, target: Any, schema: Schema) -> SeveralClasses:
        pairs = zip(schema.targets, schema.target_classes, strict=True)
        return SeveralClasses({name: ClassTarget(tuple(map(str, levels))) for name, levels in pairs})

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> SeveralClasses:
        return SeveralClasses({name: ClassTarget(tuple(state["classes"][name])) for name in schema.targets})

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return sum(map(len, schema.target_classes))

    def criterion(self, each: Callable[..., torch.Tensor], spec: Spec) -> Callable[..., torch.Tensor]:
        """Of each target's own outputs: [..., outputs] and class numbers [..., targets] -> losses [..., targets]."""
        import torch

        sizes = [len(levels) for levels in spec.target_classes]

        def losses_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            pairs = zip(output.split(sizes, dim=-1), target.long().unbind(dim=-1), strict=True)
            return torch.stack([each(own.contiguous(), truth) for own, truth in pairs], dim=-1)

        return losses_of

    def predictions(self, raw: np.ndarray, target: SeveralClasses, spec: Spec) -> pd.DataFrame:
        """[rows, outputs] -> a probability column a class of each target, float64."""
        import numpy as np
        import pandas as pd

        ends = np.cumsum([len(part.classes) for part in target.parts.values()])
        parts = [softmax(own) for own in np.split(raw, ends[:-1], axis=1)]
        return pd.DataFrame(np.concatenate(parts, axis=1), columns=target.columns)

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: SeveralClasses) -> pd.DataFrame:
        """The mean of probabilities."""
        import pandas as pd

        names = target.columns
        ordered = [frame if frame.columns.tolist() == names else frame[names] for frame in frames]
        mean = weighted_mean([frame.to_numpy() for frame in ordered], weights)
        return pd.DataFrame(mean, columns=ordered[0].columns, index=ordered[0].index)

    def only(self, target: SeveralClasses, name: str) -> SeveralClasses:
        return SeveralClasses({name: target.parts[name]})

    def singles(self, spec: Spec) -> list[tuple[Task, dict[str, Any]]]:
        one = tasks.build("classification", "task")
        return [(one, {"outputs": len(own), "classes": own, "target_classes": ()}) for own in spec.target_classes]

    def joined(self, raws: Sequence[np.ndarray]) -> np.ndarray:
        import numpy as np

        return np.concatenate(raws, axis=1)  # [rows, classes] each -> [rows, outputs]

    def diagnostic(self, target: Any, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
        from pipeline.tasks.diagnostics import confusions

        return "confusions", confusions(target, predictions)
