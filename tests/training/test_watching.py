"""What is watched of training is what torch's own gradients say, and nothing learns otherwise by it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_stacked_loop import FITS, fit, folds, job
from torch import nn

from pipeline.core.errors import Diverged
from pipeline.core.ragged import Ragged
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.models.layers.attention import MultiHeadAttention
from pipeline.models.layers.recurrent import Recurrent
from pipeline.tasks import tasks
from pipeline.training import checkpoints
from pipeline.training.data import widest
from pipeline.training.loop import begin_network
from pipeline.training.stacking import fit_together
from pipeline.training.taps import Taps
from pipeline.training.watching import MOST, distinct_units, layer_of

REGRESSION, LANGUAGE = tasks.build("regression", "task"), tasks.build("language_model", "task")


def mlp(**body):
    return models.build({"name": "mlp", "hidden": [16, 12], "activation": "relu", **body}, "model")


def texts(rows: int, steps: int, model, seed: int = 0) -> FitJob:
    random = np.random.default_rng(seed)
    train = {name: Ragged.from_lists(random.integers(1, 9, (rows, steps)).tolist()) for name in ("tokens", "labels")}
    return FitJob(model=model, task=LANGUAGE, spec=Spec(shapes={}, outputs=9), train=train, valid=None, seed=seed)


def numbers(trace) -> dict[tuple[str, str], list]:
    lists = (dict, list)
    return {
        (layer, key): one for layer, own in trace["layers"].items() for key, one in own.items() if type(one) in lists
    }


@pytest.mark.parametrize("clip", [None, 0.01])
def test_norms_are_those_of_torchs_own_gradients(clip):
    given = replace(job(0, mlp(), REGRESSION, rows=64), valid=None)
    learner = fit(optimizer="sgd", learning_rate=0.1, batch_size=64, epochs=1, gradient_clip=clip, watch=1)
    trace = learner.fit(given).trace
    assert trace["steps"] == [1] and trace["depth"] == ["layers.0", "layers.3", "layers.6"]
    network = begin_network(given, torch.device("cpu")).train()
    inputs, target = (torch.from_numpy(given.train[name]) for name in ("numbers", "target"))
    seen, outputs = inputs, {}
    for name, layer in network.layers.named_children():
        seen = layer(seen)
        seen.retain_grad()
        outputs[f"layers.{name}"] = seen
    (((seen - target) ** 2).mean() / 2).backward()
    total = torch.linalg.vector_norm(torch.cat([one.grad.flatten() for one in network.parameters()]))
    shrunk = 1.0 if clip is None else clip / float(total)
    scale = trace["layers"]["layers.6"]["backward"][0] / float(outputs["layers.6"].grad.norm())  # the task's own factor
    for name in trace["depth"]:
        own, layer = trace["layers"][name], network.get_submodule(name)
        gradient = scale * float(torch.cat([one.grad.flatten() for one in layer.parameters()]).norm())
        assert own["gradient"] == pytest.approx([gradient], rel=2e-3)
        weight = torch.cat([one.detach().flatten() for one in layer.parameters()]).norm()
        assert own["weight"] == pytest.approx([float(weight)], rel=1e-3)
        assert own["forward"] == pytest.approx([float(outputs[name].detach().square().mean().sqrt())], rel=1e-3)
        assert own["backward"] == pytest.approx([scale * float(outputs[name].grad.norm())], rel=1e-3)
        assert own["update"] == pytest.approx([0.1 * gradient * (shrunk / scale if clip else 1.0)], rel=5e-3)
    dead = (outputs["layers.1"].amax(dim=0) == 0).float().mean()
    assert trace["layers"]["layers.1"]["dead"] == pytest.approx([float(dead)])


@pytest.mark.parametrize("body", [{"activation": "tanh", "dropout": 0.2}, {"normalization": "batch"}])
def test_members_of_a_stack_are_seen_as_they_are_alone(body):
    trials, jobs = folds(mlp(**body), REGRESSION, fit(**{**FITS["sgd"], "watch": 3}))
    together = fit_together(trials, jobs, widest([one.spec for one in jobs]))
    for mine, learner, given in zip(together, trials, jobs, strict=True):
        alone, there = learner.fit(given).trace, mine.trace
        assert there["steps"] == alone["steps"] and there["depth"] == alone["depth"]
        assert there["losses"]["means"] == pytest.approx(alone["losses"]["means"], rel=1e-3)
        expected = numbers(alone)
        assert numbers(there).keys() == expected.keys()
        for key, values in numbers(there).items():
            assert values == pytest.approx(expected[key], rel=2e-2, abs=1e-5), key
    company = fit_together(trials[:1], jobs[:1], widest([one.spec for one in jobs]))
    assert company[0].trace == together[0].trace  # to the last digit, whoever shares the stack


@pytest.mark.parametrize("name", ["recurrent_language_model", "transformer_language_model"])
def test_nothing_is_learned_otherwise_by_being_watched(name):
    small = {"hidden": 8, "embedding": 6} if name.startswith("recurrent") else {"width": 8, "heads": 2, "layers": 1}
    given = texts(24, 12, models.build({"name": name, "dropout": 0.3, **small}, "model"))
    fits = [fit(epochs=2, batch_size=8, sampling="bucketed", watch=watch).fit(given) for watch in (None, 1)]
    plain, seen = (one.network.state_dict() for one in fits)
    assert all(torch.equal(plain[key], seen[key]) for key in plain)
    assert fits[0].trace == {} and len(fits[1].trace["steps"]) == 6


def test_a_killed_fit_goes_on_to_the_same_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    given = replace(job(0, mlp(dropout=0.2), REGRESSION), valid=None)
    learner = fit(epochs=4, watch=3)
    whole = learner.fit(given).trace

    class Killed(Exception):
        pass

    def kill(done, total):
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        learner.fit(replace(given, checkpoint=tmp_path, progress=kill))
    assert learner.fit(replace(given, checkpoint=tmp_path)).trace == whole
    assert whole["steps"] == [1, 4, 7, 10, 13, 16] and len(whole["losses"]["steps"]) == 4


def test_few_steps_are_looked_at_and_of_accumulated_ones_the_whole_gradient():
    given = replace(job(0, mlp(), REGRESSION, rows=128), valid=None)
    many = fit(epochs=40, batch_size=16, watch=1).fit(given).trace
    assert len(many["steps"]) <= MOST and many["every"] == 7 and many["steps"][:3] == [1, 8, 15]
    parts = fit(optimizer="sgd", epochs=1, batch_size=32, accumulate=2, watch=1).fit(given).trace
    whole = fit(optimizer="sgd", epochs=1, batch_size=64, watch=1).fit(given).trace
    assert parts["steps"] == whole["steps"] == [1, 2]
    for layer in whole["depth"]:
        assert parts["layers"][layer]["gradient"] == pytest.approx(whole["layers"][layer]["gradient"], rel=1e-3)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_what_a_state_remembers_is_its_gradient_by_earlier_inputs(cell):
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 7, dropout=0.5, locked=True)
    taps = Taps(layer, stacked=False)
    inputs = torch.randn(3, 10, 5)
    taps.attach()
    layer.read(inputs, torch.tensor([10, 9, 10]))
    taps.detach()
    torchs = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 7, batch_first=True)
    torchs.load_state_dict(layer.state_dict())
    given = inputs[:, :9].clone().requires_grad_()  # as far as the shortest goes
    torchs(given)[0][:, -1].sum().backward()
    by_step = given.grad.square().sum(dim=(0, 2)).sqrt()
    expected = [by_step[-1 - lag] / by_step[-1] for lag in (1, 2, 4, 8)]
    (found,) = taps.found[""]["memory"]
    torch.testing.assert_close(found[0], torch.stack(expected), rtol=1e-4, atol=1e-6)
    assert ("saturated" in taps.found[""]) == (cell == "rnn") and layer.listener is None


def test_activations_that_the_loss_knows_nothing_of_are_left_aside():
    network = nn.ModuleDict({"read": nn.Sequential(nn.Linear(4, 3), nn.Tanh()), "pooler": nn.Tanh()})
    taps = Taps(network, stacked=False)
    taps.attach()
    inputs = torch.full((5, 4), 100.0)
    network["pooler"](network["read"][0](inputs))
    network["read"](inputs).sum().backward()
    taps.detach()
    assert list(taps.found["read.1"]) == ["saturated"] and "pooler" not in taps.found


def test_entropy_of_attention_is_one_of_equals_and_near_zero_of_a_sharp_one():
    torch.manual_seed(0)
    layer, steps = MultiHeadAttention(8, 2), torch.randn(4, 6, 8)
    found = []
    for scale in (0.0, 1.0, 100.0):
        with torch.no_grad():
            layer.query.weight.copy_(torch.eye(8) * scale)
        taps = Taps(layer, stacked=False)
        taps.attach()
        layer(steps, steps, torch.tensor([6, 4, 3, 6]))
        taps.detach()
        found.append(float(taps.found[""]["entropy"][0]))
    assert found[0] == pytest.approx(1.0) and 0.3 < found[1] < 1.0 and found[2] < 0.05


def test_a_gradient_that_is_clipped_counts_and_no_number_names_its_step():
    given = job(0, mlp(), REGRESSION)
    assert fit(epochs=2, gradient_clip=1e-3).fit(given).curves["clipped"] == [1.0, 1.0]
    assert fit(epochs=2, gradient_clip=1e9).fit(given).curves["clipped"] == [0.0, 0.0]
    assert "clipped" not in fit(epochs=1).fit(given).curves
    spoilt = replace(given, train={**given.train, "target": given.train["target"].copy()})
    spoilt.train["target"][:] = np.nan
    with pytest.raises(Diverged, match=r"train loss became nan in epoch 1, minibatch 1: .*; in step 1 no gradient"):
        fit(epochs=1).fit(spoilt)
    big = mlp(hidden=[64] * 6, initialization={"name": "normal", "std": 1.0})
    alone, stacked = fit(optimizer="sgd", learning_rate=0.1, epochs=2, watch=1), []
    with pytest.raises(
        Diverged, match=r"epoch 1, minibatch \d: .* step \d the largest gradient was that of layers"
    ) as one:
        alone.fit(replace(given, model=big))
    stacked = fit_together([alone, alone], [replace(given, model=big)] * 2, given.spec)
    assert [str(fault) for fault in stacked] == [str(one.value)] * 2


def test_units_that_read_nothing_are_not_alike():
    weights = torch.ones(2, 4, 3)
    weights[1, 2:] = torch.arange(3.0)
    assert distinct_units(weights).tolist() == [1, 2]
    assert distinct_units(torch.zeros(2, 4, 3)).tolist() == distinct_units(torch.zeros(2, 4, 0)).tolist() == [4, 4]


def test_parameters_have_the_layer_that_they_are_of():
    assert [
        layer_of(name) for name in ("layers.0.weight", "recurrent.weight_hh_l1_reverse", "bias", "weight_ih_l0")
    ] == [
        "layers.0",
        "recurrent.l1",
        "bias",
        "l0",
    ]
