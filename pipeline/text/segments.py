"""Texts cut into words, many at once: on their bytes, without a Python object a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.text.joins import word

if TYPE_CHECKING:
    import pyarrow as pa

SPACE, WORD, SINGLE = 0, 1, 2
"""Kinds of characters: between tokens, in a run that is a token, a token by itself."""


@cache
def kinds(punctuation: bool) -> np.ndarray:
    """Of every character, uint8 [0x110000]. punctuation: whether marks and ideographs are tokens by themselves, as in
    ``joins.words``; else all that is no space is of a word, as in ``str.split``."""
    everything = np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    table = np.full(len(everything), SINGLE if punctuation else WORD, np.uint8)
    for kind, pattern in ((WORD, word()), (SPACE, r"\s+")):
        for run in re.finditer(pattern, everything):
            table[run.start() : run.end()] = kind
    return table


@dataclass(frozen=True)
class Segments:
    """Tokens of many texts, in order.

    tokens: Arrow strings [tokens], without marks; joins: uint8 [tokens], 1 where a token that is no word joins what
    stands before it, 2 the word after it, 3 both; lengths: int64 [texts], tokens of each.
    """

    tokens: pa.LargeStringArray
    joins: np.ndarray
    lengths: np.ndarray


def cut(texts: Sequence[str], *, punctuation: bool) -> Segments:
    """Raises UnicodeEncodeError where a text holds half of a surrogate pair."""
    import pyarrow as pa

    joined = pa.array(texts, pa.large_string())
    _, row_buffer, data_buffer = joined.buffers()
    rows = np.frombuffer(row_buffer, np.int64)[: len(texts) + 1]
    data = np.frombuffer(data_buffer or b"", np.uint8)[: rows[-1]]  # [bytes]
    table = kinds(punctuation)
    ascii_kinds = table[:256].tobytes()
    kind = np.frombuffer(bytearray(data).translate(ascii_kinds), np.uint8)  # [bytes]; of others set right below
    following = _spread(data, kind, table)
    begin = kind == WORD  # [bytes], whether a token begins here
    begin[1:] &= kind[:-1] != WORD
    if punctuation:
        single = kind == SINGLE
        single[following] = False
        begin |= single
    row_begins = rows[:-1][rows[:-1] < rows[1:]]
    begin[row_begins] = kind[row_begins] != SPACE

    inside = kind != SPACE
    end = inside.copy()  # [bytes], whether it is a token's last
    end[:-1] &= begin[1:] | ~inside[1:]
    begins, ends = np.flatnonzero(begin), np.flatnonzero(end) + 1  # [tokens], where in ``data``
    offsets = np.zeros(len(begins) + 1, np.int64)  # [tokens + 1], where in the tokens alone
    np.cumsum(ends - begins, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.compress(inside, data))]
    tokens = pa.Array.from_buffers(pa.large_string(), len(begins), buffers)
    firsts = np.searchsorted(begins, rows)  # [texts + 1], which token is a text's first
    joins = np.zeros(len(begins), np.uint8)
    if punctuation and len(begins):
        touches = ends[:-1] == begins[1:]  # [tokens - 1], whether no space follows
        inner = firsts[1:-1]
        touches[inner[(inner > 0) & (inner < len(begins))] - 1] = False
        joins[1:] += touches
        joins[:-1] += np.uint8(2) * (touches & (kind[begins[1:]] == WORD))
        joins *= kind[begins] == SINGLE
    return Segments(tokens, joins, np.diff(firsts))


def _spread(data: np.ndarray, kind: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Set the kind of every byte of characters beyond ASCII; where their second to fourth bytes stand."""
    following = [np.empty(0, np.int64)]
    leads = np.flatnonzero(data >= 0xC0)
    first = data[leads]
    for more, low, high in ((1, 0xC0, 0xE0), (2, 0xE0, 0xF0), (3, 0xF0, 0xF8)):
        places = leads[(first >= low) & (first < high)]  # characters of 1 + ``more`` bytes
        code = data[places].astype(np.int32) & (0x3F >> more)
        for step in range(1, more + 1):
            code = code << 6 | data[places + step] & 0x3F
        for step in range(more + 1):
            kind[places + step] = table[code]
        following += [places + step for step in range(1, more + 1)]
    return np.concatenate(following)
