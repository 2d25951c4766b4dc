"""The book's cases of D2L 5.4 and 9.5, trained for real: each fault is named with its layer and step, and what its
number is, is what torch computes; networks that are begun well have no finding."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from stored import Stored
from torch import nn

from pipeline.core.ragged import Ragged
from pipeline.core.registry import build_settings, settings
from pipeline.core.types import FitJob, Model, Spec
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import ratios
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

REGRESSION, LANGUAGE = tasks.build("regression", "task"), tasks.build("language_model", "task")
DEEP = [32] * 8


def fitted(model, train, task=REGRESSION, outputs=1, **fit):
    """Two folds' fits."""
    body = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 8, "batch_size": 32, "watch": 4, **fit}
    learner = build_settings(learners.get("neural"), body, "fit")
    shapes = {name: column.shape[1:] for name, column in train.items() if name == "numbers"}
    spec = Spec(shapes=shapes, outputs=outputs)
    return [learner.fit(FitJob(model, task, spec, train, None, seed=seed)) for seed in range(2)]


def mlp(**body):
    return models.build({"name": "mlp", "hidden": DEEP, **body}, "model")


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    numbers = random.normal(size=(256, 20)).astype(np.float32)
    target = (numbers @ random.normal(size=(20, 1)) / 4 + 0.1 * random.normal(size=(256, 1))).astype(np.float32)
    return {"numbers": numbers, "target": target}


@pytest.fixture
def found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def ask(fits):
        """Codes of POD5 to findings, of a competition whose model was trained so."""
        table = pd.DataFrame({"x": np.arange(40.0), "y": np.arange(40.0) + 1})
        made = Stored(tmp_path, table, table[["x"]], "y")
        made.predicted(
            "net", table[["y"]].set_axis(["prediction"], axis=1), table[["y"]].set_axis(["prediction"], axis=1)
        )
        made.models["net"].more.update(curves=[one.curves for one in fits], trace=[one.trace for one in fits])
        evidence = made.write()
        told = {code: findings.build(code, "findings").look(evidence) for code in findings if code.startswith("POD5")}
        return {code: one for code, one in told.items() if one is not None}

    return ask


@pytest.mark.parametrize(
    ("activation", "initialization", "fit"),
    [
        ("relu", "he", {"learning_rate": 0.005}),
        ("tanh", "xavier", {"gradient_clip": 5.0}),
        ("gelu", "he", {"optimizer": "adam"}),
    ],
)
def test_a_network_that_begins_well_has_no_finding_and_keeps_variances(rows, found, activation, initialization, fit):
    fits = fitted(mlp(activation=activation, initialization=initialization), rows, **fit)
    assert found(fits) == {}
    trace = fits[0].trace
    for measure, to in (("forward", 0), ("backward", -1)):
        assert all(0.1 < own[0] < 10 for own in ratios(trace, measure, to).values()), measure


def test_sigmoids_through_depth_vanish(rows, found):
    fits = fitted(mlp(activation="sigmoid", initialization="xavier"), rows)
    one = found(fits)["POD501"]
    assert "layers.0" in one.measured and "from step 1 on" in one.measured
    assert 0 < one.numbers["net"] < 1e-3
    # Each sigmoid takes three quarters of the gradient, at least: its slope is a quarter at most.
    assert one.numbers["net"] < 0.25**8 * 2 ** (len(DEEP) / 2)
    assert "residual" in one.next and one.about == ("net",)


def test_weights_that_are_too_large_explode_or_saturate(rows, found):
    large = {"name": "normal", "std": 1.0}
    fits = fitted(mlp(initialization=large), rows, learning_rate=1e-30)
    one = found(fits)["POD502"]
    assert one.numbers["net"] > 1e3 and "gradient_clip" in one.next and "step 1 on" in one.measured
    growth = ratios(fits[0].trace, "forward", 0)["layers.21"][0]  # 7 layers on: each has √(32 / 2) times the size
    assert growth == pytest.approx(16**3.5, rel=1.5)
    flat = found(fitted(mlp(activation="tanh", initialization=large), rows))["POD504"]
    assert flat.numbers["net"] > 0.5 and "xavier" in flat.next


