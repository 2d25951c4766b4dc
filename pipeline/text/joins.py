"""Text to words and back, with marks where a text has no space."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from unicodedata import category

JOINER = "￭"
"""Stands on the side of a token where the text has no space (OpenNMT's joiner mark)."""

SQUARE = "■"
"""What a joiner mark that stands in a text itself becomes, as in OpenNMT."""

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
LETTERS = rf"[^\W_{UNSPACED}]++"
OF_SIGNS = "\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ufe00-\ufe0f"
"""Marks that stand at signs, ideographs and kana."""


@cache
def at_letters() -> str:
    """What stands at letters and is none, for Python's ``re``, as a class of characters without its brackets: vowels of
    Hindi and Tamil, tones of Thai, points of Hebrew and Arabic, accents; and the joiners within words."""
    signs = re.compile(f"[{OF_SIGNS}]")
    every = map(chr, range(0x300, 0x1F000))
    return "".join(one for one in every if category(one) in ("Mn", "Mc") and not signs.match(one)) + "\u200c\u200d"


@cache
def word() -> str:
    """A run of letters, what stands at them, and digits; kana and ideographs, written without spaces, are no part of
    it."""
    return rf"(?:{LETTERS}|[{at_letters()}]++)++"


@cache
def _token(ascii: bool) -> re.Pattern[str]:
    """Of a text of ASCII, where there are no such marks, it takes half the time."""
    return re.compile(rf"(?P<word>{LETTERS if ascii else word()})|[{UNSPACED}]|[^\w\s]|_")


def words(text: str) -> list[str]:
    """Words and punctuation marks. Kana and ideographs, written without spaces, are a token each."""
    return [match.group() for match in _token(text.isascii()).finditer(text)]


def tokenize(text: str) -> list[str]:
    """The same tokens with joins marked, so that ``detokenize`` gives the text back.

    Only the kind and number of spaces is lost. A word is the same token wherever it stands:
    the punctuation beside it carries the marks.

    >>> tokenize("l'aide (bêta).")
    ['l', "￭'￭", 'aide', '(￭', 'bêta', '￭)', '￭.']
    """
    matches = list(_token(text.isascii()).finditer(text.replace(JOINER, SQUARE)))
    tokens = []
    for i, match in enumerate(matches):
        token = match.group()
        if not match["word"]:
            joins_last = i > 0 and matches[i - 1].end() == match.start()
            joins_next = i + 1 < len(matches) and matches[i + 1].start() == match.end() and matches[i + 1]["word"]
            token = marked(token, bool(joins_last) + 2 * bool(joins_next))
        tokens.append(token)
    return tokens


def marked(token: str, joins: int) -> str:
    """A token that is no word, with its marks. joins: 1 where it joins what stands before it, 2 the word after it,
    3 both."""
    return (JOINER if joins & 1 else "") + token + (JOINER if joins & 2 else "")


def detokenize(tokens: Iterable[str]) -> str:
    """Tokens of ``tokenize`` to text: single spaces, none where a join is marked."""
    return re.sub(f" ?{JOINER} ?", "", " ".join(tokens)).strip()
