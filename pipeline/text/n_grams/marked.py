"""Rows one after the other, each between its marks, a stretch at a time."""

from __future__ import annotations

import numpy as np

from pipeline.core.ragged import Ragged
from pipeline.text.reserved import BOS, EOS, PAD


class Marked:
    """Each row as begin, its tokens, end, padding: what runs over a row's end meets padding, and no n-gram holds that.

    rows: of token indices without padding and begin, and without the end that stands here after each; an end between
    tokens is a token like any other.
    vocabulary_size: above every index.
    """

    def __init__(self, rows: Ragged, vocabulary_size: int) -> None:
        self.rows = rows
        self.vocabulary_size = vocabulary_size
        self.ends = np.cumsum(rows.lengths + 3)  # [rows]
        self.positions = int(self.ends[-1]) if len(rows) else 0

    def tokens(self, begin: int, end: int) -> np.ndarray:
        """int64 [end - begin], padding before the first row and after the last one.

        Raises ValueError where a row holds what no row may.
        """
        found = np.full(end - begin, PAD, np.int64)
        first, last = np.searchsorted(self.ends, [max(begin, 0), min(end, self.positions)], side="right")
        some = slice(first, min(last + 1, len(self.rows)))
        begins = self.ends[some] - self.rows.lengths[some] - 3  # [some rows]
        low = np.maximum(begin, begins + 1)  # each row's own tokens, cut to the stretch
        high = np.minimum(end, self.ends[some] - 2)
        lengths = np.maximum(high - low, 0)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # [tokens]
        own = self.rows.values[np.repeat(self.rows.begins[some] + low - begins - 1, lengths) + within]  # [tokens]
        if own.size and not (own.min() > PAD and own.max() < self.vocabulary_size and (own != BOS).all()):
            raise ValueError(f"rows hold indices of tokens, below {self.vocabulary_size}, without padding and begin")
        found[np.repeat(low - begin, lengths) + within] = own
        for mark, places in ((BOS, begins), (EOS, self.ends[some] - 2)):
            found[places[(places >= begin) & (places < end)] - begin] = mark
        return found
