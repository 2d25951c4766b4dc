"""What tokenisers of words share: tokens counted and looked up a batch at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.core.ragged import smallest_type
from pipeline.core.registry import settings
from pipeline.text.batches import Batch, batches, in_order
from pipeline.text.joins import JOINER, SQUARE, marked
from pipeline.text.segments import cut
from pipeline.text.tokenizers.base import CountedTokenizer, FittedTokenizer
from pipeline.text.vocabulary import Vocabulary

JOINS = 4
"""Ways in which one token may be marked, none of them included."""


@settings
class SegmentedTokenizer(CountedTokenizer):
    """lower: whether texts are made lower case first."""

    lossless: ClassVar[bool] = False
    punctuation: ClassVar[bool]
    """Whether marks are tokens by themselves."""
    lower: bool = False

    def counts(self, batch: Batch) -> Iterable[tuple[str, int]]:
        found = self.distinct(batch)
        counts = np.bincount(found.codes)
        seen = np.flatnonzero(counts)
        return zip(found.tokens(seen), counts[seen].tolist())

    def distinct(self, batch: Batch) -> Distinct:
        texts = [text.lower() for text in batch.texts] if self.lower else batch.texts
        segments = cut(texts, punctuation=self.punctuation)
        encoded = segments.tokens.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        if self.punctuation and JOINER in words:
            words[words.index(JOINER)] = SQUARE
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64) * JOINS
        codes += segments.joins if self.marks_joins else 0
        return Distinct(words, codes, segments.lengths)

    def fitted(self, vocabulary: Vocabulary) -> FittedSegments:
        return FittedSegments(self, vocabulary)

    @property
    def marks_joins(self) -> bool:
        """Whether tokens are marked where the text has no space beside them."""
        return True

    @abstractmethod
    def split(self, text: str) -> list[str]: ...

    @abstractmethod
    def join(self, tokens: Sequence[str]) -> str: ...


@dataclass(frozen=True)
class Distinct:
    """The tokens of a batch, each word once.

    words: unmarked; codes: int64 [tokens], place in ``words`` times ``JOINS``, plus joins; lengths: int64 [texts].
    """

    words: list[str]
    codes: np.ndarray
    lengths: np.ndarray

    def tokens(self, codes: np.ndarray) -> list[str]:
        """With their marks."""
        tokens = [self.words[place] for place in (codes // JOINS).tolist()]
        joins = codes % JOINS
        for i in np.flatnonzero(joins).tolist():
            tokens[i] = marked(tokens[i], int(joins[i]))
        return tokens


class FittedSegments(FittedTokenizer):
    def __init__(self, settings: SegmentedTokenizer, vocabulary: Vocabulary) -> None:
        self.settings = settings
        self.vocabulary = vocabulary

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return in_order(self._encoded, batches(texts))

    def _encoded(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        found = self.settings.distinct(batch)
        seen = np.flatnonzero(np.bincount(found.codes))
        table = np.empty(JOINS * len(found.words), smallest_type(0, len(self.vocabulary) - 1))
        table[seen] = self.vocabulary.encode(found.tokens(seen))
        return table[found.codes], found.lengths

    def tokens(self, text: str) -> list[str]:
        return self.settings.split(text.lower() if self.settings.lower else text)

    def decode(self, indices: Iterable[int]) -> str:
        return self.settings.join(self.vocabulary.decode(indices))

    def state(self) -> dict[str, Any]:
        return self.vocabulary.state()
