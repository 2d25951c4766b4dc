"""A fit that is killed goes on to the very same weights."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from encoders import THERE, tiny_encoder
from neural import job, learner, line
from safetensors.torch import load_file

from pipeline.core.errors import Diverged
from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import checkpoints, learners

ROOT = Path(__file__).parents[2]

FIT = """
import json
import os
import signal
import sys
from pathlib import Path
from typing import ClassVar
import numpy as np
import torch
from torch import nn
from pipeline.core.ragged import Ragged
from pipeline.core.registry import build_settings, settings
from pipeline.core.types import FitJob, Model, Spec
from pipeline.models import models
from pipeline.models.layers.network import Network
from pipeline.tasks import tasks
from pipeline.training import checkpoints, learners

killed, fits, ENCODER = json.loads(sys.argv[1])
kill_at, minibatches = None, 0

def kill(module, inputs):
    # Of each network one dropout layer's calls in training count minibatches.
    global minibatches
    if isinstance(module, nn.Dropout) and module.training and not getattr(module, "inside", False):
        minibatches += 1
        if minibatches == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

nn.modules.module.register_module_forward_pre_hook(kill)

class Recurrent(Network):
    def __init__(self):
        super().__init__()
        self.embedding, self.cell = nn.Embedding(9, 4), nn.GRU(4, 6, batch_first=True)
        self.out, self.dropout = nn.Linear(6, 9), nn.Dropout(0.3)

    def forward(self, batch, state=None):
        before = torch.zeros(1, len(batch["tokens"]), 6) if state is None else state[0]["hidden"].transpose(0, 1)
        before = (before * ~batch["fresh"][None, :, None]).contiguous()
        steps, hidden = self.cell(self.embedding(batch["tokens"]), before)
        return self.out(self.dropout(steps)), ({"hidden": hidden.transpose(0, 1)}, None)

@settings
class RecurrentModel(Model):
    name: ClassVar[str] = "recurrent"
    def build(self, spec, task, seed):
        return Recurrent()

MODELS = {
    "recurrent": RecurrentModel(),
    "mlp": models.build({"name": "mlp", "hidden": [8], "dropout": 0.3, "normalization": "batch"}, "model"),
}
MODELS["averaged"] = MODELS["mlp"]
SPECS = dict.fromkeys(MODELS, Spec(shapes={"numbers": (4,)}, outputs=1))
if ENCODER:
    class Encoder(type(models.build("pretrained_encoder", "model"))):
        def build(self, spec, task, seed):
            network = super().build(spec, task, seed)
            for module in network.encoder.modules():
                module.inside = True
            return network

    MODELS["pretrained"] = Encoder(dropout=0.3)
    told = {"encoder": ENCODER, "config": json.loads(Path(ENCODER, "config.json").read_text())}
    SPECS["pretrained"] = Spec(outputs=1, pretrained={"pretrained_tokens": told})
VALUES = {"optimizer": "adamw", "weight_decay": 0.1, "epochs": 6, "batch_size": 20, "schedule": "one_cycle",
          "early_stopping": {"patience": 4, "monitor": "loss"}}
OWN = {"recurrent": {"sampling": {"name": "sequential", "steps": 1}}, "mlp": {"ema": 0.9},
       "averaged": {"early_stopping": None, "average": {"last": 5}}, "pretrained": {"batch_size": 4, "epochs": 4}}

def examples(count, seed):
    rng = np.random.default_rng(seed)
    return {"numbers": rng.normal(size=(count, 4)).astype(np.float32),
            "target": rng.normal(size=(count, 1)).astype(np.float32)}

