"""linear, softmax, mlp: their layers and how weights begin."""

import math

import pytest
import torch
from torch import nn

from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.layers.members import Dropout
from pipeline.tasks import tasks

SPEC = Spec(shapes={"numbers": (400,)}, outputs=300)
TASK = tasks.build("classification", "task")


def build(**settings):
    torch.manual_seed(0)
    return models.build(settings, "model").build(SPEC, TASK, 0)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999, 1 - 1e-9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    ones = torch.ones(1001, 333)  # no multiple of four
    torch.manual_seed(0)
    out = Dropout(rate)(ones)
    dropped = float((out == 0).float().mean())
    assert dropped == pytest.approx(rate, abs=0.003)
    assert out.max() <= 65536.0 and torch.isfinite(out).all()
    if rate <= 0.5:
        assert float(out.mean()) == pytest.approx(1.0, abs=0.005)
        assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)], rel=1e-4)
    assert torch.equal(Dropout(rate).eval()(ones), ones) and torch.equal(Dropout(0.0)(ones), ones)


@pytest.mark.parametrize("name", ["linear", "softmax"])
def test_one_affine_layer(name):
    network = build(name=name)
    numbers = torch.randn(3, 400)
    output, state = network({"numbers": numbers})
    assert state is None
    torch.testing.assert_close(output, numbers @ network.affine.weight.T + network.affine.bias)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", torch.relu),
        ("sigmoid", torch.sigmoid),
        ("tanh", torch.tanh),
        ("gelu", nn.functional.gelu),
        ("silu", nn.functional.silu),
    ],
)
def test_mlp_is_affine_layers_and_activations(activation, function):
    network = build(name="mlp", hidden=[5, 7], activation=activation).eval()
    first, second, last = (layer for layer in network.modules() if isinstance(layer, nn.Linear))
    assert [tuple(layer.weight.shape) for layer in (first, second, last)] == [(5, 400), (7, 5), (300, 7)]
    numbers = torch.randn(3, 400)
    torch.testing.assert_close(network({"numbers": numbers})[0], last(function(second(function(first(numbers))))))


def test_mlp_without_hidden_layers_is_linear():
    assert sum(p.numel() for p in build(name="mlp", hidden=[]).parameters()) == 400 * 300 + 300


def test_normalization_and_dropout_stand_around_the_activation():
    layers = build(name="mlp", hidden=[5], dropout=0.5, normalization="batch").layers
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert all(map(isinstance, layers, kinds)) and len(layers) == len(kinds)
    assert layers[0].bias is None  # which batch normalisation would take off again
    layers = build(name="mlp", hidden=[5], normalization="layer").layers
    kinds = [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Dropout, nn.Linear]
    assert all(map(isinstance, layers, kinds)) and len(layers) == len(kinds)
    assert layers[3].p == 0


@pytest.mark.parametrize(
    ("initialization", "deviation"),
    [
        ("xavier", math.sqrt(2 / (400 + 300))),
        ("he", math.sqrt(2 / 400)),
        ("uniform", 1 / math.sqrt(3 * 400)),
        ("normal", 0.01),
        ({"name": "normal", "std": 0.2}, 0.2),
        ({"name": "constant", "value": 0.5}, 0.0),
    ],
)
def test_weights_begin_with_the_deviation_of_their_initialization(initialization, deviation):
    layer = build(name="softmax", initialization=initialization).affine
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert layer.weight.mean().item() == pytest.approx(0.5 if deviation == 0 else 0.0, abs=0.005 * (deviation or 1))
    if initialization != "uniform":
        assert not layer.bias.any()
