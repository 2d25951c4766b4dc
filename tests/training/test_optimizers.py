"""Every optimiser, with its weight decay and clipping, against torch.optim's own loop."""

import numpy as np
import pytest
import torch

from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.models.layers.feed_forward import Affine, MultilayerPerceptron
from pipeline.tasks import tasks
from pipeline.training import learners
from pipeline.training.optimizers import parameter_groups, trainable

ROWS, INPUTS = 40, 3
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(ROWS, INPUTS)).astype(np.float32)
TARGET = (NUMBERS @ np.float32([[2.0], [-1.0], [0.5]]) + 3).astype(np.float32)
SPEC = Spec(shapes={"numbers": (INPUTS,)}, outputs=1)


def fit(**settings):
    learner = build_settings(learners.get("neural"), {"batch_size": ROWS, **settings}, "fit")
    model = models.build({"name": "linear", "initialization": "constant"}, "model")
    encoded = {"numbers": NUMBERS, "target": TARGET}
    return learner.fit(FitJob(model, tasks.build("regression", "task"), SPEC, encoded, None, seed=0))


def torch_loop(make_optimizer, epochs, clip=None):
    layer = torch.nn.Linear(INPUTS, 1)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = make_optimizer(layer)
    for _ in range(epochs):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(torch.from_numpy(NUMBERS)), torch.from_numpy(TARGET)).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(layer.parameters(), clip)
        optimizer.step()
    return layer


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=0.05)),
        ({"name": "sgd", "momentum": 0.9}, lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9)),
        ("adam", lambda groups: torch.optim.Adam(groups, lr=0.05)),
        (
            {"name": "adam", "betas": [0.8, 0.9], "epsilon": 1e-3},
            lambda groups: torch.optim.Adam(groups, lr=0.05, betas=(0.8, 0.9), eps=1e-3),
        ),
        ("adamw", lambda groups: torch.optim.AdamW(groups, lr=0.05)),
    ],
)
def test_steps_are_those_of_torch(optimizer, reference, decay):
    def make(layer):
        return reference(
            [{"params": [layer.weight], "weight_decay": decay}, {"params": [layer.bias], "weight_decay": 0.0}]
        )

    mine = fit(optimizer=optimizer, learning_rate=0.05, weight_decay=decay, epochs=30).network.affine
    theirs = torch_loop(make, 30)
    torch.testing.assert_close(mine.weight, theirs.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine.bias, theirs.bias, rtol=1e-4, atol=1e-5)


def test_one_step_of_weight_decay_added_to_the_gradient_or_taken_off_the_weights():
    rate, decay, weight = 0.1, 0.5, 2.0
    for name, expected in {
        # The loss's gradient is 0, so all that moves the weight is its decay.
        "sgd": weight - rate * decay * weight,
        "adam": weight - rate,  # Adam's first step has the length of the rate, whatever the gradient
        "adamw": weight - rate * decay * weight,
    }.items():
        network = Affine(1, 1)
        torch.nn.init.constant_(network.affine.weight, weight)
        optimizer = build_settings(learners.get("neural"), {"optimizer": name}, "fit").optimizer
        steps = optimizer.build(parameter_groups(trainable(network), network, rate, decay))
        sum(parameter.sum() * 0 for parameter in network.parameters()).backward()
        steps.step()
        assert network.affine.weight.item() == pytest.approx(expected, abs=1e-5), name


def test_only_matrices_decay():
    network = MultilayerPerceptron(4, [3], 2, "relu", 0.0, "layer")
    decaying, still = parameter_groups(trainable(network), network, 0.01, 0.1)
    assert [tuple(p.shape) for p in decaying["params"]] == [(3, 4), (2, 3)]
    assert decaying["weight_decay"] == 0.1
    assert still["weight_decay"] == 0.0
    assert len(still["params"]) == 4


def test_gradient_clip_bounds_the_global_norm():
    clip = 0.7
    mine = fit(optimizer="sgd", learning_rate=0.1, gradient_clip=clip, epochs=5)
    theirs = torch_loop(lambda layer: torch.optim.SGD(layer.parameters(), lr=0.1), 5, clip)
    torch.testing.assert_close(mine.network.affine.weight, theirs.weight, rtol=1e-4, atol=1e-6)
    assert mine.curves["gradient_norm"][0] > clip  # the curve shows the norm before it was clipped
    once = fit(optimizer="sgd", learning_rate=1.0, gradient_clip=clip, epochs=1).network.affine
    moved = torch.cat([once.weight.flatten(), once.bias]).norm().item()
    assert moved == pytest.approx(clip, rel=1e-4)
