"""A fit that is killed goes on to the very same weights."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

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

checkpoints.SECONDS = 0.0  # after every minibatch
kill_at, fits = json.loads(sys.argv[1])
minibatches = 0

def kill(module, inputs):
    # Each network has one dropout layer: its calls in training count minibatches.
    global minibatches
    if isinstance(module, nn.Dropout) and module.training:
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
VALUES = {"optimizer": "adamw", "weight_decay": 0.1, "epochs": 6, "batch_size": 20, "schedule": "one_cycle",
          "early_stopping": {"patience": 4, "monitor": "loss"}}
OWN = {"recurrent": {"sampling": {"name": "sequential", "steps": 1}}, "mlp": {"ema": 0.9},
       "averaged": {"early_stopping": None, "average": {"last": 5}}}

def examples(count, seed):
    rng = np.random.default_rng(seed)
    return {"numbers": rng.normal(size=(count, 4)).astype(np.float32),
            "target": rng.normal(size=(count, 1)).astype(np.float32)}

def texts(count, seed):
    rows = np.random.default_rng(seed).integers(1, 9, (count // 5, 5)).tolist()
    return {name: Ragged.from_lists(rows) for name in ("tokens", "labels")}
GIVEN = {"recurrent": texts, "mlp": examples, "averaged": examples}
TASKS = {"recurrent": "language_model", "mlp": "regression", "averaged": "regression"}

def fit(kind, folder, checkpoint):
    done = []
    learner = build_settings(learners.get("neural"), {**VALUES, **OWN[kind]}, "fit")
    learner.fit(FitJob(
        model=MODELS[kind], task=tasks.build(TASKS[kind], "task"), spec=Spec(shapes={"numbers": (4,)}, outputs=1),
        train=GIVEN[kind](400, 0), valid=GIVEN[kind](50, 1), seed=3, checkpoint=checkpoint and Path(checkpoint),
        progress=lambda epoch, epochs: done.append(epoch))).save(Path(folder))
    print(kind, done[0])

for arguments in fits:
    fit(*arguments)
"""


def start(*fits, kill_at=None):
    """A process that makes each fit: (kind, folder, checkpoint or None).

    kill_at: it dies of SIGKILL, with no word, in this minibatch (from 1, 20 an epoch).
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    plain = [[kind, str(folder), checkpoint and str(checkpoint)] for kind, folder, checkpoint in fits]
    command = [sys.executable, "-c", FIT, json.dumps([kill_at, plain])]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_midway_it_goes_on_to_the_same_bytes(tmp_path):
    kinds = ("recurrent", "mlp", "averaged")
    killed = [start((kind, tmp_path / "killed", tmp_path / f"checkpoint-{kind}"), kill_at=48) for kind in kinds]
    for process in killed:
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    resumed = [(kind, tmp_path / kind, tmp_path / f"checkpoint-{kind}") for kind in kinds]
    undisturbed = [(kind, tmp_path / f"undisturbed-{kind}", None) for kind in kinds]
    told = [line.split() for line in start(*resumed, *undisturbed).communicate()[0].splitlines()]
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
