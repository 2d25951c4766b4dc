"""Words and their pieces, as fastText reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.text.batches import Batch, batches, in_order
from pipeline.text.joins import words
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import CountedTokenizer, FittedTokenizer
from pipeline.text.vocabulary import Vocabulary


@tokenizers.register("pieces")
@settings
class Pieces(CountedTokenizer):
    """Each word whole, then its pieces of 2 up to ``longest`` characters, marked with < and > where it begins and ends
    (Bojanowski et al. 2017, 3.2). For bags of tokens: the text does not come back.

    lower: whether texts are made lower case first.
    """

    lossless: ClassVar[bool] = False

    longest: int = Field(default=4, ge=2)
    lower: bool = True

    def split(self, text: str) -> list[str]:
        return words(text.lower() if self.lower else text)

    def cut(self, word: str) -> list[str]:
        return [f"<{word}>", *pieces(word, self.longest)]

    def counts(self, batch: Batch) -> Iterable[tuple[str, int]]:
        _check(batch)
        total: dict[str, int] = {}
        for word, count in Counter(word for text in batch.texts for word in self.split(text)).items():
            for piece in self.cut(word):
                total[piece] = total.get(piece, 0) + count
        return total.items()

    def fitted(self, vocabulary: Vocabulary) -> FittedPieces:
        return FittedPieces(self, vocabulary)


class FittedPieces(FittedTokenizer):
    def __init__(self, settings: Pieces, vocabulary: Vocabulary) -> None:
        self.settings = settings
        self.vocabulary = vocabulary

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return in_order(self._encoded, batches(texts))

    def _encoded(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        _check(batch)
        known: dict[str, list[int]] = {}
        values: list[int] = []
        lengths = np.empty(len(batch.texts), np.int64)
        for i, text in enumerate(batch.texts):
            before = len(values)
            for word in self.settings.split(text):
                if word not in known:
                    known[word] = self.vocabulary.encode(self.settings.cut(word))
                values += known[word]
            lengths[i] = len(values) - before
        return np.array(values, np.int64), lengths

    def tokens(self, text: str) -> list[str]:
        return [piece for word in self.settings.split(text) for piece in self.settings.cut(word)]

    def decode(self, indices: Iterable[int]) -> str:
        """The words that stand whole among the tokens."""
        whole = (token for token in self.vocabulary.decode(indices) if token[:1] == "<" and token[-1:] == ">")
        return " ".join(token[1:-1] for token in whole)

    def state(self) -> dict[str, Any]:
        return self.vocabulary.state()


def _check(batch: Batch) -> None:
    """Raises UnicodeEncodeError where a text is none, which ``in_order`` tells with its row."""
    for text in batch.texts:
        text.encode()


def pieces(word: str, longest: int) -> list[str]:
    """Pieces of a word of 2 up to ``longest`` characters, the marks included.

    >>> pieces("cat", 3)
    ['<c', 'ca', 'at', 't>', '<ca', 'cat', 'at>']
    """
    marked = f"<{word}>"
    return [marked[i : i + size] for size in range(2, longest + 1) for i in range(len(marked) - size + 1)]
