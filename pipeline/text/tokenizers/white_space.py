"""Texts as what stands between spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.segmented import SegmentedTokenizer


@tokenizers.register("white_space")
@settings
class WhiteSpace(SegmentedTokenizer):
    """``str.split``, for texts that are cut into tokens already; they come back with single spaces."""

    punctuation: ClassVar[bool] = False

    def split(self, text: str) -> list[str]:
        return text.split()

    def join(self, tokens: Sequence[str]) -> str:
        return " ".join(tokens)
