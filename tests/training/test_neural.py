"""The one training loop through its learner."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from neural import BIAS, WEIGHTS, job, learner, line
from torch import nn

from pipeline.core.errors import Diverged, Faults, UserError
from pipeline.core.ragged import Ragged
from pipeline.core.registry import settings_dict
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.layers.network import Network
from pipeline.tasks import tasks
from pipeline.training.examples import Examples
from pipeline.training.stacking import fit_together

ROOT = Path(__file__).parents[2]
MLP = {"name": "mlp", "hidden": [8], "dropout": 0.2}


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("loss", ["squared", "absolute", {"name": "huber", "delta": 0.5}])
def test_linear_regression_finds_the_truth(loss):
    fitted = learner(optimizer="adam", learning_rate=0.05, epochs=60, batch_size=32, loss=loss).fit(job())
    layer = fitted.network.affine
    np.testing.assert_allclose(layer.weight.detach().numpy().T, WEIGHTS, atol=0.03)
    assert layer.bias.item() == pytest.approx(BIAS, abs=0.03)
    assert fitted.importance() == pytest.approx(dict(zip("abcd", np.abs(WEIGHTS[:, 0]))), abs=0.03)
    unseen = line(50, 1, noise=0)
    np.testing.assert_allclose(fitted.raw({"numbers": unseen["numbers"]}), unseen["target"], atol=0.1)


def test_softmax_regression_separates_classes():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 300)
    numbers = (np.eye(3)[target] * 4 + rng.normal(size=(300, 3)) * 0.5).astype(np.float32)
    spec = Spec(shapes={"numbers": (3,)}, outputs=3)
    task = tasks.build("classification", "task")
    train = {"numbers": numbers, "target": target}
    fitted = learner(learning_rate=0.1, epochs=10).fit(job("softmax", train=train, spec=spec, task=task))
    assert (fitted.raw({"numbers": numbers}).argmax(1) == target).mean() > 0.99


def test_same_seed_same_bytes_whatever_the_global_random_state(tmp_path):
    for i in range(2):
        torch.manual_seed(i)
        np.random.seed(i)
        before = torch.get_rng_state()
        learner(epochs=3).fit(job(MLP, valid=line(50, 2))).save(tmp_path / str(i))
        assert torch.equal(before, torch.get_rng_state())
    learner(epochs=3).fit(job(MLP, valid=line(50, 2), seed=1)).save(tmp_path / "other")
    assert files(tmp_path / "0") == files(tmp_path / "1")
    assert files(tmp_path / "0") != files(tmp_path / "other")


def test_saved_and_loaded_it_answers_the_same(tmp_path):
    mine, task = learner(epochs=2), job(MLP)
    fitted = mine.fit(task)
    fitted.save(tmp_path)
    loaded = mine.load(tmp_path, task.model, task.task, task.spec)
    np.testing.assert_array_equal(loaded.raw(line(30, 5)), fitted.raw(line(30, 5)))
    assert (loaded.rounds, loaded.curves) == (fitted.rounds, fitted.curves)
    assert not loaded.network.training


@pytest.mark.parametrize("spoil", ["cut", "other", "missing"])
def test_spoilt_weights_are_refused(tmp_path, spoil):
    mine, task = learner(epochs=1), job(MLP)
    mine.fit(task).save(tmp_path)
    weights, model = tmp_path / "weights.safetensors", task.model
    if spoil == "cut":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif spoil == "other":
        model = models.build({**MLP, "hidden": [9]}, "model")
    else:
        weights.unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors.*dvc repro"):
        mine.load(tmp_path, model, task.task, task.spec)


def test_curves_have_a_value_an_epoch():
    score = lambda raw: float(np.abs(raw).mean())  # noqa: E731
    seen = []
    wanted = job(valid=line(50, 1), score=score, progress=lambda done, total: seen.append((done, total)))
    fitted = learner(epochs=4, schedule="cosine", learning_rate=0.1, batch_size=50).fit(wanted)
    assert set(fitted.curves) == {"train_loss", "valid_loss", "valid_score", "learning_rate", "gradient_norm"}
    assert all(len(curve) == 4 for curve in fitted.curves.values())
    assert fitted.curves["learning_rate"] == sorted(fitted.curves["learning_rate"], reverse=True)
    assert fitted.curves["valid_score"][-1] == score(fitted.raw(line(50, 1)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    residual = fitted.raw(line(50, 1)) - line(50, 1)["target"]
    assert fitted.curves["valid_loss"][-1] == pytest.approx((residual**2).mean(), rel=1e-5)
    assert set(learner(epochs=1).fit(job()).curves) == {"train_loss", "learning_rate", "gradient_norm"}


@pytest.mark.parametrize(("monitor", "higher"), [("score", False), ("score", True), ("loss", True)])
def test_early_stopping_keeps_the_best_epoch(monitor, higher):
    # Few rows of pure noise: the network learns them by heart, so validation gets worse early.
    rng = np.random.default_rng(0)
    noise = {n: {"numbers": rng.normal(size=(n, 4)), "target": rng.normal(size=(n, 1))} for n in (30, 40)}
    train, valid = ({k: v.astype(np.float32) for k, v in noise[n].items()} for n in (30, 40))
    sign = -1 if higher else 1
    score = lambda raw: sign * float(((raw - valid["target"]) ** 2).mean() ** 0.5)  # noqa: E731
    values = {"early_stopping": {"patience": 5, "monitor": monitor}, "learning_rate": 0.02, "epochs": 200}
    wanted = dict(model={"name": "mlp", "hidden": [32]}, train=train, valid=valid, score=score, higher_is_better=higher)
    fitted = learner(**values).fit(job(**wanted))
    curve = [sign * value for value in fitted.curves["valid_score"]]
    if monitor == "loss":
        curve = fitted.curves["valid_loss"]
    assert len(curve) == fitted.rounds + 5 < 200
    assert fitted.rounds == int(np.argmin(curve)) + 1
    assert score(fitted.raw(valid)) == fitted.curves["valid_score"][fitted.rounds - 1]
    again = learner(**values).fit(job(**{**wanted, "valid": None}, rounds=fitted.rounds))
    np.testing.assert_array_equal(again.raw(valid), fitted.raw(valid))


def test_given_rounds_are_the_first_epochs_of_the_whole_schedule():
    values = {"epochs": 50, "schedule": "cosine", "early_stopping": {"patience": 1}}
    fitted = learner(**values).fit(job(valid=line(50, 1), rounds=3))
    assert fitted.rounds == 3
    whole = learner(**{**values, "early_stopping": None}).fit(job())
    assert fitted.curves["learning_rate"] == whole.curves["learning_rate"][:3]
    longer = learner(epochs=2, schedule="cosine").fit(job(rounds=5))
    assert len(longer.curves["learning_rate"]) == 5 and longer.curves["learning_rate"][-1] > 0


@pytest.mark.parametrize("schedule", ["one_cycle", "coslog4"])
def test_a_schedule_that_cycles_is_laid_out_over_the_given_rounds(schedule):
    fitted = learner(epochs=50, schedule=schedule).fit(job(rounds=3))
    whole = learner(epochs=3, schedule=schedule).fit(job())
    assert fitted.curves["learning_rate"] == whole.curves["learning_rate"]


class Counting(Network):
    """Counts what is asked of it when it does not train: examples put through, and steps of searches."""

    def __init__(self, passed, stepped):
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(5))
        self.passed, self.stepped = passed, stepped

    def forward(self, batch, state=None):
        if not self.training:
            self.passed.append(len(batch["labels"]))
        return self.scores.expand(*batch["labels"].shape, -1), None

    def start(self, batch):
        return {"read": torch.zeros(len(batch["source"]))}

    def step(self, tokens, state):
        """A token 4 first, then the end."""
        self.stepped.append(len(tokens))
        scores = torch.zeros(len(tokens), 5)
        scores[:, 4], scores[:, 3] = 1 - state["read"], state["read"]
        return scores, {"read": state["read"] + 1}


class CountingModel:
    def __init__(self):
        self.passed, self.stepped = [], []

    def build(self, spec, task, seed):
        return Counting(self.passed, self.stepped)


def test_validation_rows_go_through_the_network_once_an_epoch():
    model, rows = CountingModel(), {"labels": Ragged.from_lists([[4, 4]] * 10)}
    wanted = job(
        model, task=tasks.build("language_model", "task"), train=rows, valid=rows, score=lambda raw: -raw.values.sum()
    )
    fitted = learner(epochs=3, batch_size=1, sampling="sequential").fit(wanted)
    assert sum(model.passed) == 3 * 10
    assert fitted.curves["valid_score"][-1] == pytest.approx(20 * fitted.curves["valid_loss"][-1], rel=1e-5)


@pytest.mark.parametrize(
    ("stopping", "epochs_searched"), [(None, 0), ({"monitor": "loss"}, 0), ({"monitor": "score"}, 3)]
)
def test_answers_are_searched_for_only_where_an_epoch_is_chosen_by_them(stopping, epochs_searched):
    model, rows = CountingModel(), {name: np.full((10, 2), 4) for name in ("source", "labels")}
    task = tasks.build({"name": "translation", "search": "greedy"}, "task")
    wanted = job(model, task=task, train=rows, valid=rows, score=len)
    fitted = learner(epochs=3, early_stopping=stopping).fit(wanted)
    assert (sum(model.passed), sum(model.stepped)) == (3 * 10, epochs_searched * 2 * 10)
    assert ("valid_score" in fitted.curves) == (epochs_searched > 0)
    assert len(fitted.curves["valid_loss"]) == 3
    assert [[one.tokens for one in some] for some in fitted.raw(rows)] == [[(4,)]] * 10


def test_a_diverging_loss_is_an_error_that_names_the_rate():
    with pytest.raises(
        Diverged, match=r"became (inf|nan) in epoch \d+, minibatch \d+: lower fit.learning_rate \(1e\+30\)"
    ):
        learner(optimizer="sgd", learning_rate=1e30, epochs=20).fit(job())
    with pytest.raises(Diverged, match="valid score became nan in epoch 1"):
        learner().fit(job(valid=line(5, 1), score=lambda raw: float("nan")))


@pytest.mark.parametrize("model", ["linear", MLP])
def test_missing_numbers_are_told_by_their_name_and_not_taken_for_a_high_rate(model):
    missing = line(50, 3)
    missing["numbers"][4, 2] = np.nan
    told = "reads finite numbers only, and the feature 'c' has missing .*missing: mean"
    for faulty in (job(model, train=missing), job(model, valid=missing)):
        with pytest.raises(UserError, match=f"model '.*': {told}"):
            learner(epochs=1).fit(faulty)
        with pytest.raises(UserError, match=told):
            fit_together([learner(epochs=1)], [faulty], faulty.spec)
    with pytest.raises(UserError, match=told):  # rows to answer that have them, where training rows had none
        learner(epochs=1).fit(job(model)).raw({"numbers": missing["numbers"]})


def test_settings_are_data_and_their_faults_name_the_key():
    mine = learner(optimizer={"name": "sgd", "momentum": 0.9}, loss="huber", schedule={"name": "step", "every": 3})
    assert mine.loss.name == "huber"
    data = {key: value for key, value in settings_dict(mine).items() if key != "name"}
    assert learner(**data) == mine
    for values, message in {
        "adams": "models.x.fit.optimizer: needs one of adam, adamw, sgd, got 'adams'",
        "momentum": "models.x.fit.optimizer.momentum: .*, got 2.0",
        "betas": "models.x.fit.optimizer.betas.1: .* less than 1, got 1.5",
        "unknown": "models.x.fit.epochz: unknown key; did you mean 'epochs'",
        "within": "models.x.fit.early_stopping.patince: unknown key; did you mean 'patience'",
    }.items():
        bad = {
            "adams": {"optimizer": "adams"},
            "momentum": {"optimizer": {"name": "sgd", "momentum": 2.0}},
            "betas": {"optimizer": {"name": "adamw", "betas": [0.9, 1.5]}},
            "unknown": {"epochz": 3},
            "within": {"early_stopping": {"patince": 3}},
        }[values]
        with pytest.raises(Faults, match=message):
            learner(**bad)


def test_arrays_keep_their_dtype_and_bookkeeping_reaches_no_batch():
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)[:, ::-1]
    pixels.flags.writeable = False
    examples = Examples({"image": pixels, "length": np.arange(4)}, torch.device("cpu"))
    assert list(examples.inputs) == ["image"]
    assert examples.inputs["image"].dtype == torch.uint8
    with pytest.raises(ValueError, match="same number of examples"):
        Examples({"a": np.zeros(3), "b": np.zeros(4)}, torch.device("cpu"))


def test_cuda_asked_for_and_absent_is_the_users_fault():
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    with pytest.raises(UserError, match="use auto or cpu"):
        learner(device="cuda", epochs=1).fit(job())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_same_bytes_on_cuda(tmp_path):
    for i in range(2):
        learner(epochs=3, device="cuda").fit(job(MLP)).save(tmp_path / str(i))
    assert files(tmp_path / "0") == files(tmp_path / "1")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_processes_forked_after_the_device_was_asked_for_compute_there():
    code = """
import torch
from pipeline.training.device import find_device
from pipeline.training.executors import Job, Processes
from pipeline.training.pool import gather, run_alone

device = find_device("auto")
jobs = [Job(str(i), lambda i: torch.full((1,), i, device=device).item(), (i,)) for i in range(3)]
assert run_alone(gather(jobs), Processes(2, 1)) == [0, 1, 2]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("model", ["linear", MLP])
def test_a_network_that_diverges_says_so_before_it_is_scored(model):
    def score(raw):
        if not np.isfinite(raw).all():
            raise UserError("every prediction must be a finite number")
        return float(np.square(raw).mean())

    with pytest.raises(Diverged, match=r"the train loss became (inf|nan) in epoch \d+, minibatch \d+: lower"):
        learner(epochs=9, learning_rate=1e30).fit(job(model, valid=line(50, 1), score=score))
