"""Splits against scikit-learn's own."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

from pipeline.core.config import Columns
from pipeline.core.errors import UserError
from pipeline.splits import splits
from pipeline.splits.inner_folds import split_within


def build(name, **body):
    return splits.build({"name": name, **body}, "competitions.x.split")


def same_folds(fold, pairs):
    for k, (_, valid) in enumerate(pairs):
        assert np.flatnonzero(fold == k).tolist() == sorted(valid.tolist())
    assert fold.dtype == np.int64
    assert fold.max() == len(pairs) - 1


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": random.normal(size=103),
            "kind": random.choice(["a", "b", "c"], 103, p=[0.6, 0.3, 0.1]),
            "price": random.lognormal(size=103),
            "house": random.integers(0, 20, 103),
            "day": random.permutation(103),
        }
    )


@pytest.mark.parametrize(("folds", "seed"), [(5, 0), (2, 7), (10, 3)])
def test_shuffled_is_kfold_row_for_row(rows, folds, seed):
    fold = build("shuffled", folds=folds, seed=seed).assign(rows, Columns(), False)
    same_folds(fold, list(KFold(folds, shuffle=True, random_state=seed).split(rows)))


def test_contiguous_is_kfold_in_file_order(rows):
    same_folds(build("contiguous", folds=5).assign(rows, Columns(), False), list(KFold(5).split(rows)))


def test_stratified_is_stratified_kfold(rows):
    fold = build("stratified", folds=5, seed=1).assign(rows, Columns(target="kind"), True)
    same_folds(fold, list(StratifiedKFold(5, shuffle=True, random_state=1).split(rows, rows["kind"])))


def test_stratified_spreads_a_numeric_target_by_quantiles(rows):
    split = build("stratified", folds=5, bins=4)
    fold = split.assign(rows, Columns(target="price"), False)
    bins = pd.qcut(rows["price"], 4, labels=False)
    counts = pd.crosstab(fold, bins).to_numpy()
    assert counts.sum() == len(rows)
    assert counts.max() - counts.min() <= 2


def test_stratified_takes_few_rows_of_a_numeric_target():
    rows = pd.DataFrame({"y": [3.0, 1.0, 2.0, 2.0, 5.0]})
    assert sorted(build("stratified", folds=5).assign(rows, Columns(target="y"), False)) == [0, 1, 2, 3, 4]


def test_stratified_warns_of_rare_classes_in_one_line():
    rows = pd.DataFrame({"y": ["a"] * 20 + ["b"] * 20 + ["rare"] * 2})
    with pytest.warns(UserWarning, match=r"some folds validate no row of 'rare' \(2 rows\)") as caught:
        fold = build("stratified").assign(rows, Columns(target="y"), True)
    assert len(caught) == 1
    assert set(fold) == {0, 1, 2, 3, 4}


def test_stratified_refuses_nothing_but_rare_classes():
    rows = pd.DataFrame({"y": list("aabbcc")})
    with pytest.raises(UserError, match="largest has 2 rows for 5 folds"):
        build("stratified").assign(rows, Columns(target="y"), True)


@pytest.mark.parametrize("shuffle", [False, True])
def test_grouped_is_group_kfold(rows, shuffle):
    seed = {"seed": 2} if shuffle else {}
    fold = build("grouped", folds=4, shuffle=shuffle, **seed).assign(rows, Columns(group="house"), False)
    reference = GroupKFold(4, shuffle=shuffle, random_state=2 if shuffle else None)
    same_folds(fold, list(reference.split(rows, groups=rows["house"])))
    assert (pd.Series(fold).groupby(rows["house"]).nunique() == 1).all()


def test_grouped_refuses_a_seed_that_nothing_is_drawn_by():
    with pytest.raises(UserError, match=r"split: seed is of shuffled groups.*set shuffle: true") as caught:
        build("grouped", seed=4)
    assert "\n" not in str(caught.value)
    assert build("grouped", seed=0).seed == 0 and build("grouped", shuffle=True, seed=4).seed == 4


def test_stratified_cuts_each_of_several_targets_into_as_many_bins_as_it_says(rows):
    rows, columns = rows.assign(cost=rows["price"] ** 2 + rows["x"]), Columns(target=("price", "cost"))
    two = build("stratified", folds=3, bins=2).assign(rows, columns, False)
    for name in columns.targets:
        counts = pd.crosstab(two, pd.qcut(rows[name], 2, labels=False)).to_numpy()
        assert counts.max() - counts.min() <= 2
    plain, five, ten = (
        build("stratified", folds=3, **bins).assign(rows, columns, False) for bins in ({}, {"bins": 5}, {"bins": 10})
    )
    np.testing.assert_array_equal(plain, five)
    assert (two != five).any() and (ten != five).any()


def test_stratified_refuses_bins_of_classes(rows):
    with pytest.raises(UserError, match="bins are of a numeric target, and 'kind' holds classes; leave bins out"):
        build("stratified", bins=4).assign(rows, Columns(target="kind"), True)
    with pytest.raises(UserError, match="bins are of a numeric target, and 'kind', 'sort' hold classes"):
        build("stratified", bins=4).assign(rows.assign(sort=rows["kind"]), Columns(target=("kind", "sort")), False)
    labels = rows.assign(wet=(rows["x"] > 0).astype(float), cold=(rows["price"] > rows["price"].median()).astype(float))
    with pytest.raises(UserError, match="bins are of a numeric target, and 'wet', 'cold' hold classes"):
        build("stratified", bins=4).assign(labels, Columns(target=("wet", "cold")), False)


def test_grouped_takes_texts(rows):
    named = rows.assign(house="h" + rows["house"].astype(str))
    fold = build("grouped").assign(named, Columns(group="house"), False)
    assert (pd.Series(fold).groupby(named["house"]).nunique() == 1).all()


@pytest.mark.parametrize(
    "body", [{"name": "shuffled", "folds": 3, "seed": 4}, {"name": "holdout", "part": 0.3, "seed": 4}]
)
def test_rows_alike_stay_on_one_side(rows, body):
    """Translations of one sentence, say; where none stands a row is alike no other."""
    texts = pd.Series([f"text {house}" for house in rows["house"]], dtype="str").where(rows.index % 10 > 0)
    split = splits.build({**body, "alike": "english"}, "s")
    fold = split.assign(rows.assign(english=texts), Columns(), False)
    assert (pd.Series(fold).groupby(texts).nunique() == 1).all()
    assert len(set(fold)) > 1 and pd.Series(fold)[texts.isna()].nunique() > 1
    if body["name"] == "shuffled":
        values = texts.fillna(pd.Series([f"own {i}" for i in rows.index]))
        assert np.ptp(values.groupby(fold).nunique()) <= 1
    else:
        assert 0.2 < (fold == 0).mean() < 0.4
    for train, valid in split_within(split, rows.assign(english=texts), Columns(), False)():
        assert not set(texts[train].dropna()) & set(texts[valid].dropna())
    with pytest.raises(UserError, match="alike: no column 'englsh' in the training rows; did you mean 'english'"):
        splits.build({**body, "alike": "englsh"}, "s").assign(rows.assign(english=texts), Columns(), False)


def test_time_ordered_is_time_series_split_on_sorted_rows(rows):
    split = build("time_ordered", folds=5)
    fold = split.assign(rows, Columns(time="day"), False)
    order = np.argsort(rows["day"].to_numpy())
    for k, (train, valid) in enumerate(TimeSeriesSplit(5).split(order)):
        assert set(np.flatnonzero(fold == k)) == set(order[valid])
        assert set(np.flatnonzero(split.training_rows(fold, k))) == set(order[train])
    assert (fold == -1).any()


def test_time_ordered_never_learns_from_the_future_nor_from_the_same_moment():
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.random.default_rng(0).integers(0, 15, 200), unit="D")
    for column in (days, days.strftime("%Y-%m-%d"), days.strftime("%d/%m/2024"), days.day.astype(str)):
        rows = pd.DataFrame({"when": column})
        split = build("time_ordered", folds=3)
        fold = split.assign(rows, Columns(time="when"), False)
        for k in range(3):
            assert days[split.training_rows(fold, k)].max() < days[fold == k].min()


def test_column_keeps_own_folds_in_sorted_order():
    rows = pd.DataFrame({"f": [10, 9, 9, 10, 11]})
    split = build("column")
    fold = split.assign(rows, Columns(fold="f"), False)
    assert fold.tolist() == [1, 0, 0, 1, 2]
    assert split.training_rows(fold, 0).tolist() == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "-1", None], [1, 0, -1, -1]),
        (["b", "a", "-1", None, "b"], [1, 0, -1, -1, 1]),
        ([1.0, -1.0, np.nan, 2.0], [0, -1, -1, 1]),
        ([True, False, True], [1, 0, 1]),
        (["valid", None, "valid"], [0, -1, 0]),
    ],
)
def test_column_reads_labels_and_rows_that_only_train(labels, expected):
    fold = build("column").assign(pd.DataFrame({"f": labels}), Columns(fold="f"), False)
    assert fold.tolist() == expected
    assert fold.dtype == np.int64


@pytest.mark.parametrize("name", ["shuffled", "contiguous", "stratified", "grouped", "column"])
def test_rows_train_for_every_fold_but_their_own(rows, name):
    split = build(name)
    columns = Columns(target="kind", group="house", fold="house")
    fold = split.assign(rows, columns, True)
    assert fold.min() >= 0
    for k in range(fold.max() + 1):
        assert (split.training_rows(fold, k) == (fold != k)).all()


@pytest.mark.parametrize("name", ["shuffled", "stratified", "grouped"])
def test_assigning_twice_gives_the_same(rows, name):
    columns = Columns(target="kind", group="house")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (build(name).assign(rows, columns, True) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("name", ["shuffled", "contiguous", "stratified", "grouped"])
def test_fewer_rows_than_folds_names_both_numbers(name):
    rows = pd.DataFrame({"y": [1.0, 2, 3], "g": [1, 2, 3]})
    with pytest.raises(UserError, match="3 rows for 5 folds"):
        build(name).assign(rows, Columns(target="y", group="g"), False)


@pytest.mark.parametrize("name", ["shuffled", "contiguous", "stratified", "grouped", "time_ordered"])
def test_one_fold_is_refused_with_key_and_value(name):
    with pytest.raises(UserError, match=r"competitions\.x\.split\.folds: .*2, got 1"):
        build(name, folds=1)


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("grouped", Columns(), "needs the setting columns.group"),
        ("grouped", Columns(group="hose"), "no column 'hose'.*did you mean 'house'"),
        ("grouped", Columns(group="gap"), "1 missing, the first in row 3"),
        ("grouped", Columns(group="two"), "2 groups for 5 folds"),
        ("time_ordered", Columns(), "needs the setting columns.time"),
        ("time_ordered", Columns(time="word"), "numbers or dates of one form, got 'w' in row 2"),
        ("time_ordered", Columns(time="two"), "2 different times"),
        ("column", Columns(), "needs the setting columns.fold"),
        ("column", Columns(fold="one"), "needs at least two folds"),
    ],
)
def test_faults_name_the_rule_and_the_value(rows, name, columns, message):
    rows = rows.assign(two=[0, 1] * 51 + [0], one=1, word="w", gap=rows["house"].astype(float))
    rows.loc[1, "gap"] = np.nan
    with pytest.raises(UserError, match=message) as caught:
        build(name).assign(rows, columns, False)
    assert "\n" not in str(caught.value)


def test_a_holdout_has_its_part_of_every_class(rows):
    fold = build("holdout", part=0.2, seed=3).assign(rows, Columns(target="kind"), True)
    assert set(fold) == {-1, 0} and (fold == 0).sum() == round(0.2 * len(rows))
    held, all_rows = rows["kind"][fold == 0].value_counts(), rows["kind"].value_counts()
    assert all(abs(held[kind] - 0.2 * all_rows[kind]) <= 1 for kind in "abc")
    other = build("holdout", part=0.2, seed=4).assign(rows, Columns(target="kind"), True)
    assert (fold != other).any()


def test_a_holdout_of_the_last_rows_is_by_time_where_there_is_one(rows):
    last = build("holdout", part=0.1, rows="last")
    assert np.flatnonzero(last.assign(rows, Columns(), False) == 0).tolist() == list(range(93, 103))
    fold = last.assign(rows, Columns(time="day"), False)
    assert sorted(rows["day"][fold == 0]) == list(range(93, 103))


def test_a_holdout_keeps_groups_whole(rows):
    fold = build("holdout", part=0.25).assign(rows, Columns(group="house"), False)
    assert not set(rows["house"][fold == 0]) & set(rows["house"][fold == -1])
    assert 0.25 <= (fold == 0).mean() < 0.4


def test_a_holdout_without_a_row_is_refused(rows):
    with pytest.raises(UserError, match=r"0 of 103 held out by part 0\.001; change part"):
        build("holdout", part=0.001).assign(rows, Columns(), False)
