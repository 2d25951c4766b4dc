"""Final models' translations of new texts, as the competition's blend has them, and what their tokens look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.answering.ensembles import Ensemble
from pipeline.answering.final_models import FinalModel
from pipeline.answering.together import search_together
from pipeline.core.errors import UserError, quoted
from pipeline.decoding.base import Hypothesis
from pipeline.decoding.minimum_risk import expected
from pipeline.features.pairs import PairsEncoder
from pipeline.text.cleaning.cleaning import built, clean_text
from pipeline.text.reserved import BOS, EOS, UNK
from pipeline.training.network import FittedNetwork
from pipeline.training.predictor import Predictor


@dataclass(frozen=True)
class Translation:
    """texts, scores: of the hypotheses, the best first. source, target: the tokens of the source and of the best one,
    end marks included. attention: [target tokens, source tokens]; None: there is none."""

    texts: Sequence[str]
    scores: Sequence[float]
    source: Sequence[str]
    target: Sequence[str]
    attention: np.ndarray | None


@dataclass(frozen=True)
class _Part:
    """A model that translates."""

    predictor: Predictor
    encoder: PairsEncoder
    fitted: FittedNetwork

    @classmethod
    def of(cls, name: str, predictor: Predictor) -> _Part:
        encoder, fitted = predictor.encoder, predictor.fitted
        if not isinstance(encoder, PairsEncoder) or not isinstance(fitted, FittedNetwork):
            raise UserError(
                f"model '{name}': texts are translated by networks that read the feature set pairs, got "
                f"{predictor.features.name}; choose another with --model"
            )
        return cls(predictor, encoder, fitted)

    def looks_at(self, source: np.ndarray, hypothesis: Hypothesis) -> np.ndarray | None:
        """What each token of a text looks at: [target tokens, source tokens]."""
        target = _target(hypothesis)
        return self.fitted.attention(source, np.array([BOS, *target[:-1]])) if target else None


class Translator:
    """Models as the ensemble has them: in one search where they answer together, else the consensus of what each says.

    Raises UserError where one of them does not read the feature set ``pairs``.
    """

    def __init__(self, models: Mapping[str, FinalModel], ensemble: Ensemble) -> None:
        order = sorted(models, key=lambda name: -ensemble.weights[name])  # of equals the first one
        self.parts = [_Part.of(name, models[name].members[0]) for name in order]
        self.weights = [ensemble.weights[name] for name in order]
        self.together = ensemble.together
        self.schema = self.parts[0].predictor.schema
        (self.column,) = self.parts[0].encoder.reads

    def translate(
        self, texts: Sequence[str], n_best: int, warn: Callable[[str], object], attention: bool = False
    ) -> list[Translation]:
        """Of each text the ``n_best`` best, fewer where there are no more. Scores are those of the search; where models
        are asked one by one, the chrF that is expected of a text (``decoding/minimum_risk.py``).

        warn: is told of texts that are cut, and of tokens that training never saw.
        """
        cleaners = built(self.schema.clean.get(self.column, ()))
        cleaned = [clean_text(text, cleaners) for text in texts]
        rows = pd.DataFrame({self.column: pd.Series(cleaned, dtype="str")})
        self._tell(texts, cleaned, rows, warn)
        if len(self.parts) > 1 and not self.together:
            return list(self._consensus(rows, n_best, attention))
        return list(self._one_search(rows, n_best, attention))

    def _one_search(self, rows: pd.DataFrame, n_best: int, attention: bool) -> Iterator[Translation]:
        first = self.parts[0]
        encoded, known = first.encoder.encode(rows), first.predictor.task
        task = replace(known, search=known.search.telling(n_best))  # type: ignore[type-var]
        if len(self.parts) == 1:
            raw = replace(first.fitted, task=task).raw(encoded)
        else:
            raw = search_together([part.predictor for part in self.parts], encoded, task)
        for source, hypotheses in zip(encoded["source"], raw, strict=True):
            best, weights = hypotheses[0], None
            if attention:
                looks = [part.looks_at(source, best) for part in self.parts]
                seen = [one for one in looks if one is not None]
                weights = np.mean(seen, axis=0) if seen else None
            told = task.texts([one.tokens for one in hypotheses], first.predictor.spec)  # type: ignore[attr-defined]
            yield _translation(first, told, [one.score for one in hypotheses], source, best, weights)

    def _consensus(self, rows: pd.DataFrame, n_best: int, attention: bool) -> Iterator[Translation]:
        encoded = [part.encoder.encode(rows) for part in self.parts]
        raw = [part.fitted.raw(inputs) for part, inputs in zip(self.parts, encoded, strict=True)]
        frames = [
            part.predictor.task.predictions(some, part.predictor.target, part.predictor.spec)
            for part, some in zip(self.parts, raw, strict=True)
        ]
        task = self.parts[0].predictor.task
        for row, (texts, shares) in enumerate(task.votes(frames, self.weights)):  # type: ignore[attr-defined]
            distinct, values = list(dict.fromkeys(texts)), expected(texts, shares)
            order = np.argsort(-values, kind="stable")[:n_best].tolist()
            # Who said the best one first, and as what tokens: candidates stand in the order of models.
            said = [(part, one) for part, some in enumerate(raw) for one in some[row]]
            which, best = said[texts.index(distinct[order[0]])]
            source = encoded[which]["source"].row(row)
            weights = self.parts[which].looks_at(source, best) if attention else None
            told = [distinct[i] for i in order]
            yield _translation(self.parts[which], told, values[order].tolist(), source, best, weights)

    def _tell(
        self, texts: Sequence[str], cleaned: Sequence[str], rows: pd.DataFrame, warn: Callable[[str], object]
    ) -> None:
        encoder = self.parts[0].encoder
        lengths, whole = encoder.encode(rows)["source"].lengths, encoder.source.encode(cleaned)
        for text, tokens, length in zip(texts, whole, lengths.tolist(), strict=True):
            if len(tokens) >= length:  # an end mark stands behind those that are not cut
                warn(f"only {length} of the {len(tokens)} tokens of {quoted(text, 40)} are read")
            if unknown := int((tokens == UNK).sum()):
                warn(f"{unknown} of the {len(tokens)} tokens of {quoted(text, 40)} stand for what training never saw")


def _target(hypothesis: Hypothesis) -> list[int]:
    return [*hypothesis.tokens, *([EOS] if hypothesis.ended else [])]


def _translation(
    part: _Part,
    texts: Sequence[str],
    scores: Sequence[float],
    source: np.ndarray,
    best: Hypothesis,
    attention: np.ndarray | None,
) -> Translation:
    of_source, of_target = part.encoder.source.vocabulary.tokens, part.encoder.target.vocabulary.tokens
    return Translation(
        texts=texts,
        scores=scores,
        source=[of_source[token] for token in source.tolist()],
        target=[of_target[token] for token in _target(best)],
        attention=attention,
    )
