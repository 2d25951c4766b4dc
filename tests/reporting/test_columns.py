"""The report's columns: what fitted encoders read, by way of what became of each raw column."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from test_page import DATA, Page

from pipeline.features import features
from pipeline.features.schema import apply
from pipeline.features.settling import settle
from pipeline.reporting.columns import columns_read
from pipeline.reporting.page import build_page


@pytest.fixture(scope="module")
def passengers() -> pd.DataFrame:
    random = np.random.default_rng(0)
    count = 120
    return pd.DataFrame(
        {
            "PassengerId": range(1, count + 1),
            "Survived": random.integers(0, 2, count),
            "Name": [f"Mr. {chr(65 + i % 26)}{i} of the {chr(65 + i % 7)} family" for i in range(count)],
            "Sex": random.choice(["male", "female"], count),
            "Deck": [f"D{i % 30}" for i in range(count)],
            "Born": [f"19{i % 90 + 10}-0{i % 9 + 1}-1{i % 9}" for i in range(count)],
            "Fare": random.normal(30, 9, count).round(2),
            "Ship": "Titanic",
            "Family": random.integers(0, 40, count),
        }
    )


def settled(passengers: pd.DataFrame, sets: dict[str, dict]) -> dict:
    schema = settle(
        passengers,
        None,
        id="PassengerId",
        target="Survived",
        keep=("Family",),
        target_kind="class",
        types={"Deck": "category"},
    )
    rows = apply(schema, passengers, training=True, where="train")
    parts = {name: features.build(body, name) for name, body in sets.items()}
    encoders = {name: part.restore(part.fit(rows, schema, 0).state(), schema) for name, part in parts.items()}
    return columns_read(schema, encoders)


def test_what_no_encoder_reads_is_told_with_the_reason(passengers):
    found = settled(passengers, {"book": {"name": "tabular", "many": {"above": 10, "how": "none"}}})
    assert found == {
        "read": [{"sets": ["book"], "columns": ["Sex", "Born", "Fare"]}],
        "dropped": {
            "Ship": "constant: always Titanic",
            "Family": "no feature: the split goes by it",
            "Name": "free text, which no feature set of a model reads",
            "Deck": "categories, which no feature set of a model reads",
        },
    }


def test_columns_are_told_by_the_sets_that_read_them(passengers):
    sets = {
        "book": {"name": "tabular", "categories": "none", "groups": {"mean fare": {"by": "Sex", "of": "Fare"}}},
        "trees": {"name": "categorical", "texts": {"columns": ["Name"]}},
        "terms": {"name": "tfidf", "columns": ["Name"], "categories": False},
        "words": {"name": "tokens", "column": "Name"},
    }
    found = settled(passengers, sets)
    assert found["read"] == [
        {"sets": ["terms", "trees", "words"], "columns": ["Name"]},
        {"sets": ["book", "trees"], "columns": ["Sex", "Born", "Fare"]},
        {"sets": ["trees"], "columns": ["Deck"]},
    ]
    assert list(found["dropped"]) == ["Ship", "Family"]


def test_the_page_tells_both(passengers):
    data = copy.deepcopy(DATA)
    data |= {"models": [], **settled(passengers, {"book": {"name": "tabular"}})}
    text = Page(build_page(data)).text
    assert "Columns that models read, by the feature sets of these models. Feature sets Columns book Sex, Deck" in text
    assert "Name free text, which no feature set of a model reads" in text and "Every column" not in text
    data |= {"read": [{"sets": ["image"], "columns": [f"pixel{i}" for i in range(784)]}], "dropped": {}}
    text = Page(build_page(data)).text
    assert "pixel99 and 684 more" in text and "Every column is read by a model." in text
