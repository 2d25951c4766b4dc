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
    counts: for orders 1 to n, int64 [n-grams]. Padding and begin count 0: no model foretells them.
    asked: the order that was asked for; n is less where no row is that long.
    """

    vocabulary_size: int
    keys: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    asked: int

    @property
    def order(self) -> int:
        return len(self.counts)

    def contexts(self, order: int) -> np.ndarray:
        """[n-grams]: the place of each context among n-grams of the order below. order: 2 to n."""
        return self.keys[order - 2] // self.vocabulary_size

    def suffixes(self) -> tuple[np.ndarray, ...]:
        """For orders 2 to n, [n-grams]: the place of each n-gram without its first token in the order below."""
        found: list[np.ndarray] = []
        for order, keys in enumerate(self.keys, start=2):
            tokens = keys % self.vocabulary_size
            if order > 2:
                shorter = found[-1][keys // self.vocabulary_size] * self.vocabulary_size + tokens
                tokens = np.searchsorted(self.keys[order - 3], shorter)
            found.append(tokens)
        return tuple(found)

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
    reached = 1 + sum(len(keys) > 0 for keys in found.keys)
    return replace(found, keys=found.keys[: reached - 1], counts=found.counts[:reached])


def _size(counts: Counts) -> int:
    return sum(map(len, counts.counts))


def _count_block(tokens: np.ndarray, vocabulary_size: int, order: int) -> Counts:
    """tokens: [positions + order - 1]; the n-grams that begin at the positions."""
    positions = len(tokens) - order + 1
    sorted_positions = _sorted_windows(tokens, positions, order, vocabulary_size)  # [positions]
    singles = np.bincount(tokens[:positions], minlength=vocabulary_size)
    singles[[PAD, BOS]] = 0
    all_keys, all_counts = [], [singles]
    new = np.zeros(positions, bool)  # where an n-gram of the order at hand begins that differs from the one before
    new[0] = True
    whole = np.ones(positions, bool)  # where it holds no padding
    places = np.empty(0, np.int64)
    for m in range(1, order + 1):
        last = tokens[sorted_positions + m - 1]  # [positions]
        new[1:] |= last[1:] != last[:-1]
        whole &= last != PAD
        if m == 1:
            places = last
            continue
        begins = np.flatnonzero(new)
        lengths = np.diff(begins, append=positions)
        kept = whole[begins]
        firsts = begins[kept]  # [n-grams]
        all_keys.append(places[firsts] * vocabulary_size + last[firsts])
        all_counts.append(lengths[kept])
        if m < order:
            places = np.cumsum(new & whole) - 1  # [positions], right where whole
    return Counts(vocabulary_size, tuple(all_keys), tuple(all_counts), order)


def _sorted_windows(tokens: np.ndarray, positions: int, order: int, vocabulary_size: int) -> np.ndarray:
    """[positions], sorted by the ``order`` tokens that begin there. As many tokens as fit are packed into an integer;
    the ranks of these integers make room for more."""
    width = bits = max((vocabulary_size - 1).bit_length(), 1)
    packed = tokens[:positions].copy()
    for m in range(1, order):
        if width + bits > 63:
            order_of = np.argsort(packed)
            sorted_packed = packed[order_of]
            ranks = np.cumsum(np.diff(sorted_packed, prepend=sorted_packed[0]) > 0)
            packed[order_of] = ranks
            width = max(int(ranks[-1]).bit_length(), 1)
        packed <<= bits
        packed |= tokens[m : m + positions]
        width += bits
    return np.argsort(packed)


def _merge(first: Counts, second: Counts) -> Counts:
    size = first.vocabulary_size
    keys, counts = [], [first.counts[0] + second.counts[0]]
    moved: tuple[np.ndarray, np.ndarray] | None = None  # places of the order below, in the merged order
    for m in range(len(first.keys)):
        pair = [first.keys[m], second.keys[m]]
        if moved is not None:
            # Places move, and stay in their order, so the keys stay ascending.
            pair = [where[one // size] * size + one % size for where, one in zip(moved, pair)]
        both = np.concatenate(pair)
        order_of = np.argsort(both, kind="stable")  # two ascending runs
        both = both[order_of]
        new = np.diff(both, prepend=-1) > 0
        begins = np.flatnonzero(new)
        places = np.empty(len(both), np.int64)
        places[order_of] = np.cumsum(new) - 1
        moved = places[: len(pair[0])], places[len(pair[0]) :]
        keys.append(both[begins])
        total = np.concatenate([first.counts[m + 1], second.counts[m + 1]])[order_of]
        counts.append(np.add.reduceat(total, begins) if len(begins) else total)
    return Counts(size, tuple(keys), tuple(counts), first.asked)
