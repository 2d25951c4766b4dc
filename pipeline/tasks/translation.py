"""Translation: a text for a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from pipeline.core.registry import PartOf, settings
from pipeline.core.types import LOGS, Batch, Encoded, Fitted, Schema, Spec, Target, TargetKind, Task, Weighed
from pipeline.decoding import searches
from pipeline.decoding.base import Hypothesis
from pipeline.decoding.minimum_risk import consensus
from pipeline.tasks import tasks
from pipeline.tasks.diagnostics import translated
from pipeline.tasks.losses import log_probabilities, weighed
from pipeline.tasks.made_by_encoder import MadeByEncoder
from pipeline.text.reserved import BOS, EOS, PAD
from pipeline.text.tokenizers import tokenizers

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

MARGIN = 8
"""Tokens an answer may have beyond twice its source's: an answer without an end in sight is cut there."""
LOOKED_AT = (4, 25)
"""Tokens of a source that is shown."""
SIDES = ("source", "target")


@tasks.register("translation")
@settings
class Translation(Task):
    """Predicts a text. The loss is taken token by token, the earlier ones given.

    search: how a trained model's answers are found (``decoding/``). It is no part of a fit: where training looks at
    answers, they are those of a greedy search.
    """

    search: Annotated[Any, PartOf(searches)] = "beam"

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    numeric: ClassVar[bool] = False
    teaches: ClassVar[bool] = False
    target_kind: ClassVar[TargetKind] = "text"

    def fit_target(self, target: pd.Series | None, schema: Schema) -> Target:
        return MadeByEncoder()

    def restore_target(self, state: Mapping[str, Any], schema: Schema) -> Target:
        return MadeByEncoder()

    def outputs(self, schema: Schema, spec: Spec) -> int:
        return spec.sizes["target"]

    def loss(self, output: Tensor, batch: Batch, criterion: Callable[..., Tensor]) -> Weighed:
        """Summed over the labels that are no padding; scores [batch, steps, tokens]."""
        labels = batch["labels"]  # [batch, steps]
        mask = labels != PAD
        # Of all places, and then without padding: taking the others out first would copy all scores.
        each = criterion(output.flatten(0, 1), labels.flatten()).view_as(labels)  # [batch, steps]
        return (weighed(each, batch) * mask).sum(), mask.sum()

    def answer(self, output: Tensor, batch: Batch) -> Tensor:
        """Of a known target: scores [batch, steps, tokens] to the log-probability of each label [batch, steps]."""
        return log_probabilities(output, batch["labels"])

    def in_training(self) -> Translation:
        return replace(self, search="greedy")

    def telling(self, candidates: int) -> Translation:
        """At most as many as the search goes on with side by side, so that its best one stays what it is."""
        most = min(candidates, self.search.width)
        return self if most <= max(1, self.search.n_best) else replace(self, search=self.search.telling(most))

    def limits(self, batch: Batch) -> Tensor:
        """Twice its source's tokens and ``MARGIN`` more."""
        return 2 * (batch["source"] != PAD).sum(1) + MARGIN

    def predictions(self, raw: Sequence[Sequence[Hypothesis]], target: Target, spec: Spec) -> pd.DataFrame:
        """The best hypothesis of each row as a text; where the search tells several, also ``candidates``, the texts of
        all, and their ``scores``, lists [hypotheses] each."""
        import pandas as pd

        texts = self.texts([one.tokens for hypotheses in raw for one in hypotheses], spec)
        ends = list(accumulate(map(len, raw)))
        candidates = [texts[end - len(some) : end] for end, some in zip(ends, raw, strict=True)]
        frame = pd.DataFrame({"prediction": pd.Series([some[0] for some in candidates], dtype="str")})
        if max(map(len, raw), default=1) == 1:
            return frame
        scores = [[one.score for one in some] for some in raw]
        return frame.assign(candidates=pd.Series(candidates), scores=pd.Series(scores))

    def texts(self, answers: Iterable[Iterable[int]], spec: Spec) -> list[str]:
        """Of hypotheses' tokens."""
        told = spec.tokenizers["target"]
        tokenizer = tokenizers.build(told["settings"], "spec.tokenizers").restore(told["state"])
        return [tokenizer.decode(tokens) for tokens in answers]

    def diagnostic(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]]:
        return "translations", translated(target, predictions)

    def target_logs(self, fitted: Fitted, inputs: Encoded) -> dict[str, Any]:
        """By teacher forcing; of a target that is cut, of what is left of it."""
        return {LOGS: list(fitted.target_logs(inputs))}

    def target_logs_together(self, frames: Sequence[pd.DataFrame]) -> dict[str, Any]:
        """Of each token the mean of their probabilities, as their search has it."""
        if not all(LOGS in frame for frame in frames):
            return {}
        rows = (np.stack(row).astype(np.float64) for row in zip(*(frame[LOGS] for frame in frames), strict=True))
        mean = np.log(len(frames))  # [models, tokens] each
        return {LOGS: [(np.logaddexp.reduce(row, axis=0) - mean).astype(np.float32) for row in rows]}

    def look(
        self, fitted: Fitted, inputs: Encoded, raw: Sequence[Sequence[Hypothesis]], spec: Spec
    ) -> tuple[str, dict[str, Any]] | None:
        """What the tokens of one answer look at, of the first one of middling length."""
        lengths = [len(row) for row in inputs["source"]]
        ends = [i for i, found in enumerate(raw) if found[0].ended and found[0].tokens]
        row = next((i for i in ends if LOOKED_AT[0] <= lengths[i] <= LOOKED_AT[1]), None)
        if row is None:
            return None
        source, target = inputs["source"].row(row), np.array([*raw[row][0].tokens, EOS])
        weights = fitted.attention(source, np.concatenate([[BOS], target[:-1]]))
        if weights is None:
            return None
        tokens = {
            side: [spec.vocabularies[side][i] for i in some.tolist()] for side, some in zip(SIDES, (source, target))
        }
        return "attention", {**tokens, "weights": np.round(weights, 4).astype(float).tolist()}

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float], target: Target) -> pd.DataFrame:
        """Texts have no mean: of each row the one of its ``votes`` that is most like all others
        (``decoding/minimum_risk.py``)."""
        import pandas as pd

        chosen = [texts[consensus(texts, shares)] for texts, shares in self.votes(frames, weights)]
        return pd.DataFrame({"prediction": pd.Series(chosen, dtype="str", index=frames[0].index)})

    def votes(
        self, frames: Sequence[pd.DataFrame], weights: Sequence[float]
    ) -> Iterator[tuple[list[str], list[float]]]:
        """Of each row the candidates of all models, those of the heavier, of equals of the earlier one first, and what
        each weighs: a model's weight is shared by its candidates as their scores are probable."""
        order = sorted(range(len(frames)), key=lambda i: -weights[i])
        told = [_candidates(frames[i], weights[i]) for i in order]
        for row in zip(*told, strict=True):
            yield [text for texts, _ in row for text in texts], [weight for _, shares in row for weight in shares]


def _candidates(frame: pd.DataFrame, weight: float) -> list[tuple[list[str], list[float]]]:
    """Of each row its candidates and what each weighs, ``weight`` together."""
    if "candidates" not in frame:
        return [([text], [weight]) for text in frame["prediction"]]
    found = []
    for texts, scores in zip(frame["candidates"], frame["scores"], strict=True):
        odds = np.exp(np.asarray(scores) - max(scores))
        found.append((list(texts), (weight * odds / odds.sum()).tolist()))
    return found
