"""Counts of n-grams of all orders, in sorted arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams.marked import Marked
from pipeline.text.reserved import BOS, PAD

BLOCK = 1 << 21
"""Positions that are sorted at once, which takes about 60 bytes for each."""


@dataclass(frozen=True)
class Counts:
    """n-grams of orders 1 to n and how often each was seen.

    An n-gram is the place of its context, its first n - 1 tokens, among those of the order below, and its last token:
    one integer whatever the order, ``context * vocabulary_size + token``. Places follow the order of the tokens, so
    that all that follows one context stands together.

    vocabulary_size: also how many n-grams of order 1 there are, seen or not, each at its token's place.
    keys: for orders 2 to n, int64 [n-grams], ascending.
    suffixes: for orders 2 to n, integers [n-grams]: the place of each without its first token in the order below.
    counts: for orders 1 to n, int64 [n-grams]. Padding and begin count 0: no model foretells them.
    asked: the order that was asked for; n is less where no row is that long.
    """

    vocabulary_size: int
    keys: tuple[np.ndarray, ...]
    suffixes: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    asked: int

    @property
    def order(self) -> int:
        return len(self.counts)

    def contexts(self, order: int) -> np.ndarray:
        """[n-grams]: the place of each context among n-grams of the order below. order: 2 to n."""
        return self.keys[order - 2] // self.vocabulary_size

    def begin_rows(self) -> tuple[np.ndarray, ...]:
        """For orders 1 to n, bool [n-grams]: whether it begins with the begin of a row."""
        found = [np.arange(self.vocabulary_size) == BOS]
        for order in range(2, self.order + 1):
            found.append(found[-1][self.contexts(order)])
        return tuple(found)


def count(rows: Ragged, vocabulary_size: int, order: int, block: int = BLOCK) -> Counts:
    """Counts of all n-grams up to ``order``, in one pass over the rows.

    Each row begins with one begin, which is context and never foretold, and its end is foretold as a token is (as
    SRILM and KenLM have it). Blocks of positions are sorted each by itself and merged two by two when of like size, so
    that memory, beside the rows, is a block's and, while two are merged, about four times that of the counts.

    rows: token indices without marks. order: >= 1. block: positions, >= 1.
    Raises UserError where there is no row, ValueError where a row holds padding, begin, or no index.
    """
    if not len(rows):
        raise UserError("n-grams are counted in at least one row, got none")
    marked = Marked(rows, vocabulary_size)
    merged: list[Counts] = []
    for begin in range(0, marked.positions, block):
        tokens = marked.tokens(begin, min(begin + block, marked.positions) + order - 1)
        merged.append(_count_block(tokens, vocabulary_size, order))
        while len(merged) > 1 and _size(merged[-2]) <= 2 * _size(merged[-1]):
            merged[-2:] = [_merge(*merged[-2:])]
    while len(merged) > 1:
        merged[-2:] = [_merge(*merged[-2:])]
    found = merged[0]
    longer = sum(len(keys) > 0 for keys in found.keys)
    return replace(found, keys=found.keys[:longer], suffixes=found.suffixes[:longer], counts=found.counts[: longer + 1])


def _size(counts: Counts) -> int:
    return sum(map(len, counts.counts))


def _count_block(tokens: np.ndarray, vocabulary_size: int, order: int) -> Counts:
    """tokens: [positions + order - 1]; the n-grams that begin at the positions. What begins behind them, down to the
    last token, is the suffix of some, and stands in the block with count 0: the next block has it."""
    windows = len(tokens)
    positions = windows - order + 1
    padded = np.concatenate([tokens, np.full(order - 1, PAD)]).astype(np.int32)  # [windows + order - 1]
    order_of = _sorted_windows(padded, windows, order, vocabulary_size)  # [windows]
    singles = np.bincount(tokens[:positions], minlength=vocabulary_size)
    singles[[PAD, BOS]] = 0
    all_keys, all_suffixes, all_counts = [], [], [singles]
    new = np.zeros(windows, bool)  # where an n-gram of the order at hand begins that differs from the one before
    new[0] = True
    whole = np.ones(windows, bool)  # where it holds no padding
    places = at = np.empty(0, np.int32)  # of the order below: in sorted order, and by position
    for m in range(1, order + 1):
        last = padded.take(order_of + (m - 1))  # [windows]
        new[1:] |= last[1:] != last[:-1]
        whole &= last != PAD
        if m == 1:
            places, at = last, padded
            continue
        begins = np.flatnonzero(new)
        kept = whole.take(begins)
        firsts = begins[kept]  # [n-grams]
        all_keys.append(places.take(firsts).astype(np.int64) * vocabulary_size + last.take(firsts))
        all_suffixes.append(at.take(order_of.take(firsts) + 1))
        places = np.cumsum(new & whole, dtype=np.int32) - 1  # [windows], right where whole
        at = np.empty(windows, np.int32)
        at[order_of] = np.where(whole, places, -1)
        lengths = np.diff(begins, append=windows)[kept]
        behind = at[positions:]
        np.subtract.at(lengths, behind[behind >= 0], 1)
        all_counts.append(lengths)
    return Counts(vocabulary_size, tuple(all_keys), tuple(all_suffixes), tuple(all_counts), order)


def _sorted_windows(padded: np.ndarray, windows: int, order: int, vocabulary_size: int) -> np.ndarray:
    """int32 [windows], sorted by the ``order`` tokens that begin there: a counting sort by each token, the last first
    (radix sort; Knuth, The Art of Computer Programming 3, 5.2.5). SciPy makes one of it that turns rows of one element
    each into columns, in a fifteenth of the time of a sort of integers."""
    from scipy.sparse import csr_array

    found = np.arange(windows, dtype=np.int32)
    rows = np.arange(windows + 1, dtype=np.int32)
    for m in reversed(range(order)):
        column = padded.take(found + m)  # [windows]
        found = csr_array((found, column, rows), shape=(windows, vocabulary_size)).tocsc().data
    return found


def _merge(first: Counts, second: Counts) -> Counts:
    size = np.int64(first.vocabulary_size)
    keys, suffixes, counts = [], [], [first.counts[0] + second.counts[0]]
    moved: tuple[np.ndarray, np.ndarray] | None = None  # places of the order below, in the merged order
    for m in range(len(first.keys)):
        pair, shorter = [first.keys[m], second.keys[m]], [first.suffixes[m], second.suffixes[m]]
        if moved is not None:
            # Places move, and stay in their order, so the keys stay ascending.
            pair = [where[one // size] * size + one % size for where, one in zip(moved, pair)]
            shorter = [where[one] for where, one in zip(moved, shorter)]
        both = np.concatenate(pair)
        order_of = np.argsort(both, kind="stable")  # two ascending runs
        both = both[order_of]
        new = np.diff(both, prepend=-1) > 0
        begins = np.flatnonzero(new)
        places = np.empty(len(both), np.min_scalar_type(-len(both)))
        places[order_of] = np.cumsum(new) - 1
        moved = places[: len(pair[0])], places[len(pair[0]) :]
        keys.append(both[begins])
        suffixes.append(np.concatenate(shorter)[order_of[begins]])
        total = np.concatenate([first.counts[m + 1], second.counts[m + 1]])[order_of]
        counts.append(np.add.reduceat(total, begins) if len(begins) else total)
    return replace(first, keys=tuple(keys), suffixes=tuple(suffixes), counts=tuple(counts))
