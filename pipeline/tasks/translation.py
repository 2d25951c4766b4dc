"""Translation: a text for a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.registry import settings
from pipeline.core.types import Batch, Schema, Spec, Target, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import weighed
from pipeline.tasks.made_by_encoder import MadeByEncoder
from pipeline.text.joins import detokenize
from pipeline.text.reserved import EOS, PAD

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor


@tasks.register("translation")
@settings
class Translation(Task):
    """Predicts a text. The loss is taken token by token, the earlier ones given; raw answers are the token
    indices [batch, steps] that the network decodes."""

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    numeric: ClassVar[bool] = False
    teaches: ClassVar[bool] = False
    target_kind: ClassVar[TargetKind] = "text"
    decodes: ClassVar[bool] = True

    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target:
        return MadeByEncoder()

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target:
        return MadeByEncoder()

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return spec.sizes["target"]

    def loss(self, output: Tensor, batch: Batch, criterion: Callable[..., Tensor]) -> Weighed:
        """Summed over the real tokens, and weighed by sentences, so that a token's gradient is the same
        whatever the length of its neighbours; scores [batch, steps, tokens]."""
        labels = batch["labels"][:, : output.shape[1]]  # [batch, steps]; the rest is padding for all
        mask = labels != PAD
        each = criterion(output[mask], labels[mask])  # [kept, tokens], [kept] -> [kept]
        return weighed(each, batch, mask).sum(), len(labels)

    def predictions(self, raw: np.ndarray, target: Target, spec: Spec) -> pd.DataFrame:
        """Token indices [rows, steps] to texts; what follows the end mark is left out."""
        import pandas as pd

        vocabulary = spec.vocabularies["target"]
        texts = []
        for indices in raw.astype("int64").tolist():
            indices = indices[: indices.index(EOS)] if EOS in indices else indices
            texts.append(detokenize(vocabulary[index] for index in indices if index != PAD))
        return pd.DataFrame({"prediction": pd.Series(texts, dtype="str")})

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Target) -> pd.DataFrame:
        """Texts have no mean: those of the model with the largest weight, the first of equals."""
        return frames[max(range(len(frames)), key=lambda i: weights[i])]
