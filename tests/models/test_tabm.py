"""tabm: one network is its submodels side by side; their losses; stacked members."""

import math

import pytest
import torch
from torch.nn import functional

from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.layers.members import Stack
from pipeline.tasks import tasks
from pipeline.tasks.losses import losses

REGRESSION = tasks.build("regression", "task")
CLASSES = tasks.build("classification", "task")
FOLDS = [
    Spec(shapes={"numbers": (7,), "categories": (2,)}, sizes={"continuous": 3, "categories": [9, 12]}, outputs=2),
    Spec(shapes={"numbers": (5,), "categories": (1,)}, sizes={"continuous": 3, "categories": [10]}, outputs=2),
    Spec(shapes={"numbers": (6,), "categories": (0,)}, sizes={"continuous": 3, "categories": []}, outputs=2),
]
WIDEST = Spec(shapes={"numbers": (7,), "categories": (2,)}, sizes={"continuous": 3, "categories": [10, 12]}, outputs=2)
EMBEDDINGS = ["none", "periodic", "piecewise_linear"]


def build(spec=FOLDS[0], task=CLASSES, seed=0, **settings):
    torch.manual_seed(seed)
    body = {"name": "tabm", "hidden": [8, 6], "submodels": 4, "bins": 5, "width": 3, **settings}
    return models.build(body, "model").build(spec, task, seed)


def rows(spec=FOLDS[0], count=40, seed=1):
    torch.manual_seed(seed)
    codes = [torch.randint(levels, (count,)) for levels in spec.sizes["categories"]]
    return {
        "numbers": torch.randn(count, spec.shapes["numbers"][0]),
        "categories": torch.stack(codes, dim=1) if codes else torch.zeros(count, 0, dtype=torch.int64),
        "target": 30 + 5 * torch.randn(count, 1),
    }


def scatter(network):
    """Every parameter away from its beginning."""
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_each_submodel_is_a_multilayer_perceptron_of_its_own(embedding):
    network, batch = scatter(build(embedding=embedding, dropout=0.0)), rows()
    network.prepare(batch)
    output = network.train()(batch)[0]
    assert output.shape == (40, 4, 2)
    numbers, codes = batch["numbers"], batch["categories"]
    continuous = numbers[:, :3] if network.numeric is None else network.numeric(numbers[:, :3])
    one_hot = [functional.one_hot(codes[:, j], levels) for j, levels in enumerate((9, 12))]
    inputs = torch.cat([continuous, numbers[:, 3:], *one_hot], dim=1)
    first = network.first
    weight = torch.cat([first["continuous"].weight, first["indicators"].weight, first["categories"].weight.T], dim=1)
    inner = torch.cat([first["continuous"].inner, first["indicators"].inner, first["categories"].inner.T], dim=1)
    for k in range(4):
        values = (inputs * inner[k]) @ weight.T * network.scale[k] + network.bias[k]
        for layer in network.layers:
            own = layer.weight * layer.inner[k] * layer.outer[k][:, None]
            values = functional.relu(values) @ own.T + layer.bias[k]
        values = functional.relu(values) @ network.output.weight[k] + network.output.bias[k]
        torch.testing.assert_close(output[:, k], values, rtol=1e-4, atol=1e-4)


def test_submodels_differ_by_the_sign_of_their_inputs_at_first_or_their_scales():
    signs = build(embedding="none").first["continuous"].inner
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    scales = build(embedding="periodic").first["continuous"].inner.reshape(4, 3, 3)  # submodels, columns, features
    assert (scales == scales[..., :1]).all() and len(scales[..., 0].unique()) == 12


def test_it_answers_with_the_mean_of_probabilities():
    network, batch = scatter(build(dropout=0.0)), rows()
    each = network.train()(batch)[0].softmax(dim=-1)
    torch.testing.assert_close(network.eval()(batch)[0].softmax(dim=-1), each.mean(dim=1))


