"""Texts as characters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from pipeline.core.ragged import smallest_type
from pipeline.core.registry import settings
from pipeline.text.batches import Batch, batches, in_order
from pipeline.text.reserved import UNK
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import CountedTokenizer, FittedTokenizer
from pipeline.text.vocabulary import Vocabulary


@tokenizers.register("characters")
@settings
class Characters(CountedTokenizer):
    """A token a character (Unicode code point)."""

    lossless: ClassVar[bool] = True

    def counts(self, batch: Batch) -> Iterable[tuple[str, int]]:
        counts = np.bincount(_codes(batch.texts))
        seen = np.flatnonzero(counts)
        return zip(map(chr, seen.tolist()), counts[seen].tolist())

    def fitted(self, vocabulary: Vocabulary) -> FittedCharacters:
        return FittedCharacters(vocabulary)


class FittedCharacters(FittedTokenizer):
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    @cached_property
    def table(self) -> np.ndarray:
        """Index of every character, [0x110000]."""
        table = np.full(0x110000, UNK, smallest_type(0, len(self.vocabulary) - 1))
        for character, i in self.vocabulary.index.items():
            table[ord(character)] = i
        return table

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return in_order(self._encoded, batches(texts))

    def _encoded(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        return self.table[_codes(batch.texts)], np.fromiter(map(len, batch.texts), np.int64, len(batch.texts))

    def tokens(self, text: str) -> list[str]:
        return list(text)

    def decode(self, indices: Iterable[int]) -> str:
        return "".join(self.vocabulary.decode(indices))

    def state(self) -> dict[str, Any]:
        return self.vocabulary.state()


def _codes(texts: list[str]) -> np.ndarray:
    """Code points of all texts together, uint32 [characters]."""
    return np.frombuffer("".join(texts).encode("utf-32-le"), "<u4")
