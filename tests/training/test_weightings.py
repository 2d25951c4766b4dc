"""Every weighting of the shelf: what it learns comes of both files' rows, and of the labels it may look at, alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.core.types import Column, Schema
from pipeline.core.weighting.base import BothFiles
from pipeline.core.weighting.importance import effective, repeated, weighted_score
from pipeline.metrics import metrics
from pipeline.training.weighting import weightings
from pipeline.training.weighting.density_ratio import clipped
from pipeline.training.weighting.label_shift import corrected

COLUMNS = (Column("number", "number"), Column("category", "category"), Column("text", "text"))
SCHEMA = Schema(id=None, target="class", columns=COLUMNS, classes=("maybe", "no", "yes"), target_kind="class")


def both_files(share: float) -> BothFiles:
    """400 rows a file, of the classes in equal parts, and with this share of the last one in the test file."""
    generator = np.random.default_rng(0)
    rest = (1 - share) / 2
    label = np.append(generator.integers(0, 3, 400), generator.choice(3, 400, p=[rest, rest, share]))
    rows = pd.DataFrame(
        {
            "number": np.where(generator.random(800) < 0.1, np.nan, label * 2 + generator.normal(size=800)),
            "category": pd.Series(generator.choice(["a", "b"], 800), dtype="str"),
            "text": pd.Series([f"word{i % 7} {'odd' if i == 2 else 'even'}" for i in label], dtype="str"),
            "class": np.array(SCHEMA.classes)[label],
        }
    )
    return BothFiles(rows[:400], rows[400:].drop(columns="class").reset_index(drop=True), SCHEMA)


@pytest.mark.parametrize("name", list(weightings))
def test_weights_come_of_the_rows_alone_and_the_same_each_time(name):
    files, part, training = both_files(0.7), weightings.build(name, "weights"), np.arange(50, 400)
    learned = part.learn(files, training)
    weights = part.weights(learned, files)
    assert weights.shape == (400,) and np.isfinite(weights).all() and (weights > 0).all() and weights.std() > 0.1
    assert np.isfinite(part.flattened(weights)).all()
    json.dumps(part.told(learned, SCHEMA))
    others = files.train.assign(**{"class": ["yes"] * 50 + files.train["class"][50:].tolist()})
    again = part.learn(replace(files, train=others), training)
    assert again.keys() == learned.keys()
    for key, values in learned.items():
        np.testing.assert_array_equal(again[key], values)


@pytest.mark.parametrize("name", list(weightings))
def test_files_of_one_distribution_weigh_alike(name):
    files, part = both_files(1 / 3), weightings.build(name, "weights")
    weights = part.weights(part.learn(files, np.arange(400)), files)
    assert weights == pytest.approx(np.ones(400), abs=0.35)


def test_shares_of_three_classes_are_found_and_answered_for():
    files, part = both_files(0.7), weightings.build("label_shift", "weights")
    learned = part.learn(files, np.arange(400))
    told = part.told(learned, SCHEMA)["classes"]
    assert [told[level]["test"] for level in SCHEMA.classes] == pytest.approx([0.15, 0.15, 0.7], abs=0.08)
    before = pd.DataFrame([[0.2, 0.5, 0.3]], columns=list(SCHEMA.classes))
    moved = np.array([0.2, 0.5, 0.3]) * learned["ratios"]
    np.testing.assert_allclose(corrected(before, part.ratios(learned)), [moved / moved.sum()])
    assert corrected(before, None) is before


def test_the_largest_weights_are_cut_to_one_bound():
    ratio = np.exp(2 * np.random.default_rng(0).normal(size=500))
    for most in (1.5, 5.0, 50.0):
        weights = clipped(ratio, most)
        assert weights.mean() == pytest.approx(1)
        assert weights.max() == pytest.approx(min(most, ratio.max() / ratio.mean()))
        below = weights < weights.max()
        np.testing.assert_allclose(weights[below] / weights[below][0], ratio[below] / ratio[below][0])


def test_a_metric_of_rows_as_often_as_they_count():
    generator = np.random.default_rng(0)
    weights = generator.gamma(1.0, size=3000)
    target = pd.Series(generator.normal(size=3000))
    told = pd.DataFrame({"prediction": target + generator.normal(size=3000) * (1 + weights)})
    exact = np.sqrt(np.average((told["prediction"] - target) ** 2, weights=weights))
    assert weighted_score(metrics.build("rmse", "m").score, target, told, weights) == pytest.approx(exact, rel=0.01)
    assert np.bincount(repeated(np.array([1.0, 2.0, 0.0, 1.0]))).tolist() == [4, 8, 0, 4]
    assert effective(np.ones(10)) == 1 and effective(np.array([1.0, 0, 0, 0])) == 0.25