def test_constant_weights_are_one_unit_and_others_are_not(rows, found):
    fits = fitted(mlp(hidden=[16, 16], activation="tanh", initialization={"name": "constant", "value": 0.1}), rows)
    one = found(fits)["POD507"]
    assert one.numbers == {"net": 1} and "16 units of layers.0" in one.measured
    for weight in (fits[0].network.layers[0].weight, fits[0].network.layers[3].weight):
        assert len(weight.detach().unique(dim=0)) == 1  # after training too
    zeros = mlp(hidden=[16], activation="tanh", initialization={"name": "normal", "std": 1e-9})
    assert "POD507" not in found(fitted(zeros, rows))


def test_relus_far_below_zero_are_dead(rows, found):
    @settings
    class Sunk(Model):
        name: ClassVar[str] = "sunk"
        learner: ClassVar[str] = "neural"

        def build(self, spec, task, seed):
            network = mlp(hidden=[16, 16], initialization="he").build(spec, task, seed)
            nn.init.constant_(network.layers[3].bias, -50.0)
            return network

    one = found(fitted(Sunk(), rows))["POD503"]
    assert (
        one.numbers == {"net": 1.0}
        and "layers.4 give 0 for whole minibatches, from step 1 on" in one.measured
        and "gelu" in one.next
    )


@settings
class Growing(Model):
    """A plain recurrent language model whose recurrent weights are multiplied."""

    name: ClassVar[str] = "growing"
    learner: ClassVar[str] = "neural"
    by: float = 1.0

    def build(self, spec, task, seed):
        body = {"name": "recurrent_language_model", "cell": "rnn", "hidden": 32, "embedding": 8}
        network = models.build(body, "model").build(spec, task, seed)
        with torch.no_grad():
            network.recurrent.weight_hh_l0.mul_(self.by)
        return network


def test_recurrent_layers_explode_and_forget_over_steps_of_a_sequence(found):
    random = np.random.default_rng(0)
    texts = {name: Ragged.from_lists(random.integers(1, 9, (64, 40)).tolist()) for name in ("tokens", "labels")}
    fit = {"task": LANGUAGE, "outputs": 9, "batch_size": 8, "learning_rate": 1e-4, "epochs": 2, "sampling": "bucketed"}
    large = found(fitted(Growing(by=6.0), texts, **fit))["POD502"]
    assert "recurrent (over up to 32 steps), from step 1 on" in large.measured and "gru or lstm" in large.next
    small = found(fitted(Growing(by=0.1), texts, **fit))
    assert "8 steps before" in small["POD501"].measured and "gated cell" in small["POD501"].next
    assert small["POD501"].numbers["net"] < 1e-3 and "POD502" not in small
    gated = models.build({"name": "recurrent_language_model", "cell": "gru", "hidden": 32, "embedding": 8}, "model")
    assert found(fitted(gated, texts, **fit)) == {}


def test_a_loss_that_jumps_back_is_told_with_its_epoch_and_bounds_that_always_hold_are(rows, found):
    fits = fitted(mlp(initialization="he"), rows, epochs=24, gradient_clip=1e-6)
    one = found(fits)["POD508"]
    assert one.numbers == {"net": 1.0} and "100% of the steps" in one.measured
    for one in fits:
        one.curves["clipped"] = [0.0] * 24
        one.curves["train_loss"] = [1.0, 0.6, 0.4, 0.3, 0.28, 0.9, 0.3] + [0.25] * 17
    spike = found(fits)["POD505"]
    assert spike.numbers == {"net": pytest.approx(0.62)} and "from 0.28 to 0.9 in fold 0, epoch 6" in spike.measured
    for one in fits:
        one.curves["train_loss"] = [1.0, 0.6, 0.4, 0.3, 0.28, 0.4, 0.3] + [0.25] * 17
    assert found(fits) == {}


def test_a_model_that_ended_in_no_number_is_named(rows):
    from pipeline.core.errors import Diverged

    with pytest.raises(Diverged) as fault:
        fitted(mlp(initialization={"name": "normal", "std": 2.0}), rows, learning_rate=1.0)
    ask = findings.build("POD506", "findings")

    class Left:
        left_out: ClassVar[dict] = {"toy-net": str(fault.value), "toy-late": "the budget leaves it no time"}

    one = ask.look(Left())
    assert one.about == ("toy-net",) and "minibatch" in one.measured and "layers." in one.measured
