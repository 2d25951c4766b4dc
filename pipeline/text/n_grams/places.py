"""Where keys stand in an array, for many keys at once."""

from __future__ import annotations

import numpy as np

from pipeline.core.ragged import smallest_type

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4)."""


class Places:
    """A hash table of keys in arrays: keys ordered by their hash, and where each hash begins among them.

    With two to four hashes a key, nearly every key is found, or found missing, by one look at either array; a binary
    search takes twenty.

    keys: int64 [keys], each once, from 0 on.
    """

    def __init__(self, keys: np.ndarray) -> None:
        self.shift = np.uint64(64 - (len(keys).bit_length() + 1))
        hashes = self._hash(keys)
        kind = smallest_type(0, len(keys) + 1)
        self.places = np.argsort(hashes, kind="stable").astype(kind)
        # Beyond the last one stands what nobody wants; numbers a little below 0 are, after contexts that are not there.
        self.keys = np.append(keys[self.places], np.iinfo(np.int64).min)
        each = np.bincount(hashes, minlength=1 << (64 - int(self.shift)))
        self.begins = np.concatenate([[0], np.cumsum(each)]).astype(kind)  # [hashes + 1]

    def _hash(self, keys: np.ndarray) -> np.ndarray:
        return ((keys.view(np.uint64) * _MULTIPLIER) >> self.shift).view(np.int64)

    def find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the wanted keys are there, in any order, and the place of each of these: int64 [found] twice.

        wanted: int64 [wanted]; what is below 0 is never there.
        """
        if not len(self.places):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        hashes = self._hash(wanted)
        at = self.begins.take(hashes)
        # Where no key has a hash, the first look is at a key of another hash, which is not the wanted one.
        same = self.keys.take(at) == wanted
        hits = [np.flatnonzero(same)]
        places = [self.places.take(at.take(hits[0]))]
        left = np.flatnonzero(~same)
        at, ends = at.take(left) + 1, self.begins.take(hashes.take(left) + 1)
        while len(left := left[more := at < ends]):
            at, ends = at[more], ends[more]
            same = self.keys.take(at) == wanted.take(left)
            hits.append(left[same])
            places.append(self.places.take(at[same]))
            # Each key stands once: what is found needs no further look.
            left, at, ends = left[~same], at[~same] + 1, ends[~same]
        return np.concatenate(hits), np.concatenate(places).astype(np.int64)
