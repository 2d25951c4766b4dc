"""Text to words and back, with marks where a text has no space."""

from __future__ import annotations

import re
from collections.abc import Iterable

JOINER = "￭"
"""Stands on the side of a token where the text has no space (OpenNMT's joiner mark)."""

SQUARE = "■"
"""What a joiner mark that stands in a text itself becomes, as in OpenNMT."""

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = rf"[^\W_{UNSPACED}]+"
"""A run of letters and digits; kana and ideographs, written without spaces, are no part of it."""

_TOKEN = re.compile(rf"(?P<word>{WORD})|[{UNSPACED}]|[^\w\s]|_")


def words(text: str) -> list[str]:
    """Words and punctuation marks. Kana and ideographs, written without spaces, are a token each."""
    return [match.group() for match in _TOKEN.finditer(text)]


def tokenize(text: str) -> list[str]:
    """The same tokens with joins marked, so that ``detokenize`` gives the text back.

    Only the kind and number of spaces is lost. A word is the same token wherever it stands:
    the punctuation beside it carries the marks.

    >>> tokenize("l'aide (bêta).")
    ['l', "￭'￭", 'aide', '(￭', 'bêta', '￭)', '￭.']
    """
    matches = list(_TOKEN.finditer(text.replace(JOINER, SQUARE)))
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
