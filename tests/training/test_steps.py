"""``accumulate`` and ``precision``: the same training, in smaller or in faster pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_stacked_loop import SMALL, STACKING, fit, folds

from pipeline.core.ragged import Ragged
from pipeline.core.registry import build_settings
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FitJob, Spec
from pipeline.stages.project import shelves
from pipeline.training.data import widest
from pipeline.training.device import multiplies_bfloat16
from pipeline.training.stacking import fit_together

SHELVES = shelves()
GENERATOR = np.random.default_rng(0)
NUMBERS = GENERATOR.normal(size=(96, 4)).astype(np.float32)
NUMBER = (NUMBERS @ [1.0, -2.0, 0.5, 0.0] + 0.1 * GENERATOR.normal(size=96)).astype(np.float32)[:, None]


def fitted(tmp_path=None, **settings):
    spec = Spec(shapes={"numbers": (4,)}, names={"numbers": list("abcd")}, outputs=1)
    train, valid = {"numbers": NUMBERS, "target": NUMBER}, {"numbers": NUMBERS[:20], "target": NUMBER[:20]}
    task, model = SHELVES.tasks.build("regression", "task"), SHELVES.models.build("mlp", "model")
    learner = build_settings(SHELVES.learners.get("neural"), {"epochs": 4, **settings}, "fit")
    return learner.fit(FitJob(model, task, spec, train, valid, 0, checkpoint=tmp_path))


@pytest.mark.parametrize("rows", [96, 95, 90])
def test_small_minibatches_accumulated_step_as_a_large_one(rows):
    def weights(**settings):
        job_rows = {"numbers": NUMBERS[:rows], "target": NUMBER[:rows]}
        spec = Spec(shapes={"numbers": (4,)}, names={"numbers": list("abcd")}, outputs=1)
        task, model = SHELVES.tasks.build("regression", "task"), SHELVES.models.build("linear", "model")
        learner = build_settings(
            SHELVES.learners.get("neural"), {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.1, **settings}, "fit"
        )
        done = learner.fit(FitJob(model, task, spec, job_rows, None, 0))
        return torch.cat([parameter.detach().ravel() for parameter in done.network.parameters()]), done.curves

    large, curves = weights(batch_size=48)
    small, other = weights(batch_size=12, accumulate=4)
    torch.testing.assert_close(small, large, rtol=1e-4, atol=1e-5)
    assert other["gradient_norm"] == pytest.approx(curves["gradient_norm"], rel=1e-4)


def test_sixteen_bits_learn_nearly_the_same_and_answer_in_thirty_two():
    exact, rough = fitted(batch_size=16), fitted(batch_size=16, precision="bfloat16")
    assert rough.curves["valid_loss"] == pytest.approx(exact.curves["valid_loss"], rel=0.05)
    assert rough.curves["valid_loss"] != exact.curves["valid_loss"]
    assert {parameter.dtype for parameter in rough.network.parameters()} == {torch.float32}
    assert rough.raw({"numbers": NUMBERS}).dtype == np.float32


def test_an_epoch_is_validated_in_sixteen_bits():
    rough = fitted(batch_size=16, precision="bfloat16")
    batch, target = {"numbers": torch.from_numpy(NUMBERS[:20])}, torch.from_numpy(NUMBER[:20])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        short = rough.network(batch, None)[0].float()
    with torch.inference_mode():
        whole = rough.network(batch, None)[0]
    assert rough.curves["valid_loss"][-1] == pytest.approx(float((short - target).square().mean()), rel=1e-6)
    np.testing.assert_allclose(rough.raw({"numbers": NUMBERS[:20]}), whole.numpy(), rtol=1e-6)
    assert not torch.equal(short, whole)


@pytest.mark.parametrize("name", [*STACKING, "batch", "layer"])
def test_a_member_learns_in_sixteen_bits_what_it_learns_alone(name):
    normalized = {"name": "mlp", "hidden": [16], "normalization": name}
    model = SHELVES.models.build({"name": name, **SMALL.get(name, {})} if name in STACKING else normalized, "model")
    trials, jobs = folds(model, SHELVES.tasks.build(model.tasks[0], "task"), fit(precision="bfloat16", epochs=3))
    wide = widest([job.spec for job in jobs])
    exact = fit_together([replace(trial, precision="float32") for trial in trials], jobs, wide)
    for mine, other, trial, job in zip(fit_together(trials, jobs, wide), exact, trials, jobs, strict=True):
        answers, alone = mine.raw(job.valid), trial.fit(job).raw(job.valid)
        assert np.abs(answers - alone).mean() < 0.03 * np.abs(alone).mean()
        assert name == "linear" or not np.array_equal(answers, other.raw(job.valid))  # one column has 32 bits


def test_precision_follows_the_processor_where_it_is_to():
    short = multiplies_bfloat16(torch.device("cpu"))
    expected = fitted(batch_size=16, precision="bfloat16" if short else "float32")
    assert fitted(batch_size=16, precision="auto").curves == expected.curves
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    assert short == ("avx512_bf16" in flags or "amx_bf16" in flags)


@pytest.mark.parametrize("accumulate", [2, 3, 8])
def test_the_last_minibatches_of_an_epoch_make_a_step_where_a_long_text_leaves_fewer_than_it_fills(accumulate):
    """By tokens a text of two hundred is five minibatches, and stands in one."""
    lengths = [200, *[3] * 7]
    tokens = Ragged.from_lists([[2 + (i + row) % 9 for i in range(n)] for row, n in enumerate(lengths)])
    train = {"tokens": tokens, "target": np.arange(8) % 2}
    spec = Spec(shapes={"tokens": (200,)}, sizes={"tokens": 11}, outputs=2)
    task = SHELVES.tasks.build("classification", "task")
    model = SHELVES.models.build({"name": "bag_of_embeddings", "dropout": 0.0}, "model")
    told = {"epochs": 1, "optimizer": "sgd", "learning_rate": 0.5, "accumulate": accumulate}
    told |= {"sampling": {"name": "bucketed", "batch_tokens": 40}, "watch": 1}
    fit = build_settings(SHELVES.learners.get("neural"), told, "fit")
    minibatches = list(fit.sampling.training({"length": torch.tensor(lengths)}, 8, 64, derive_seed(0, "order", 0)))
    assert len(minibatches) < fit.sampling.minibatches({"length": torch.tensor(lengths)}, 8, 64)
    done = fit.fit(FitJob(model, task, spec, train, None, 0))
    assert len(done.trace["steps"]) == -(-len(minibatches) // accumulate)
