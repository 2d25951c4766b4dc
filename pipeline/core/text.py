"""Text to tokens and back: reserved indices, words with marked joins.

Features cut texts into tokens, tasks put tokens together again, so both stand here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Indices that vocabularies reserve, as far as they need them: padding, unknown, begin, end."""

RESERVED = ("<pad>", "<unk>", "<bos>", "<eos>")

JOINER = "￭"
"""Stands on the side of a token where the text has no space (OpenNMT's joiner mark)."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"(?P<word>[^\W_{_UNSPACED}]+)|[{_UNSPACED}]|[^\w\s]|_")


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
    matches = list(_TOKEN.finditer(text))
    tokens = []
    for i, match in enumerate(matches):
        token = match.group()
        if not match["word"]:
            joins_last = i > 0 and matches[i - 1].end() == match.start()
            joins_next = i + 1 < len(matches) and matches[i + 1].start() == match.end() and matches[i + 1]["word"]
            token = (JOINER if joins_last else "") + token + (JOINER if joins_next else "")
        tokens.append(token)
    return tokens


def detokenize(tokens: Iterable[str]) -> str:
    """Tokens of ``tokenize`` to text: single spaces, none where a join is marked."""
    return re.sub(f" ?{JOINER} ?", "", " ".join(tokens)).strip()
