"""The competition's split within the training rows of a fold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from pipeline.core.config import Columns
from pipeline.splits import rows as common
from pipeline.splits import splits
from pipeline.splits.inner_folds import split_within


@pytest.fixture(autouse=True)
def nothing_said_before():
    common.say.cache_clear()


def within(split, rows, classes=False, **columns):
    name, *settings = (split,) if isinstance(split, str) else split
    part = splits.build({"name": name, **(settings[0] if settings else {})}, "split")
    pairs = split_within(part, rows, Columns(**columns), classes)()
    for training, held_out in pairs:
        assert len(held_out) and not set(training) & set(held_out)
    held = [row for _, held_out in pairs for row in held_out]
    assert len(held) == len(set(held))
    return [(training.tolist(), held_out.tolist()) for training, held_out in pairs]


def held_rows(pairs):
    return sorted(row for _, held_out in pairs for row in held_out)


def test_shuffled_and_contiguous_are_split_as_they_are():
    rows = pd.DataFrame({"x": range(37)})
    for name, theirs in (("shuffled", KFold(5, shuffle=True, random_state=0)), ("contiguous", KFold(5))):
        expected = [(some.tolist(), sorted(held.tolist())) for some, held in theirs.split(rows)]
        assert within(name, rows) == expected


def test_groups_stay_together_inside_a_fold_too():
    rows = pd.DataFrame({"g": np.random.default_rng(0).integers(0, 9, 80)})
    expected = [(some.tolist(), held.tolist()) for some, held in GroupKFold(5).split(rows, groups=rows["g"])]
    assert within("grouped", rows, group="g") == expected


def test_fewer_groups_make_fewer_folds_and_one_group_is_dealt_out():
    rows = pd.DataFrame({"g": list("aabbbcc")})
    with pytest.warns(UserWarning, match="split grouped: a fold's rows allow 3 folds, not 5"):
        pairs = within("grouped", rows, group="g")
    assert sorted(held for _, held in pairs) == [[0, 1], [2, 3, 4], [5, 6]]
    one = rows.assign(g="a")
    with pytest.warns(UserWarning, match="split grouped: .* too alike"):
        pairs = within("grouped", one, group="g")
    assert len(pairs) == 5 and held_rows(pairs) == list(range(7))
    assert within("grouped", one, group="g") == pairs


def test_each_block_of_time_learns_from_earlier_rows_alone():
    rows = pd.DataFrame({"day": np.random.default_rng(0).permutation(60)})
    pairs = within("time_ordered", rows, time="day")
    order = rows["day"].argsort().to_numpy()
    expected = [(sorted(order[some]), sorted(order[held])) for some, held in TimeSeriesSplit(5).split(rows)]
    assert pairs == expected
    assert len(held_rows(pairs)) == 50  # the first block learns from nothing


@pytest.mark.filterwarnings("ignore:split time_ordered")
def test_few_times_are_cut_between_the_first_and_all_later_ones():
    rows = pd.DataFrame({"day": [3, 1, 1, 2, 1, 1, 1, 1, 1, 1]})
    assert within("time_ordered", rows, time="day") == [([1, 2, 4, 5, 6, 7, 8, 9], [0, 3])]
    assert within("time_ordered", rows.assign(day=1), time="day") == []


def test_labels_are_folds_and_rows_without_one_are_dealt_out_among_themselves():
    labels = ["b", "a", None, "c", "b", None, "a", "a", "c"] + [None] * 10
    rows = pd.DataFrame({"f": labels})
    pairs = within("column", rows, fold="f")
    assert [held for _, held in pairs[:3]] == [[1, 6, 7], [0, 4], [3, 8]]
    assert held_rows(pairs) == list(range(19)) and len(pairs) == 3 + 5
    loose = {row for row, label in enumerate(labels) if label is None}
    assert all(set(held) <= loose for _, held in pairs[3:])
    assert len(within("column", rows.assign(f=-1), fold="f")) == 5  # what a hold-out trains on
    with pytest.warns(UserWarning, match="split column: .* one label"):
        one = within("column", rows.assign(f="a"), fold="f")
    assert len(one) == 5 and held_rows(one) == list(range(19))


@pytest.mark.filterwarnings("ignore:split ")
@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("name", list(splits))
def test_no_number_of_rows_is_refused(name, count):
    rows = pd.DataFrame({"y": ["a"] * (count - 1) + ["b"], "g": range(count)})
    pairs = within(name, rows, classes=True, target="y", group="g", time="g", fold="g")
    if name == "time_ordered":
        assert held_rows(pairs) == list(range(3 if count == 8 else min(count, 1), count))
    else:
        assert held_rows(pairs) == list(range(count))
