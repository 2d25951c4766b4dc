"""What every tokeniser promises, and what those share that count tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.ragged import Ragged, smallest_type
from pipeline.core.registry import settings
from pipeline.text.batches import Batch, batches, in_order
from pipeline.text.reserved import BOS, EOS
from pipeline.text.vocabulary import Vocabulary


class Tokenizer(ABC):
    """Settings of a tokeniser (shelf ``tokenizers``)."""

    name: ClassVar[str]
    lossless: ClassVar[bool]
    """Whether ``decode`` gives every text back to the character, as long as none of its tokens is unknown."""

    @property
    def by_chance(self) -> bool:
        """Whether training texts are cut by chance, each time in another way."""
        return False

    @abstractmethod
    def fit(self, texts: Iterable[str], seed: int, reserved: int = 4) -> FittedTokenizer:
        """Learn the vocabulary from training texts, read once.

        reserved: how many of ``RESERVED`` the vocabulary needs.
        Raises UserError where a text holds half of a surrogate pair.
        """

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> FittedTokenizer: ...


class FittedTokenizer(ABC):
    """Turns texts into indices and back."""

    vocabulary: Vocabulary
    draws: int = 1
    """Ways in which each training text is cut, an epoch each in turn."""
    pretrained: Mapping[str, Any] | None = None
    """Of a pretrained model's tokens: its name (``encoder``), its ``config``, and its own index of each (``order``)."""

    def encode(
        self, texts: Sequence[str], *, bos: bool = False, eos: bool = False, sampling_seed: int | None = None
    ) -> Ragged:
        """A row of indices a text, in the smallest type that holds the vocabulary.

        bos, eos: whether each row begins and ends with its mark, which the vocabulary must reserve.
        sampling_seed: cut the texts by chance where the settings say so, for training; None: the best way.
        Raises UserError where a text holds half of a surrogate pair.
        """
        if (needed := EOS + 1 if eos else BOS + 1 if bos else 0) > self.vocabulary.reserved:
            raise ValueError(f"the vocabulary reserves {self.vocabulary.reserved} indices, {needed} are needed")
        dtype = smallest_type(0, len(self.vocabulary) - 1)
        values, lengths = [np.empty(0, dtype)], [np.empty(0, np.int64)]
        for some, some_lengths in self.encoded(texts, sampling_seed):
            values.append(_with_marks(some, some_lengths, bos, eos).astype(dtype, copy=False))
            lengths.append(some_lengths + bos + eos)
        return Ragged.from_lengths(np.concatenate(values), np.concatenate(lengths))

    @abstractmethod
    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Batch by batch the indices [tokens] and how many each text has, int64 [texts]."""

    @abstractmethod
    def tokens(self, text: str) -> list[str]:
        """The text's tokens as words of the vocabulary, known or not."""

    @abstractmethod
    def decode(self, indices: Iterable[int]) -> str:
        """Text of indices; padding, begin and end leave no trace, what was unknown is ``<unk>``."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything learned, as JSON values; ``Tokenizer.restore`` turns it back."""


@settings
class CountedTokenizer(Tokenizer):
    """One that cuts by rule; its vocabulary are the tokens that it counted.

    minimum_count: rarer tokens are unknown; vocabulary_size: at most so many tokens, the most frequent ones, besides
    the reserved ones.
    """

    minimum_count: int = Field(default=1, ge=1)
    vocabulary_size: int | None = Field(default=None, ge=1)

    def fit(self, texts: Iterable[str], seed: int, reserved: int = 4) -> FittedTokenizer:
        total: dict[str, int] = {}
        for counts in in_order(self.counts, batches(texts)):
            for token, count in counts:
                total[token] = total.get(token, 0) + count
        return self.fitted(Vocabulary.from_counts(total, reserved, self.minimum_count, self.vocabulary_size))

    def restore(self, state: Mapping[str, Any]) -> FittedTokenizer:
        return self.fitted(Vocabulary.from_state(state))

    @abstractmethod
    def counts(self, batch: Batch) -> Iterable[tuple[str, int]]:
        """Each token of a batch, and how often it stands there."""

    @abstractmethod
    def fitted(self, vocabulary: Vocabulary) -> FittedTokenizer: ...


def _with_marks(values: np.ndarray, lengths: np.ndarray, bos: bool, eos: bool) -> np.ndarray:
    """values: [tokens] of rows one after the other -> [tokens + marks]."""
    if not (bos or eos):
        return values
    ends = np.cumsum(lengths + bos + eos)  # [rows]
    marked = np.empty(len(values) + len(lengths) * (bos + eos), values.dtype)
    own = np.ones(len(marked), bool)
    for wanted, places, mark in ((bos, ends - lengths - 1 - eos, BOS), (eos, ends - 1, EOS)):
        if wanted:
            marked[places] = mark
            own[places] = False
    marked[own] = values
    return marked
