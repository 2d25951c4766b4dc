"""What a model looks at: against models whose answer is known by hand, and against the trees' own margins."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.core.schema import Column, Schema, Spec
from pipeline.core.types import FitJob
from pipeline.metrics import metrics
from pipeline.models import models
from pipeline.models.layers.image_network import ImageNetwork
from pipeline.tasks import tasks
from pipeline.training import learners
from pipeline.training.explaining import Asked, explain, gathered
from pipeline.training.network import FittedNetwork
from pipeline.training.neural import Neural

ROWS = 300
SCHEMA = Schema(
    id=None,
    target="y",
    columns=(
        Column("big", "number"),
        Column("small", "number"),
        Column("idle", "number"),
        Column("colour", "category"),
        Column("day_year", "number", "date.year", "day"),
        Column("day_month", "number", "date.month", "day"),
    ),
)


@dataclass
class Known:
    """A predictor that computes what a test wrote down."""

    schema: Schema
    answer: Any
    task: Any
    fitted: Any = field(default_factory=lambda: SimpleNamespace(contributions=lambda inputs: None))
    learner: Any = None
    features: Any = field(default_factory=lambda: SimpleNamespace(files={}))

    @property
    def encoder(self) -> Any:
        names = [column.name for column in self.schema.columns]
        return SimpleNamespace(reads=names, spec=Spec(), encode=lambda rows: rows)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        return self.answer(rows)


def asked(schema: Schema, answer: Any, task: str, metric: str, rows: pd.DataFrame, target: pd.Series) -> Asked:
    predictor = Known(schema, answer, tasks.build(task, "test"))
    return Asked(predictor, rows, target, answer(rows), rows, metrics.build(metric, "test"), 0)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({name: generator.normal(size=ROWS) for name in ("big", "small", "idle", "day_year")})
    rows["day_month"] = generator.integers(1, 13, ROWS).astype(float)
    rows["colour"] = pd.Series(generator.choice(["red", "blue"], ROWS), dtype="str")

    def answer(rows: pd.DataFrame) -> pd.DataFrame:
        year = 0.5 * rows["day_year"] * (rows["day_month"] > 6)
        return pd.DataFrame({"prediction": 3 * rows["big"] + rows["small"] + 2 * (rows["colour"] == "red") + year})

    target = answer(rows)["prediction"].rename("y")
    return explain(asked(SCHEMA, answer, "regression", "rmse", rows, target))


def test_shuffling_a_column_costs_what_the_model_makes_of_it(told):
    falls = told["permutation"]
    assert list(falls) == ["big", "small", "idle", "colour", "day"]
    # Of independent draws of one column the answers differ by its weight times sqrt(2) of its spread.
    assert falls["big"] == pytest.approx(3 * 2**0.5, rel=0.25)
    assert falls["small"] == pytest.approx(2**0.5, rel=0.3)
    assert falls["idle"] == 0
    assert falls["big"] > falls["colour"] > falls["day"] > 0


def test_partial_dependence_of_a_sum_has_the_slopes_of_its_terms(told):
    partial = told["partial"]
    assert set(partial) == {"big", "small", "idle", "colour"}  # a date in parts has no one value
    for name, slope in (("big", 3), ("small", 1), ("idle", 0)):
        at, answers = np.array(partial[name]["at"]), np.array(partial[name]["answers"]["prediction"])
        assert np.diff(answers) == pytest.approx(slope * np.diff(at))
    levels = dict(zip(partial["colour"]["at"], partial["colour"]["answers"]["prediction"], strict=True))
    assert levels["red"] - levels["blue"] == pytest.approx(2)


def test_a_word_counts_by_what_is_left_without_it():
    def answer(rows: pd.DataFrame) -> pd.DataFrame:
        good = rows["text"].str.count("good") - rows["text"].str.count("bad")
        probability = 1 / (1 + np.exp(-good.astype(float)))
        return pd.DataFrame({"no": 1 - probability, "yes": probability})

    schema = Schema(None, "y", (Column("text", "text"),), classes=("no", "yes"), target_kind="class")
    rows = pd.DataFrame({"text": pd.Series(["good good day", "a bad film", "good", "plain text"], dtype="str")})
    found = explain(asked(schema, answer, "classification", "accuracy", rows, pd.Series(["no", "yes", "no", "no"])))
    assert "permutation" not in found  # there is one column alone
    first, second = found["words"]
    assert (first["row"], first["words"], first["told"]) == (0, ["good", "good", "day"], "no, not yes (88%)")
    one, two = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-2))
    assert first["effects"] == pytest.approx([two - one, two - one, 0])
    assert second["row"] == 1 and second["effects"] == pytest.approx([0, one - 0.5, 0])


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_contributions_of_trees_add_up_to_their_answers(name, classes):
    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(150, 3)).astype(np.float32)
    numbers[::7, 1] = np.nan
    levels = generator.integers(0, 4, (150, 1))
    signal = numbers[:, 0] + (levels[:, 0] == 2) + 0.1 * generator.normal(size=150)
    target = np.digitize(signal, [0.5] if classes == 2 else [0, 1]) if classes else signal[:, None].astype(np.float32)
    names = {"numbers": ["a", "b", "c"], "categories": ["level"]}
    shapes = {"numbers": (3,), "categories": (1,)}
    spec = Spec(shapes, names, {"categories": [4]}, outputs=classes or 1, classes=tuple(map(str, range(classes))))
    task = tasks.build("classification" if classes else "regression", "test")
    encoded = {"numbers": numbers, "categories": levels, "target": target}
    learner = learners.build({"name": "boosting", "iterations": 12, "early_stopping": None}, "test")
    fitted = learner.fit(FitJob(models.build(name, "test"), task, spec, encoded, None, seed=0))
    parts = fitted.contributions(encoded)
    assert list(parts) == ["a", "b", "c", "level"]
    margin = np.asarray(fitted.margin(encoded)).reshape(150, -1)  # [rows, outputs]
    left = margin - sum(parts.values())  # the expected value, the same of every row
    assert left == pytest.approx(np.broadcast_to(left[0], left.shape), abs=2e-3)
    assert np.abs(parts["a"]).mean() > 5 * np.abs(parts["c"]).mean()


def test_pixels_move_a_linear_network_by_their_weights():
    from torch import nn

    spec = Spec({"image": (4, 4, 1)}, outputs=2, classes=("0", "1"))
    network = ImageNetwork(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), spec)
    task = tasks.build("classification", "test")
    import torch

    fitted = FittedNetwork(network, Neural(), task, spec, torch.device("cpu"))
    images = np.random.default_rng(2).integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    weights = network.layers[1].weight.detach().numpy().reshape(2, 4, 4)
    largest = fitted.raw({"image": images}).argmax(axis=1)
    assert fitted.saliency({"image": images}) == pytest.approx(np.abs(weights[largest]), rel=1e-5)
    assert fitted.saliency({"numbers": np.zeros((2, 1))}) is None


def test_maps_are_what_the_first_a_middle_and_the_last_convolution_give():
    import torch
    from torch import nn

    layers = [nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 2)]
    network = ImageNetwork(
        nn.Sequential(*layers, nn.Flatten(), nn.Linear(45, 2)), Spec({"image": (1, 4, 4)}, outputs=2)
    )
    fitted = FittedNetwork(network, Neural(), tasks.build("classification", "test"), Spec(), torch.device("cpu"))
    image = np.random.default_rng(2).integers(0, 256, (1, 4, 4, 1)).astype(np.uint8)
    with torch.no_grad():
        first = layers[0](torch.from_numpy(image).permute(0, 3, 1, 2).float())
        middle = layers[2](first.relu())
        last = layers[4](layers[3](middle))
    found = fitted.feature_maps({"image": image})
    assert [name for name, _ in found] == [f"convolution {place} of 4" for place in (1, 2, 4)]
    for (_, maps), expected in zip(found, (first, middle, last), strict=True):
        np.testing.assert_allclose(maps, expected[0].numpy(), rtol=1e-4, atol=1e-4)
    assert fitted.feature_maps({"numbers": np.zeros((1, 1))}) is None


def test_folds_are_put_together():
    place = {"kind": "number", "at": [0, 1]}
    first = {
        "permutation": {"a": 1.0, "b": 0.0},
        "partial": {"a": {**place, "answers": {"y": [1, 2]}}, "b": {**place, "answers": {"y": [0, 0]}}},
        "words": [{"row": 1, "told": "x"}],
        "contributions": {"mean": {"a": 1.0, "b": 3.0}, "points": {"b": {"value": [1.0], "effect": [3.0]}}},
    }
    second = {
        "permutation": {"a": 3.0, "b": 0.5},
        "partial": {"a": {**place, "answers": {"y": [3, 4]}}},
        "contributions": {"mean": {"a": 2.0, "b": 1.0}, "points": {"b": {"value": [None], "effect": [1.0]}}},
    }
    assert gathered([(first, [10, 12]), (second, [11, 13])]) == {
        "permutation": {"a": [1.0, 3.0], "b": [0.0, 0.5]},
        "partial": {"a": {**place, "answers": {"y": [[1, 2], [3, 4]]}}},
        "words": [{"row": 12, "told": "x"}],
        "contributions": {"mean": {"b": 2.0, "a": 1.5}, "points": {"b": {"value": [1.0, None], "effect": [3.0, 1.0]}}},
    }
    assert gathered([]) == {}
