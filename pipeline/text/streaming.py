"""Tokens that come one by one to text, as soon as it is certain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.text.tokenizers.sentencepiece import ESCAPE

if TYPE_CHECKING:
    from pipeline.text.tokenizers.base import FittedTokenizer

REPLACEMENT = "\ufffd"
"""What bytes become that are no character, or not yet."""
PARTS = 3
"""Bytes that a character may lack at most."""


class TextStream:
    """The text that tokens add to what stands before them; never a part of a character.

    before: tokens that stand before, whose text is known.
    """

    def __init__(self, tokenizer: FittedTokenizer, before: Iterable[int] = ()) -> None:
        self.tokenizer = tokenizer
        # The text grows at its end only. What a token adds may hang on the one before it (a space), so some of those
        # that are told are decoded with it; not all, which would take the square of the length.
        self._tokens = [int(token) for token in before]
        self._told = len(self.tokenizer.decode(self._tokens))
        self._whole = len(self._tokens)

    def add(self, token: int) -> str:
        """What has become certain with this token, maybe nothing."""
        self._tokens.append(int(token))
        text = self.tokenizer.decode(self._tokens)
        certain = len(text) - _uncertain(text)
        piece = text[self._told : certain]
        self._told = max(self._told, certain)
        if certain == len(text) and piece:
            self._tokens = self._tokens[self._whole :]
            self._whole = len(self._tokens)
            self._told = len(self.tokenizer.decode(self._tokens))
        return piece

    def rest(self) -> str:
        """At the end: what never became certain."""
        text = self.tokenizer.decode(self._tokens)
        piece, self._told = text[self._told :], len(text)
        return piece


def _uncertain(text: str) -> int:
    """Characters at the end that another token may change."""
    if text.endswith(ESCAPE):
        return 1
    return len(text[-PARTS:]) - len(text[-PARTS:].rstrip(REPLACEMENT))
