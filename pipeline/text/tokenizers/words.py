"""Texts as words and punctuation marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.text.joins import detokenize, tokenize
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.segmented import SegmentedTokenizer


@tokenizers.register("words")
@settings
class Words(SegmentedTokenizer):
    """Words in the letters and digits of any script, and a token a punctuation mark, an ideograph and a kana.

    Marks carry on their sides where the text has no space (``joins.tokenize``), so that the text comes back; of spaces
    only their kind and number is lost.
    """

    punctuation: ClassVar[bool] = True

    def split(self, text: str) -> list[str]:
        return tokenize(text)

    def join(self, tokens: Sequence[str]) -> str:
        return detokenize(tokens)
