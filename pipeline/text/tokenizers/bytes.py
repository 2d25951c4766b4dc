"""Texts as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from pipeline.core.registry import settings
from pipeline.text.batches import Batch, batches, in_order
from pipeline.text.reserved import RESERVED
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import FittedTokenizer, Tokenizer
from pipeline.text.vocabulary import Vocabulary

NAMES = [f"<0x{byte:02X}>" for byte in range(256)]


@tokenizers.register("bytes")
@settings
class Bytes(Tokenizer):
    """A token a byte of UTF-8: 256 tokens, ``<0x00>`` to ``<0xFF>`` in their order, and none that is unknown."""

    lossless: ClassVar[bool] = True

    def fit(self, texts: Iterable[str], seed: int, reserved: int = 4) -> FittedBytes:
        counts = np.zeros(256, np.int64)
        for some in in_order(lambda batch: np.bincount(_bytes(batch.texts), minlength=256), batches(texts)):
            counts += some
        return FittedBytes(Vocabulary([*RESERVED[:reserved], *NAMES], np.append(np.zeros(reserved, np.int64), counts)))

    def restore(self, state: Mapping[str, Any]) -> FittedBytes:
        return FittedBytes(Vocabulary.from_state(state))


class FittedBytes(FittedTokenizer):
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def encoded(self, texts: Iterable[str], sampling_seed: int | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return in_order(self._encoded, batches(texts))

    def _encoded(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        lengths = (len(text) if text.isascii() else len(text.encode()) for text in batch.texts)
        values = _bytes(batch.texts) + np.uint16(self.vocabulary.reserved)
        return values, np.fromiter(lengths, np.int64, len(batch.texts))

    def tokens(self, text: str) -> list[str]:
        return [NAMES[byte] for byte in text.encode()]

    def decode(self, indices: Iterable[int]) -> str:
        """What is no UTF-8, as a network may write it, becomes U+FFFD."""
        reserved = self.vocabulary.reserved
        return bytes(i - reserved for i in indices if i >= reserved).decode(errors="replace")

    def state(self) -> dict[str, Any]:
        return self.vocabulary.state()


def _bytes(texts: list[str]) -> np.ndarray:
    """UTF-8 of all texts together, uint8 [bytes]."""
    return np.frombuffer("".join(texts).encode(), np.uint8)
