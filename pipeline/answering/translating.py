"""A final model's translations of new texts: the best hypotheses, and what each of their tokens looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.core.errors import UserError, quoted
from pipeline.core.types import Task
from pipeline.features.pairs import PairsEncoder
from pipeline.text.cleaning.cleaning import built, clean_text
from pipeline.text.reserved import BOS, EOS, UNK
from pipeline.training.network import FittedNetwork
from pipeline.training.predictor import Predictor


@dataclass(frozen=True)
class Translation:
    """texts, scores: of the hypotheses, the best first. source, target: the tokens of the source and of the best one,
    end marks included. attention: [target tokens, source tokens]; None: the network has none."""

    texts: Sequence[str]
    scores: Sequence[float]
    source: Sequence[str]
    target: Sequence[str]
    attention: np.ndarray | None


class Translator:
    """Raises UserError where the model does not read the feature set ``pairs``."""

    def __init__(self, name: str, predictor: Predictor) -> None:
        encoder, fitted = predictor.encoder, predictor.fitted
        if not isinstance(encoder, PairsEncoder) or not isinstance(fitted, FittedNetwork):
            raise UserError(
                f"model '{name}': texts are translated by networks that read the feature set pairs, got "
                f"{predictor.features.name}; choose another with --model"
            )
        self.predictor, self.encoder, self.fitted = predictor, encoder, fitted
        (self.column,) = encoder.reads

    def translate(
        self, texts: Sequence[str], n_best: int, warn: Callable[[str], object], attention: bool = False
    ) -> list[Translation]:
        """Of each text the ``n_best`` hypotheses that the task's search finds, fewer where there are no more.

        warn: is told of texts that are cut, and of tokens that training never saw.
        """
        task: Task = replace(self.predictor.task, search=self.predictor.task.search.telling(n_best))  # type: ignore[type-var]
        cleaners = built(self.predictor.schema.clean.get(self.column, ()))
        cleaned = [clean_text(text, cleaners) for text in texts]
        rows = pd.DataFrame({self.column: pd.Series(cleaned, dtype="str")})
        encoded = self.encoder.encode(rows)
        self._tell(texts, cleaned, encoded["source"].lengths, warn)
        fitted = replace(self.fitted, task=task)
        found = []
        for row, hypotheses in zip(encoded["source"], fitted.raw(encoded), strict=True):
            told = task.texts([one.tokens for one in hypotheses], self.predictor.spec)  # type: ignore[attr-defined]
            best = hypotheses[0]
            target = [*best.tokens, *([EOS] if best.ended else [])]
            weights = fitted.attention(row, np.array([BOS, *target[:-1]])) if attention and target else None
            of_source, of_target = self.encoder.source.vocabulary.tokens, self.encoder.target.vocabulary.tokens
            found.append(
                Translation(
                    texts=told,
                    scores=[one.score for one in hypotheses],
                    source=[of_source[token] for token in row.tolist()],
                    target=[of_target[token] for token in target],
                    attention=weights,
                )
            )
        return found

    def _tell(
        self, texts: Sequence[str], cleaned: Sequence[str], lengths: np.ndarray, warn: Callable[[str], object]
    ) -> None:
        whole = self.encoder.source.encode(cleaned)
        for text, tokens, length in zip(texts, whole, lengths.tolist(), strict=True):
            if len(tokens) >= length:  # an end mark stands behind those that are not cut
                warn(f"only {length} of the {len(tokens)} tokens of {quoted(text, 40)} are read")
            if unknown := int((tokens == UNK).sum()):
                warn(f"{unknown} of the {len(tokens)} tokens of {quoted(text, 40)} stand for what training never saw")