def texts(count, seed):
    rows = np.random.default_rng(seed).integers(1, 9, (count // 5, 5)).tolist()
    return {name: Ragged.from_lists(rows) for name in ("tokens", "labels")}
def pieces(count, seed):
    rows = np.random.default_rng(seed).integers(3, 14, (max(count // 16, 4), 5))
    return {"pretrained_tokens": Ragged.from_lists(rows.tolist()),
            "target": rows[:, :1].astype(np.float32)}
GIVEN = {"recurrent": texts, "mlp": examples, "averaged": examples, "pretrained": pieces}
TASKS = {"recurrent": "language_model", "mlp": "regression", "averaged": "regression", "pretrained": "regression"}

def fit(kind, folder, checkpoint):
    done = []
    learner = build_settings(learners.get("neural"), {**VALUES, **OWN[kind]}, "fit")
    learner.fit(FitJob(
        model=MODELS[kind], task=tasks.build(TASKS[kind], "task"), spec=SPECS[kind],
        train=GIVEN[kind](400, 0), valid=GIVEN[kind](50, 1), seed=3, checkpoint=checkpoint and Path(checkpoint),
        progress=lambda epoch, epochs: done.append(epoch))).save(Path(folder))
    print(kind, done[0])

for *arguments, at in killed:
    child = os.fork()  # which computes alone: here nothing was computed yet
    if not child:
        kill_at, checkpoints.SECONDS = at, 0.0  # one after every minibatch
        fit(*arguments)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
for arguments in fits:
    fit(*arguments)
"""


def run(killed, fits):
    """The lines of a process that makes fits, (kind, folder, checkpoint or None) each, after children of its that died
    of SIGKILL, with no word, in the minibatch that stands behind."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    encoder = str(tiny_encoder()) if THERE else None
    command = [sys.executable, "-c", FIT, json.dumps([killed, fits, encoder], default=str)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_midway_it_goes_on_to_the_same_bytes(tmp_path):
    kinds = ("recurrent", "mlp", "averaged", *(["pretrained"] if THERE else []))
    at = dict.fromkeys(kinds, 48) | {"pretrained": 17}  # of 20 minibatches an epoch, and of 7
    killed = [(kind, tmp_path / "killed", tmp_path / f"checkpoint-{kind}", at[kind]) for kind in kinds]
    resumed = [(kind, tmp_path / kind, tmp_path / f"checkpoint-{kind}") for kind in kinds]
    undisturbed = [(kind, tmp_path / f"undisturbed-{kind}", None) for kind in kinds]
    told = [line.split() for line in run(killed, [*resumed, *undisturbed])]
    assert not (tmp_path / "killed").exists()
    # The first epoch that each closed: a fit that goes on does not train those before again.
    assert told == [[kind, epoch] for epoch in ("3", "1") for kind in kinds]
    for kind in kinds:
        assert files(tmp_path / kind) == files(tmp_path / f"undisturbed-{kind}")


def fit(folder, *, seed=0, scale=1.0, epochs=3):
    rng = np.random.default_rng(0)
    numbers = (scale * rng.normal(size=(64, 2))).astype(np.float32)
    train = {"numbers": numbers, "target": numbers[:, :1]}
    epochs_closed = []
    learner = build_settings(learners.get("neural"), {"epochs": epochs, "batch_size": 16}, "fit")
    learner.fit(
        FitJob(
            model=models.build("linear", "model"),
            task=tasks.build("regression", "task"),
            spec=Spec(shapes={"numbers": (2,)}, outputs=1),
            train=train,
            valid=None,
            seed=seed,
            checkpoint=folder,
            progress=lambda done, total: epochs_closed.append(done),
        )
    )
    return epochs_closed


def test_a_short_fit_writes_no_checkpoint(tmp_path):
    fit(tmp_path / "checkpoint")
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("spoilt", ["loss", "weight"])
def test_a_fit_without_finite_numbers_stops_there_and_its_last_good_checkpoint_stays(tmp_path, monkeypatch, spoilt):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    given = line(64, 0)
    if spoilt == "loss":
        given["target"][40] = 3e38  # its square is inf
        told = r"train loss became inf in epoch 1, minibatch (\d): lower"
    else:
        step, steps = torch.optim.AdamW.step, []

        def breaks(self):
            step(self)
            steps.append(1)
            if len(steps) == 4:
                self.param_groups[0]["params"][0].data[0, 0] = np.inf

        monkeypatch.setattr(torch.optim.AdamW, "step", breaks)
        told = r"weights became inf in epoch 1, minibatch (4): lower"
    with pytest.raises(Diverged, match=told) as fault:
        learner(optimizer="adamw", epochs=3, batch_size=8).fit(job("mlp", train=given, checkpoint=tmp_path))
    lost = int(re.search(told, str(fault.value))[1])
    assert 1 < lost < 8
    kept = load_file(tmp_path / "latest" / "tensors.safetensors")
    assert len(kept["losses"]) == lost - 1
    assert all(tensor.isfinite().all() for tensor in kept.values())


def test_a_checkpoint_serves_its_own_fit_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    folder = tmp_path / "checkpoint"
    assert fit(folder) == [1, 2, 3]
    assert fit(folder) == [3]  # the last epoch's end, from the checkpoint after its last minibatch
    assert fit(folder, seed=1) == [1, 2, 3]
    assert fit(folder, scale=2.0) == [1, 2, 3]
    assert fit(folder, epochs=4) == [1, 2, 3, 4]
    assert fit(folder, epochs=4) == [4]
    (folder / "latest" / "tensors.safetensors").write_bytes(b"broken")
    assert fit(folder, epochs=4) == [1, 2, 3, 4]


def test_a_fit_that_goes_on_behind_an_epoch_s_last_minibatch_notes_its_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    settings = learner(optimizer="sgd", learning_rate=1e-3, schedule="linear", epochs=3, batch_size=16)
    one = job(train=line(64, 0), checkpoint=tmp_path)
    undisturbed, resumed = settings.fit(one), settings.fit(one)  # the second has the last epoch's end to do alone
    assert resumed.curves == undisturbed.curves
    assert resumed.curves["learning_rate"] == pytest.approx([0.75e-3, 5 / 12 * 1e-3, 1e-3 / 12])
