"""Texts as words and punctuation marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.text.joins import detokenize, tokenize, words
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.segmented import SegmentedTokenizer


@tokenizers.register("words")
@settings
class Words(SegmentedTokenizer):
    """Words in the letters and digits of any script, with the marks that stand at letters (Hindi's vowels, Thai's
    tones), and a token a punctuation mark, an ideograph and a kana.

    Marks carry on their sides where the text has no space (``joins.tokenize``), so that the text comes back; of spaces
    only their kind and number is lost.

    joins: false leaves the marks out: a comma is the same token wherever it stands, and texts do not come back.
    """

    joins: bool = True

    punctuation: ClassVar[bool] = True

    @property
    def marks_joins(self) -> bool:
        return self.joins

    def split(self, text: str) -> list[str]:
        return tokenize(text) if self.joins else words(text)

    def join(self, tokens: Sequence[str]) -> str:
        return detokenize(tokens)
