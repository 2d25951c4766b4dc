"""Language modelling: how probable is a document, token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.registry import settings
from pipeline.core.types import Batch, Schema, Spec, Target, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import weighed
from pipeline.tasks.made_by_encoder import MadeByEncoder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor


@tasks.register("language_model")
@settings
class LanguageModel(Task):
    """Predicts each row's negative log-likelihood, in nats. The competition's target column holds
    its number of tokens, so that perplexity is exp(sum of predictions / sum of targets)."""

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    numeric: ClassVar[bool] = True
    teaches: ClassVar[bool] = False
    target_kind: ClassVar[TargetKind] = "number"

    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target:
        return MadeByEncoder()

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target:
        return MadeByEncoder()

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return spec.sizes["tokens"]

    def loss(self, output: Tensor, batch: Batch, criterion: Callable[..., Tensor]) -> Weighed:
        """Summed over the tokens that the mask keeps; scores [lanes, steps, tokens]."""
        mask = batch["mask"].bool()  # [lanes, steps]
        each = criterion(output[mask], batch["labels"][mask])  # [kept, tokens], [kept] -> [kept]
        return weighed(each, batch, mask).sum(), mask.sum()

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """Scores [lanes, steps, tokens] to the negative log-likelihood of each lane's window [lanes]."""
        from torch.nn.functional import cross_entropy

        nats = cross_entropy(output.transpose(1, 2), batch["labels"], reduction="none")  # [lanes, steps]
        return (nats * batch["mask"]).sum(1)  # [lanes]

    def predictions(self, raw: np.ndarray, target: Target, spec: Spec) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"prediction": raw.reshape(-1).astype("float64")})

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Target) -> pd.DataFrame:
        """Geometric mean of the models' likelihoods: the weighted mean in nats."""
        import pandas as pd

        mean = sum(frame["prediction"].to_numpy() * weight for frame, weight in zip(frames, weights))
        return pd.DataFrame({"prediction": mean})
