"""Documents as windows of characters, for language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.texts import read_texts
from pipeline.text.reserved import BOS, PAD
from pipeline.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


@features.register("characters")
@settings
class Characters(FeatureSet):
    """A text column cut into windows of ``steps`` characters (D2L 9.3), one example a window.

    tokens int64 [windows, steps]: the characters; labels int64 [windows, steps]: the ones that
    follow; mask bool [windows, steps]: where there is a label; row int64 [windows]: the row a
    window belongs to; first bool [windows]: whether it begins its document. The first character
    of a document is predicted from a begin mark, so that every character is a label once. A
    row's windows follow each other, and an empty text is one window without labels.

    minimum_count: rarer characters are unknown.
    """

    column: str
    steps: int = Field(default=64, ge=1)
    minimum_count: int = Field(default=1, ge=1)
    gives: ClassVar[frozenset[str]] = frozenset({"tokens", "labels", "mask", "row", "first"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> CharactersEncoder:
        texts = read_texts(rows, self.column, schema)
        return CharactersEncoder(self, schema, Vocabulary.build(texts, 3, self.minimum_count))

    def restore(self, state: Mapping[str, Any], schema: Schema) -> CharactersEncoder:
        return CharactersEncoder(self, schema, Vocabulary(state["vocabulary"]))


@dataclass(frozen=True)
class CharactersEncoder:
    settings: Characters
    schema: Schema
    vocabulary: Vocabulary

    @property
    def reads(self) -> list[str]:
        return [self.settings.column]

    @property
    def spec(self) -> Spec:
        return Spec(
            shapes={name: (self.settings.steps,) for name in ("tokens", "labels", "mask")},
            sizes={"tokens": len(self.vocabulary)},
            vocabularies={"tokens": self.vocabulary.tokens},
        )

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        steps = self.settings.steps
        texts = read_texts(rows, self.settings.column, self.schema)
        windows = np.array([max(1, -(-len(text) // steps)) for text in texts], dtype=np.int64)  # [rows]
        begins = np.concatenate([[0], windows.cumsum()])[:-1]  # [rows], a row's first window
        tokens = np.full(windows.sum() * steps, PAD, dtype=np.int64)  # [windows * steps]
        labels = tokens.copy()
        for text, begin in zip(texts, begins * steps):
            characters = self.vocabulary.encode(text)
            labels[begin : begin + len(text)] = characters
            tokens[begin : begin + len(text)] = [BOS, *characters[:-1]][: len(text)]
        labels = labels.reshape(-1, steps)  # [windows, steps]
        return {
            "tokens": tokens.reshape(-1, steps),  # [windows, steps]
            "labels": labels,
            "mask": labels != PAD,
            "row": np.repeat(np.arange(len(texts), dtype=np.int64), windows),
            "first": np.isin(np.arange(windows.sum()), begins),
        }

    def state(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary.tokens}
