"""Targets into training and back; predictions; averages."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Schema, Spec
from pipeline.tasks import tasks

NUMBERS = Schema(id=None, target="price", columns=())
PRICES = pd.Series([34900.0, 129500.0, 755000.0, 163000.0], name="price")


def regression(target):
    return tasks.build({"name": "regression", "target": target}, "task")


@pytest.mark.parametrize("transform", ["none", "log", "log1p", "standardise"])
def test_the_way_back_is_exact(transform):
    task = regression(transform)
    target = task.fit_target(PRICES, NUMBERS)
    # The way itself is float64, and exact to its last digits.
    np.testing.assert_allclose(target.backward(target.forward(PRICES.to_numpy())), PRICES, rtol=1e-14)
    encoded = target.encode(PRICES)
    assert (encoded.dtype, encoded.shape) == (np.float32, (4, 1))
    restored = task.restore_target(json.loads(json.dumps(target.state())), NUMBERS)
    predictions = task.predictions(encoded, restored, Spec())
    assert list(predictions) == ["prediction"]
    np.testing.assert_allclose(predictions["prediction"], PRICES, rtol=1e-6)


def test_under_log1p_no_answer_is_below_0():
    """As no target is: a metric of logarithms such as rmsle takes none."""
    task, counts = regression("log1p"), pd.Series([0.0, 0.0, 0.0, 40.0], name="price")
    target = task.fit_target(counts, NUMBERS)
    frames = [task.predictions(np.array([low, 2.0]), target, Spec()) for low in (-5.0, -0.95)]
    assert [frame["prediction"][0] for frame in frames] == [0.0, 0.0]
    assert task.average(frames, [0.5, 0.5], target)["prediction"].tolist() == pytest.approx([0, np.expm1(2.9284)], 1e-3)


def test_transforms_are_what_they_say():
    values = PRICES.to_numpy()
    logarithm = regression("log").fit_target(PRICES, NUMBERS).encode(PRICES)[:, 0]
    np.testing.assert_allclose(logarithm, np.log(values) - np.log(values).mean(), rtol=1e-5)
    np.testing.assert_array_equal(regression("none").fit_target(PRICES, NUMBERS).encode(PRICES)[:, 0], values)
    standard = regression("standardise").fit_target(PRICES, NUMBERS).encode(PRICES)[:, 0]
    assert standard.mean() == pytest.approx(0, abs=1e-6)
    assert standard.std() == pytest.approx(1, rel=1e-6)
    constant = pd.Series([5.0, 5.0], name="price")
    assert regression("standardise").fit_target(constant, NUMBERS).encode(constant).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("transform", "value", "message"),
    [
        ("log", -3.0, "column price, row 9: under target: log every value must be above 0, got -3"),
        ("log", 0.0, "must be above 0, got 0; use target: log1p or none"),
        ("log1p", -0.5, "column price, row 9: under target: log1p every value must be not negative, got -0.5"),
        ("none", np.inf, "must be finite, got inf"),
        ("standardise", np.nan, "must be finite, got nan"),
    ],
)
def test_a_value_the_transform_cannot_take_is_named_with_its_row(transform, value, message):
    # A fold's rows keep their places in the file: position 7 is line 9, below the header.
    spoilt = pd.Series([1.0, 2.0, value], index=[0, 3, 7], name="price")
    good = pd.Series([1.0, 2.0], name="price")
    with pytest.raises(UserError, match=message):
        regression(transform).fit_target(good, NUMBERS).encode(spoilt)


def test_numbers_are_averaged_where_the_loss_lives():
    frames = [pd.DataFrame({"prediction": [1.0, 10.0]}), pd.DataFrame({"prediction": [4.0, 1000.0]})]
    mean = {
        "none": [0.25 * 1 + 0.75 * 4, 0.25 * 10 + 0.75 * 1000],
        "log": [1 * 0.25**0 * 4**0.75, 10**0.25 * 1000**0.75],
        "log1p": [2**0.25 * 5**0.75 - 1, 11**0.25 * 1001**0.75 - 1],
        "standardise": [0.25 * 1 + 0.75 * 4, 0.25 * 10 + 0.75 * 1000],
    }
    for transform, expected in mean.items():
        task = regression(transform)
        averaged = task.average(frames, [0.25, 0.75], task.fit_target(PRICES, NUMBERS))
        np.testing.assert_allclose(averaged["prediction"], expected, rtol=1e-12)


def test_a_wild_logarithm_stays_a_number():
    task = regression("log")
    predictions = task.predictions(np.float32([[1e6]]), task.fit_target(PRICES, NUMBERS), Spec())
    assert np.isfinite(predictions["prediction"]).all()


@pytest.mark.parametrize("classes", [(0, 1), ("cat", "dog", "eel"), (True, False), (1.5, 2.0, 3.5)])
def test_classes_to_indices_and_probabilities(classes):
    schema = Schema(id=None, target="kind", columns=(), classes=classes)
    task = tasks.build("classification", "task")
    values = pd.Series([classes[i % len(classes)] for i in range(7)], name="kind")
    target = task.restore_target(json.loads(json.dumps(task.fit_target(values, schema).state())), schema)
    codes = target.encode(values)
    assert codes.dtype == np.int64
    assert [classes[code] for code in codes] == values.tolist()
    assert task.outputs(schema, Spec()) == len(classes)
    logits = np.random.default_rng(0).normal(size=(7, len(classes))).astype(np.float32) * 50
    predictions = task.predictions(logits, target, Spec())
    assert list(predictions) == [str(level) for level in classes]
    np.testing.assert_allclose(predictions.to_numpy(), softmax(logits.astype(float), axis=1), rtol=1e-12)


def test_probabilities_are_averaged():
    schema = Schema(id=None, target="kind", columns=(), classes=("a", "b"))
    task = tasks.build("classification", "task")
    frames = [pd.DataFrame({"a": [0.2], "b": [0.8]}), pd.DataFrame({"b": [0.0], "a": [1.0]})]
    averaged = task.average(frames, [0.5, 0.5], task.fit_target(None, schema))
    assert averaged.to_numpy().tolist() == [[0.6, 0.4]]


def test_an_unknown_class_is_named_with_its_row():
    schema = Schema(id=None, target="kind", columns=(), classes=("a", "b"))
    target = tasks.build("classification", "task").fit_target(None, schema)
    with pytest.raises(UserError, match="column kind, row 4: a target is one of the classes 'a', 'b', got 'c'"):
        target.encode(pd.Series(["a", "b", "c"], name="kind"))


def test_an_unknown_transform_is_refused():
    with pytest.raises(Faults, match=r"task\.target"):
        regression("sqrt")


def test_losses_are_sums_that_weigh_rows():
    output, target = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    total, weight = regression("none").loss(output, {"target": target}, lambda o, t: (o - t) ** 2)
    assert (total.item(), weight) == (5.0, 2)
    task, logits, classes = tasks.build("classification", "task"), torch.zeros(3, 4), torch.tensor([0, 1, 3])
    total, weight = task.loss(logits, {"target": classes}, torch.nn.CrossEntropyLoss(reduction="none"))
    assert total.item() == pytest.approx(3 * np.log(4)) and weight == 3
