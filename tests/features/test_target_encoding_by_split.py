"""Target encoding inside a fold goes by the competition's own split."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import TargetEncoder

from pipeline.core.config import Columns
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.splits import splits
from pipeline.splits.inner_folds import split_within

SCHEMA = Schema(None, "y", (Column("x", "number"), Column("c", "category")))
COLUMNS = Columns(target="y", group="group", time="day", fold="group")
TARGETED = {"name": "tabular", "categories": "target", "scale": "none", "precision": "double"}


def nested(groups=60, size=20, seed=0):
    """Each group has three categories of its own, so that a category tells who the group is."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    effect = random.normal(size=groups)[group]
    return pd.DataFrame(
        {
            "x": effect + random.normal(0, 0.7, len(group)),
            "c": pd.Series([f"c{g}-{k}" for g, k in zip(group, random.integers(0, 3, len(group)))], dtype="str"),
            "group": group,
            "day": random.permutation(len(group)),
            "y": effect + random.normal(0, 0.5, len(group)),
        }
    )


def encoded(split, rows, schema=SCHEMA, **settings):
    encoder = features.build({**TARGETED, **settings}, "x").fit(rows, schema, seed=0)
    folds = split_within(split, rows, COLUMNS, bool(schema.classes))
    return encoder, encoder.encode(rows, training=folds)["numbers"]


def error_of_ridge(rows, split, inner, **settings):
    """Root mean squared error over the folds of ``split``, the encoder cross-fitted by ``inner``."""
    fold = split.assign(rows, COLUMNS, False)
    squares = []
    for k in range(fold.max() + 1):
        train, valid = (rows[mask].reset_index(drop=True) for mask in (split.training_rows(fold, k), fold == k))
        encoder, numbers = encoded(inner, train, **settings)
        model = Ridge().fit(numbers, train["y"])
        squares.append(np.square(model.predict(encoder.encode(valid)["numbers"]) - valid["y"]))
    return float(np.sqrt(np.concatenate(squares).mean()))


@pytest.mark.parametrize("name", ["grouped", "column"])
def test_a_category_nested_in_groups_does_not_mislead(name):
    rows = nested()
    split = splits.build({"name": name}, "split")
    if name == "column":
        rows["group"] %= 6
        rows["c"] = [f"{c.split('-')[0]}" for c in rows["c"]]
    random = splits.build("shuffled", "split")
    plain = error_of_ridge(rows, split, split, categories="none")
    assert error_of_ridge(rows, split, random) > 1.15 * plain
    assert error_of_ridge(rows, split, split) < 1.01 * plain


def test_rows_in_time_are_encoded_from_earlier_rows_alone():
    rows = nested(groups=8, size=30)
    split = splits.build({"name": "time_ordered", "folds": 4}, "split")
    _, numbers = encoded(split, rows)
    fold = split.assign(rows, COLUMNS, False)
    for k in range(4):
        before, block = rows[fold < k], rows[fold == k]
        expected = TargetEncoder(target_type="continuous").fit(before[["c"]], before["y"]).transform(block[["c"]])
        np.testing.assert_allclose(numbers[fold == k, 1], expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(numbers[fold == -1, 1], rows["y"][fold >= 0].mean(), rtol=1e-12)
    later = rows.assign(y=rows["y"] + 100.0 * (fold == 3))
    np.testing.assert_array_equal(encoded(split, later)[1][(fold >= 0) & (fold < 4), 1], numbers[fold >= 0, 1])


def test_no_row_is_encoded_from_its_own_target():
    """Whatever the split: another target of a row changes the encoding of others alone."""
    rows = nested(groups=6, size=10)
    for name in splits:
        split = splits.build({"name": name, **({} if name in ("column", "holdout") else {"folds": 3})}, "split")
        if name == "stratified":
            continue  # it splits by the target itself
        before = encoded(split, rows)[1][:, 1]
        for row in (0, 17, 42):
            changed = rows.assign(y=np.where(rows.index == row, 50.0, rows["y"]))
            assert encoded(split, changed)[1][row, 1] == before[row], name


@pytest.mark.parametrize("classes", [("no", "yes"), ("a", "b", "c")])
def test_classes_that_the_earlier_rows_lack_have_a_column_all_the_same(classes):
    rows = nested(groups=5, size=20)
    rows["y"] = np.array(classes)[pd.qcut(rows["day"], len(classes), labels=False)]  # one class after another
    schema = Schema(None, "y", SCHEMA.columns, classes=classes, target_kind="class")
    encoder, numbers = encoded(splits.build({"name": "time_ordered"}, "split"), rows, schema)
    assert numbers.shape[1] == len(encoder.spec.names["numbers"]) == 1 + (1 if len(classes) == 2 else 3)
    means = numbers[:, 1:]
    assert np.isfinite(means).all() and means.min() >= 0 and means.max() <= 1


def test_the_state_holds_no_fold_of_a_row():
    few, many = nested(groups=4, size=10), nested(groups=4, size=1000)
    sizes = [len(json.dumps(encoded(splits.build("shuffled", "s"), rows)[0].state())) for rows in (few, many)]
    assert sizes[1] < 1.3 * sizes[0]


def test_rows_of_one_time_are_all_encoded_alike():
    rows = nested(groups=4, size=10).assign(day=1)
    with pytest.warns(UserWarning, match="split time_ordered"):
        from pipeline.splits import rows as common

        common.say.cache_clear()
        _, numbers = encoded(splits.build("time_ordered", "split"), rows)
    assert np.ptp(numbers[:, 1]) == 0
