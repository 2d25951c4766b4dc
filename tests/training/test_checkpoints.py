"""A fit that is killed goes on to the very same weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import checkpoints, learners

ROOT = Path(__file__).parents[2]

FIT = """
import sys
from pathlib import Path
from typing import ClassVar
import numpy as np
import torch
from torch import nn
from pipeline.core.registry import build_settings, settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import checkpoints, learners

checkpoints.SECONDS = 0.0  # after every minibatch
kind, folder, checkpoint = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out, self.dropout = nn.GRUCell(4, 6), nn.Linear(6, 1), nn.Dropout(0.3)

    def forward(self, batch, state=None):
        before = torch.zeros(len(batch["numbers"]), 6) if state is None else state[0]["hidden"]
        hidden = self.cell(batch["numbers"], before * ~batch["fresh"][:, None])
        return self.out(self.dropout(hidden)), ({"hidden": hidden}, None)

@settings
class RecurrentModel:
    name: ClassVar[str] = "recurrent"
    def build(self, spec, task, seed):
        return Recurrent()

rng = np.random.default_rng(0)
def examples(count):
    return {"numbers": rng.normal(size=(count, 4)).astype(np.float32),
            "target": rng.normal(size=(count, 1)).astype(np.float32),
            "row": np.arange(count) // 5}

values = {"optimizer": "adamw", "weight_decay": 0.1, "epochs": 6, "batch_size": 20, "schedule": "one_cycle",
          "early_stopping": {"patience": 4, "monitor": "loss"}}
if kind == "recurrent":
    model, values = RecurrentModel(), {**values, "sampling": "sequential"}
else:
    model = models.build({"name": "mlp", "hidden": [8], "dropout": 0.3, "normalization": "batch"}, "model")
train, valid = examples(400), examples(50)
done = []
fitted = build_settings(learners.get("neural"), values, "fit").fit(FitJob(
    model=model, task=tasks.build("regression", "task"), spec=Spec(shapes={"numbers": (4,)}, outputs=1),
    train=train, valid=valid, seed=3, checkpoint=None if checkpoint == "none" else Path(checkpoint),
    progress=lambda epoch, epochs: done.append(epoch)))
fitted.save(folder)
print(done[0])
"""


def start(kind, folder, checkpoint):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FIT, kind, str(folder), str(checkpoint)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", ["recurrent", "mlp"])
def test_killed_midway_it_goes_on_to_the_same_bytes(tmp_path, kind):
    undisturbed = start(kind, tmp_path / "undisturbed", "none")
    killed = start(kind, tmp_path / "killed", tmp_path / "checkpoint")
    progress = tmp_path / "checkpoint" / "latest" / "progress.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and killed.poll() is None:
        try:
            facts = json.loads(progress.read_text())
        except (FileNotFoundError, ValueError):
            continue
        if facts["epoch"] >= 2 and facts["step"] >= 7:
            break
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    resumed = start(kind, tmp_path / "resumed", tmp_path / "checkpoint")
    assert int(resumed.communicate()[0]) >= 3  # the first epoch it closed: those before are not trained again
    assert int(undisturbed.communicate()[0]) == 1
    assert not (tmp_path / "killed").exists()
    assert files(tmp_path / "resumed") == files(tmp_path / "undisturbed")


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
