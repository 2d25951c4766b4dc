"""Static word vectors from a text file of word2vec or GloVe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.text.joins import JOINER
from pipeline.text.reserved import RESERVED


def read_vectors(path: Path, tokens: Sequence[str], width: int) -> tuple[Tensor, Tensor]:
    """The vectors of those tokens that have one: indices int64 [found], vectors float32 [found, width].

    A line is a word and its numbers, single spaces between; a first line of two whole numbers (count and width) is
    passed over, and so are words that are no token. Read once, line by line; of a word's lines the first counts. A
    token's joins, which tell where the text has no space, are no part of its word.

    Raises UserError for a file that cannot be read, of another width, with a broken line, or without any token.
    """
    wanted: dict[bytes, list[int]] = {}
    for index, token in enumerate(tokens):
        if token not in RESERVED:
            wanted.setdefault((token.strip(JOINER) or token).encode("utf-8", "surrogatepass"), []).append(index)
    words, name = len(wanted), shown(path)
    indices: list[int] = []
    vectors: list[np.ndarray] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                line = line.strip(b" \r\n")
                where = f"{name}: line {number}"
                if (number == 1 and _is_header(line, where, width)) or not line:
                    continue
                spaces = line.count(b" ")
                if spaces < width:
                    raise UserError(f"{where}: needs a word and {width} numbers, got {spaces} numbers")
                # Some words have spaces in them; nothing tells them from a line of too many numbers.
                word = line[: line.index(b" ")] if spaces == width else line.rsplit(b" ", width)[0]
                if places := wanted.pop(word, None):
                    indices += places
                    vectors += [_vector(line.rsplit(b" ", width)[1:], where)] * len(places)
    except OSError as error:
        raise UserError(f"{name}: the word vectors cannot be read: {error.strerror}") from None
    if not indices:
        raise UserError(
            f"{name}: has a vector for none of the {words} words of the vocabulary; check its language and "
            "case, and how the feature set cuts texts"
        )
    return torch.tensor(indices), torch.from_numpy(np.stack(vectors))


def _is_header(line: bytes, where: str, width: int) -> bool:
    """Whether the first line is one; raises UserError where it tells of another width."""
    fields = line.split(b" ")
    header = len(fields) == 2 and all(field.isdigit() for field in fields)
    found = int(fields[1]) if header else len(fields) - 1
    if found < 1:
        raise UserError(f"{where}: needs a word and its numbers, as word2vec and GloVe write them as text")
    if found != width:
        raise UserError(f"{where}: its vectors have {found} numbers, and embedding is {width}; set embedding: {found}")
    return header


def _vector(numbers: Sequence[bytes], where: str) -> np.ndarray:
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError:
        vector = np.array([np.nan])
    if not np.isfinite(vector).all():
        raise UserError(f"{where}: needs {len(numbers)} finite numbers after the word")
    return vector
