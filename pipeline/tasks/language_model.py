"""Language modelling: how probable is a text, token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.core.registry import settings
from pipeline.core.types import LOGS, Batch, Schema, Spec, Target, TargetKind, Task, Weighed
from pipeline.tasks import tasks
from pipeline.tasks.losses import log_probabilities, weighed
from pipeline.tasks.made_by_encoder import MadeByEncoder
from pipeline.text.reserved import BOS, EOS, PAD

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

SAMPLE = 100
"""Tokens of a sample at most."""


@tasks.register("language_model")
@settings
class LanguageModel(Task):
    """Predicts each row's negative log-likelihood, in nats, its end mark included. The competition's target column
    holds what it is counted by (tokens, words, characters), so that perplexity is exp(sum of predictions / sum of
    targets)."""

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    numeric: ClassVar[bool] = True
    teaches: ClassVar[bool] = False
    target_kind: ClassVar[TargetKind] = "number"
    learns_target: ClassVar[bool] = False
    of_tokens: ClassVar[bool] = True

    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target:
        return MadeByEncoder()

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target:
        return MadeByEncoder()

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return spec.sizes["tokens"]

    def loss(self, output: Tensor, batch: Batch, criterion: Callable[..., Tensor]) -> Weighed:
        """Summed over the labels that are no padding; scores [lanes, steps, tokens]."""
        labels = batch["labels"]  # [lanes, steps]
        mask = labels != PAD
        # Of all places, and then without padding: taking the others out first would copy all scores.
        each = criterion(output.flatten(0, 1), labels.flatten()).view_as(labels)  # [lanes, steps]
        return (weighed(each, batch) * mask).sum(), mask.sum()

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """Scores [lanes, steps, tokens] to the log-probability of each label [lanes, steps]."""
        return log_probabilities(output, batch["labels"])

    def sample(self, fitted: Any, encoder: Any, joined: bool) -> str:
        import numpy as np

        from pipeline.decoding.sampling import Sampling

        search = Sampling(temperature=0.8, top_k=40, top_p=0.95)
        found = search.tokens(fitted.steps(), np.full((1, 1), BOS), SAMPLE, joined=joined)
        rows: list[list[int]] = [[]]
        for (token,) in found:
            if token == EOS:
                rows.append([])
            else:
                rows[-1].append(int(token))
        return "\n".join(map(encoder.tokenizer.decode, rows)).removesuffix("\n")

    def predictions(self, raw: Any, target: Target, spec: Spec) -> pd.DataFrame:
        """raw: ``Ragged`` [rows] of log-probabilities."""
        import pandas as pd

        rows = [row.astype("float32") for row in raw]
        return pd.DataFrame({"prediction": [-float(row.sum(dtype="float64")) for row in rows], LOGS: rows})

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Target) -> pd.DataFrame:
        """The mixture: of each token the weighted mean of its probabilities. Models that cut texts into different
        tokens mix whole rows."""
        import numpy as np
        import pandas as pd

        logs, lengths = self.likelihoods(frames)  # [models, items], [rows]
        with np.errstate(divide="ignore"):  # a weight of 0
            shares = np.log(np.asarray(weights, np.float64))[:, None]  # [models, 1]
        mixed = np.logaddexp.reduce(logs + shares, axis=0)  # [items]
        if lengths is None:
            return pd.DataFrame({"prediction": -mixed})
        ends = np.cumsum(lengths)
        rows = [mixed[begin:end].astype("float32") for begin, end in zip(ends - lengths, ends, strict=True)]
        return pd.DataFrame({"prediction": [-float(row.sum(dtype="float64")) for row in rows], LOGS: rows})

    def likelihoods(self, frames: Sequence[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray | None]:
        """Log-probabilities float64 [models, tokens] and each row's number of tokens, where all models have the same;
        of whole rows [models, rows] and None, where they have not."""
        import numpy as np

        if all(LOGS in frame for frame in frames):
            counts = [frame[LOGS].map(len).to_numpy(dtype=np.int64) for frame in frames]
            if all(np.array_equal(counts[0], other) for other in counts[1:]):
                flat = [np.concatenate([np.zeros(0), *frame[LOGS]]).astype(np.float64) for frame in frames]
                return np.stack(flat), counts[0]
        return -np.stack([frame["prediction"].to_numpy(dtype=np.float64) for frame in frames]), None
