from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams.counts import Counts, count
from pipeline.text.reserved import BOS, EOS

ROWS = st.lists(st.lists(st.integers(4, 8), max_size=7), min_size=1, max_size=8)


def by_hand(rows: list[list[int]], order: int) -> Counter[tuple[int, ...]]:
    found: Counter[tuple[int, ...]] = Counter()
    for row in rows:
        row = [BOS, *row, EOS]
        for m in range(1, order + 1):
            found.update(tuple(row[i : i + m]) for i in range(len(row) - m + 1))
    del found[BOS,]
    return found


def spelled(counts: Counts) -> dict[tuple[int, ...], int]:
    """The table as a dict, its n-grams spelled by their contexts."""
    below = [(i,) for i in range(counts.vocabulary_size)]
    found = {one: int(number) for one, number in zip(below, counts.counts[0]) if number}
    for keys, numbers in zip(counts.keys, counts.counts[1:]):
        assert (np.diff(keys) > 0).all()
        below = [(*below[key // counts.vocabulary_size], key % counts.vocabulary_size) for key in keys.tolist()]
        found |= dict(zip(below, numbers.tolist()))
    return found


@given(ROWS, st.integers(1, 6), st.integers(1, 40))
def test_counts_are_those_of_a_counter_whatever_the_blocks(rows, order, block):
    """Blocks of a single position too: every n-gram then spans several."""
    assert spelled(count(Ragged.from_lists(rows), 9, order, block)) == dict(by_hand(rows, order))


def test_n_grams_wider_than_an_integer_are_counted(rows=40):
    generator = np.random.default_rng(0)
    size = 1 << 21  # three tokens to an integer
    lists = [generator.choice([4, 5, size - 2, size - 1], generator.integers(0, 30)).tolist() for _ in range(rows)]
    found = count(Ragged.from_lists(lists), size, 8)
    assert spelled(found) == dict(by_hand(lists, 8))


@given(ROWS, st.integers(2, 5), st.integers(1, 40))
def test_suffixes_are_the_n_grams_without_their_first_token(rows, order, block):
    counts = count(Ragged.from_lists(rows), 9, order, block)
    places = [{(i,): i for i in range(9)}]
    for keys in counts.keys:
        below = list(places[-1])
        places.append({(*below[key // 9], key % 9): i for i, key in enumerate(keys.tolist())})
    for shorter, longer, suffixes in zip(places, places[1:], counts.suffixes):
        assert [shorter[gram[1:]] for gram in longer] == suffixes.tolist()


def test_rows_that_overlap_and_repeat_are_counted_as_they_are():
    windows = Ragged(np.array([4, 5, 6, 7]), np.array([0, 1, 1]), np.array([3, 4, 4]))
    assert spelled(count(windows, 9, 3)) == dict(by_hand([[4, 5, 6], [5, 6, 7], [5, 6, 7]], 3))


def test_the_order_is_no_more_than_the_longest_row():
    counts = count(Ragged.from_lists([[4, 5], [4]]), 9, 20)
    assert counts.order == 4 and counts.asked == 20  # begin, 4, 5, end


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="at least one row"):
        count(Ragged.from_lists([]), 9, 2)


@pytest.mark.parametrize("token", [0, BOS, 9])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(ValueError, match="without padding and begin"):
        count(Ragged.from_lists([[4, token]]), 9, 2)