def test_it_answers_with_the_mean_of_numbers_in_the_targets_units():
    network, batch = build(task=REGRESSION, dropout=0.0), rows()
    network.prepare(batch)
    each = network.train()(batch)[0]
    assert abs(each.mean().item() - 30) < 5
    torch.testing.assert_close(network.eval()(batch)[0], each.mean(dim=1))


def mean(loss) -> float:
    total, weight = loss
    return float(total) / weight


@pytest.mark.parametrize("name", ["squared", "absolute", "huber"])
def test_the_loss_of_numbers_is_the_mean_of_the_submodels_losses(name):
    criterion = losses.build(name, "loss").criterion()
    output, target = torch.randn(6, 4, 1), torch.randn(6, 1)
    each = [mean(REGRESSION.loss(output[:, k], {"target": target}, criterion)) for k in range(4)]
    assert math.isclose(mean(REGRESSION.loss(output, {"target": target}, criterion)), sum(each) / 4, rel_tol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_classes_is_the_mean_of_the_submodels_losses(smoothing):
    criterion = losses.build({"name": "cross_entropy", "label_smoothing": smoothing}, "loss").criterion()
    output, target = torch.randn(6, 4, 3), torch.randint(3, (6,))
    each = [mean(CLASSES.loss(output[:, k], {"target": target}, criterion)) for k in range(4)]
    assert math.isclose(mean(CLASSES.loss(output, {"target": target}, criterion)), sum(each) / 4, rel_tol=1e-5)


def test_missing_numbers_are_taken_for_the_middle():
    network, batch = build(), rows()
    missing = {**batch, "numbers": batch["numbers"].double().index_fill(1, torch.tensor([1]), torch.nan)}
    middle = {**batch, "numbers": batch["numbers"].index_fill(1, torch.tensor([1]), 0.0)}
    answers = []
    for one in (missing, middle):
        network.prepare(one)
        answers.append(scatter(network).eval()(one)[0] if not answers else network.eval()(one)[0])
    torch.testing.assert_close(answers[0], answers[1])


def test_only_shared_weights_and_embeddings_decay():
    network = build(embedding="piecewise_linear")
    decayed = {name for name, _ in network.named_parameters()} - network.undecayed()
    assert {name.rpartition(".")[2] for name in decayed} == {"weight", "slope"}


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("task", [REGRESSION, CLASSES], ids=["regression", "classification"])
@pytest.mark.parametrize("training", [True, False])
def test_members_of_different_widths_are_in_a_stack_what_they_are_alone(embedding, task, training):
    settings = {"embedding": embedding, "dropout": 0.0}
    networks = [scatter(build(spec, task, seed, **settings)) for seed, spec in enumerate(FOLDS)]
    batches = [rows(spec, seed=5 + seed) for seed, spec in enumerate(FOLDS)]
    for network, batch in zip(networks, batches, strict=True):
        network.prepare(batch)
        network.train(training)
    stack = Stack(build(WIDEST, task, **settings).train(training), networks)
    stack.randomness([torch.Generator() for _ in networks])
    inputs = {}
    for name in batches[0]:
        width = max(batch[name].shape[1] for batch in batches)
        inputs[name] = torch.stack([functional.pad(b[name], (0, width - b[name].shape[1])) for b in batches])
    output = stack(inputs, 0, 3)
    output.square().sum().backward()
    for member, (network, batch) in enumerate(zip(networks, batches, strict=True)):
        alone = network(batch)[0]
        torch.testing.assert_close(output[member], alone, rtol=1e-4, atol=1e-4)
        alone.square().sum().backward()
        for name, parameter in network.named_parameters():
            gradient = stack.parameters[name].grad
            if parameter.grad is None or gradient is None:
                continue
            own = gradient[member][tuple(slice(length) for length in parameter.shape)]
            scale = max(1.0, parameter.grad.abs().max().item())
            torch.testing.assert_close(own, parameter.grad, rtol=1e-3, atol=1e-4 * scale)
