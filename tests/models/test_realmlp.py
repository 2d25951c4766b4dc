"""realmlp: its layers, how it begins, and that stacked members are what they are alone."""

import pytest
import torch
from torch.nn import functional

from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.layers.members import Stack
from pipeline.tasks import tasks

REGRESSION = tasks.build("regression", "task")
CLASSES = tasks.build("classification", "task")
FOLDS = [  # indicators, and levels of the columns with many, differ from fold to fold
    Spec(shapes={"numbers": (7,), "categories": (2,)}, sizes={"continuous": 3, "categories": [9, 12]}),
    Spec(shapes={"numbers": (5,), "categories": (1,)}, sizes={"continuous": 3, "categories": [10]}),
    Spec(shapes={"numbers": (6,), "categories": (0,)}, sizes={"continuous": 3, "categories": []}),
]
WIDEST = Spec(shapes={"numbers": (7,), "categories": (2,)}, sizes={"continuous": 3, "categories": [10, 12]})


def build(spec=FOLDS[0], task=REGRESSION, seed=0, **settings):
    torch.manual_seed(seed)
    return models.build({"name": "realmlp", "hidden": [8, 6], **settings}, "model").build(spec, task, seed)


def rows(spec=FOLDS[0], count=40, seed=1):
    torch.manual_seed(seed)
    codes = [torch.randint(levels, (count,)) for levels in spec.sizes["categories"]]
    numbers = torch.randn(count, spec.shapes["numbers"][0])
    return {
        "numbers": numbers,
        "categories": torch.stack(codes, dim=1) if codes else torch.zeros(count, 0, dtype=torch.int64),
        "target": 30 + 5 * numbers[:, :1] + torch.randn(count, 1),
    }


@pytest.mark.parametrize(
    ("task", "function"), [(REGRESSION, functional.mish), (CLASSES, functional.selu)], ids=["mish", "selu"]
)
def test_it_is_scale_linear_activation_and_a_last_layer(task, function):
    network, batch = build(task=task).eval(), rows()
    torch.nn.init.normal_(network.bias)
    for activation in network.activations:
        torch.nn.init.uniform_(activation.part)
    values = torch.cat(
        [part * network.first[name].scale / 6 for name, part in network.parts(batch).items()],
        dim=1,
    )
    assert values.shape[1] == 3 * 4 + 4 + 2 * 8
    weight = torch.cat([network.first[name].weight for name in network.parts(batch)], dim=1)
    values = values @ weight.T / values.shape[1] ** 0.5 + network.bias
    for activation, layer in zip(network.activations, network.layers, strict=True):
        part = activation.part
        values = (1 - part) * values + part * function(values)
        values = values / values.shape[1] ** 0.5 @ layer.weight.T + layer.bias
    torch.testing.assert_close(network(batch)[0], values)


def test_it_begins_with_deviation_one_and_zeros_among_the_rows():
    network, batch = build(), rows(count=300)
    network.prepare(batch)
    sums = network.first_sums(batch)
    torch.testing.assert_close(sums.std(dim=0, correction=0), torch.ones(8))
    assert ((-network.bias > sums.amin(dim=0)) & (-network.bias < sums.amax(dim=0))).all()
    values = network.activations[0](sums + network.bias)
    for activation, layer in zip([*network.activations[1:], None], network.layers, strict=True):
        sums = layer(values) - layer.bias
        torch.testing.assert_close(sums.std(dim=0, correction=0), torch.ones(sums.shape[1]))
        values = activation(sums + layer.bias) if activation else values


def test_a_regression_answers_in_units_and_range_of_the_training_targets():
    network, batch = build(), rows()
    network.prepare(batch)
    torch.nn.init.normal_(network.layers[-1].weight, std=100.0)
    target = batch["target"]
    inside = network.eval()(batch)[0]
    assert inside.min() == target.min() and inside.max() == target.max()
    network.dropout.p = 0.0
    free = network.train()(batch)[0]
    torch.testing.assert_close(free.clamp(target.min(), target.max()), inside)
    assert free.max() > target.max()


def test_missing_numbers_are_taken_for_the_middle():
    network, batch = build().eval(), rows()
    missing = {**batch, "numbers": batch["numbers"].double().index_fill(1, torch.tensor([1]), torch.nan)}
    middle = {**batch, "numbers": batch["numbers"].index_fill(1, torch.tensor([1]), 0.0)}
    torch.testing.assert_close(network(missing)[0], network(middle)[0])


def test_rates_and_decay_follow_the_paper():
    network = build()
    factors = network.rate_factors()
    by_name = dict(network.named_parameters())
    assert factors.keys() < by_name.keys()
    assert {name: factor for name, factor in factors.items() if factor == 36.0}.keys() == {
        "first.continuous.scale",
        "first.indicators.scale",
        "first.categories.scale",
    }
    slow = {"bias", "numeric.frequency", "activations.1.part", "layers.0.bias", "layers.1.bias"}
    assert all(factors[name] == 0.1 for name in slow)
    assert not any(name.endswith("weight") and not name.startswith("numeric") for name in factors)
    assert network.undecayed() >= {"numeric.frequency", "activations.0.part"}
    assert not network.undecayed() & {"first.indicators.scale", "layers.0.weight", "categories.weight"}
    # The loop lets matrices decay, vectors not: biases are vectors, scales and activations are not.
    assert {name for name, parameter in by_name.items() if parameter.ndim == 1} == {
        "bias",
        "layers.0.bias",
        "layers.1.bias",
    }


def padded(batches):
    """Batches of members side by side, filled up with zeros."""
    stacked = {}
    for name in batches[0]:
        width = max(batch[name].shape[1] for batch in batches)
        stacked[name] = torch.stack([functional.pad(b[name], (0, width - b[name].shape[1])) for b in batches])
    return stacked


@pytest.mark.parametrize("task", [REGRESSION, CLASSES], ids=["regression", "classification"])
@pytest.mark.parametrize("training", [True, False])
def test_members_of_different_widths_are_in_a_stack_what_they_are_alone(task, training):
    networks = [build(spec, task, seed, dropout=0.0) for seed, spec in enumerate(FOLDS)]
    batches = [rows(spec, seed=5 + seed) for seed, spec in enumerate(FOLDS)]
    for network, batch in zip(networks, batches, strict=True):
        network.prepare(batch)
        network.train(training)
    stack = Stack(build(WIDEST, task, dropout=0.0).train(training), networks)
    stack.randomness([torch.Generator() for _ in networks])
    output = stack(padded(batches), 0, 3)
    output.square().sum().backward()
    for member, (network, batch) in enumerate(zip(networks, batches, strict=True)):
        alone = network(batch)[0]
        torch.testing.assert_close(output[member], alone, rtol=1e-5, atol=1e-5)
        alone.square().sum().backward()
        for name, parameter in network.named_parameters():
            gradient = stack.parameters[name].grad[member]
            own = gradient[tuple(slice(length) for length in parameter.shape)]
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            size = max(1.0, expected.norm().item())
            torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-5 * size)
            # Nothing outside a member's own weights moves.
            rest = gradient.clone()
            rest[tuple(slice(length) for length in parameter.shape)] = 0
            if name.endswith((".scale", "weight")) and "first" in name:
                assert not rest.any(), name
