"""Sentence pairs as sequences of word indices, for translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.texts import read_texts
from pipeline.text.joins import tokenize
from pipeline.text.reserved import BOS, EOS, PAD
from pipeline.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


@features.register("pairs")
@settings
class Pairs(FeatureSet):
    """A source and a target text column (D2L 10.5), padded with 0.

    source int64 [rows, source steps], source_mask bool [rows, source steps]; where the rows have
    the target column, labels int64 [rows, steps], ending with the end mark, and decoder_inputs
    int64 [rows, steps]: the labels one step later, beginning with the begin mark. length int64
    [rows] counts the tokens of both.

    minimum_count: rarer words are unknown; maximum_length: longer texts are cut to so many
    tokens, the end mark included.
    """

    source: str
    target: str
    minimum_count: int = Field(default=2, ge=1)
    maximum_length: int = Field(default=32, ge=2)
    lower: bool = False
    gives: ClassVar[frozenset[str]] = frozenset({"source", "source_mask", "labels", "decoder_inputs", "length"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> PairsEncoder:
        source, target = self.split(rows, self.source, schema), self.split(rows, self.target, schema)
        return PairsEncoder(
            settings=self,
            schema=schema,
            source=Vocabulary.build(source, 4, self.minimum_count),
            target=Vocabulary.build(target, 4, self.minimum_count),
            source_length=common_length(source, self.maximum_length),
            target_length=common_length([[*tokens, EOS] for tokens in target], self.maximum_length),
        )

    def restore(self, state: Mapping[str, Any], schema: Schema) -> PairsEncoder:
        return PairsEncoder(
            settings=self,
            schema=schema,
            source=Vocabulary(state["source"]),
            target=Vocabulary(state["target"]),
            source_length=state["source_length"],
            target_length=state["target_length"],
        )

    def split(self, rows: pd.DataFrame, column: str, schema: Schema) -> list[list[str]]:
        """The tokens of each row, joins marked."""
        texts = read_texts(rows, column, schema)
        return [tokenize(text.lower() if self.lower else text) for text in texts]


@dataclass(frozen=True)
class PairsEncoder:
    settings: Pairs
    schema: Schema
    source: Vocabulary
    target: Vocabulary
    source_length: int
    target_length: int

    @property
    def reads(self) -> list[str]:
        return [self.settings.source]

    @property
    def spec(self) -> Spec:
        return Spec(
            shapes={
                "source": (self.source_length,),
                "source_mask": (self.source_length,),
                "labels": (self.target_length,),
                "decoder_inputs": (self.target_length,),
            },
            sizes={"source": len(self.source), "target": len(self.target)},
            vocabularies={"source": self.source.tokens, "target": self.target.tokens},
        )

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        source = self.settings.split(rows, self.settings.source, self.schema)
        tokens = pad([self.source.encode(text) for text in source], self.source_length)
        encoded = {"source": tokens, "source_mask": tokens != PAD, "length": (tokens != PAD).sum(1)}
        if self.settings.target not in rows.columns:
            return encoded
        target = self.settings.split(rows, self.settings.target, self.schema)
        steps = self.target_length
        sentences = [self.target.encode(text)[: steps - 1] for text in target]
        labels = pad([[*sentence, EOS] for sentence in sentences], steps)
        encoded["length"] += (labels != PAD).sum(1)
        return {**encoded, "labels": labels, "decoder_inputs": pad([[BOS, *s] for s in sentences], steps)}

    def state(self) -> dict[str, Any]:
        return {
            "source": self.source.tokens,
            "target": self.target.tokens,
            "source_length": self.source_length,
            "target_length": self.target_length,
        }


def pad(sequences: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Cut or fill up with ``PAD`` to int64 [sequences, length]."""
    padded = np.full((len(sequences), length), PAD, dtype=np.int64)
    for i, sequence in enumerate(sequences):
        padded[i, : len(sequence)] = sequence[:length]
    return padded


def common_length(sequences: Iterable[Sequence[object]], maximum: int) -> int:
    """Length to pad to: the longest sequence's, at least 1, at most ``maximum``."""
    return max(1, min(maximum, max((len(sequence) for sequence in sequences), default=1)))
