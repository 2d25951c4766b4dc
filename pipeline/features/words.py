"""Texts as sequences of word indices, for text classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.vocabulary import common_length, pad, read_texts
from pipeline.text.joins import words
from pipeline.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


@features.register("words")
@settings
class Words(FeatureSet):
    """A text column as ``tokens`` int64 [rows, length], padded with 0; unknown words are 1.

    vocabulary_size: at most so many words, the most frequent ones; minimum_count: rarer words are
    unknown; maximum_length: longer texts are cut; subwords: after each word, its pieces of 2 up to so
    many characters, marked with < and > where it begins and ends (fastText: Bojanowski et al. 2017).
    """

    column: str
    vocabulary_size: int | None = Field(default=None, ge=1)
    minimum_count: int = Field(default=1, ge=1)
    lower: bool = True
    subwords: int | None = Field(default=None, ge=2)
    maximum_length: int = Field(default=128, ge=1)
    gives: ClassVar[frozenset[str]] = frozenset({"tokens"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> WordsEncoder:
        texts = self.split(rows, schema)
        vocabulary = Vocabulary.build(texts, 2, self.minimum_count, self.vocabulary_size)
        return WordsEncoder(self, schema, vocabulary, common_length(texts, self.maximum_length))

    def restore(self, state: Mapping[str, Any], schema: Schema) -> WordsEncoder:
        return WordsEncoder(self, schema, Vocabulary(state["vocabulary"]), state["length"])

    def split(self, rows: pd.DataFrame, schema: Schema) -> list[list[str]]:
        """The words of each row, with their subwords where asked."""
        texts = read_texts(rows, self.column, schema)
        split = [words(text.lower() if self.lower else text) for text in texts]
        if self.subwords is None:
            return split
        return [[piece for word in text for piece in (f"<{word}>", *subwords(word, self.subwords))] for text in split]


def subwords(word: str, longest: int) -> list[str]:
    """Pieces of a word of 2 up to ``longest`` characters, the marks included.

    >>> subwords("cat", 3)
    ['<c', 'ca', 'at', 't>', '<ca', 'cat', 'at>']
    """
    marked = f"<{word}>"
    return [marked[i : i + size] for size in range(2, longest + 1) for i in range(len(marked) - size + 1)]


@dataclass(frozen=True)
class WordsEncoder:
    settings: Words
    schema: Schema
    vocabulary: Vocabulary
    length: int

    @property
    def reads(self) -> list[str]:
        return [self.settings.column]

    @property
    def spec(self) -> Spec:
        return Spec(
            shapes={"tokens": (self.length,)},
            sizes={"tokens": len(self.vocabulary)},
            vocabularies={"tokens": self.vocabulary.tokens},
        )

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        texts = self.settings.split(rows, self.schema)
        return {"tokens": pad([self.vocabulary.encode(text) for text in texts], self.length)}

    def state(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary.tokens, "length": self.length}
