"""Processes that share minibatches, started by the real `torchrun`: what they learn is what one learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from bench import ROOT, Bench
from torch.optim.optimizer import register_optimizer_step_pre_hook

from pipeline.core.files import read_json
from pipeline.training.ranks import ManyRanks
from pipeline.training.sampling.selection import Selection, Windows

WORDS = ["good", "bad", "fine", "poor", "great", "awful", "the", "a", "film", "plot", "scene", "actor", "very"]
FIT = {"optimizer": "adam", "learning_rate": 0.005, "epochs": 2, "batch_size": 48, "early_stopping": {"patience": 2}}


def texts() -> pd.DataFrame:
    """Of 2 to 9 words; 1 where more of them are praise."""
    random = np.random.default_rng(0)
    rows = [[WORDS[i] for i in random.integers(0, len(WORDS), length)] for length in random.integers(2, 10, 241)]
    praise = [sum((word in WORDS[0:5:2]) - (word in WORDS[1:6:2]) for word in row) for row in rows]
    return pd.DataFrame({"id": range(241), "text": map(" ".join, rows), "y": [int(one > 0) for one in praise]})


@pytest.fixture
def competitions(tmp_path, capsys, monkeypatch) -> Bench:
    """A text and an image network, declared; 241 rows, so that the last minibatch is one row's."""
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, capsys, monkeypatch)
    (tmp_path / "files").mkdir()
    texts().to_csv(tmp_path / "files" / "train.csv", index=False)
    common = {"task": "classification", "metric": "log_loss", "blend": "greedy", "submission": "classes"}
    common["split"] = {"name": "stratified", "folds": 2, "seed": 0}
    params = {
        "competitions": {
            "toy": {
                **common,
                "source": {"name": "files", "path": "files"},
                "columns": {"id": "id", "target": "y", "types": {"text": "text"}},
                "features": {"words": {"name": "tokens", "column": "text", "tokenizer": "words"}},
            },
            "digits": {
                **common,
                "source": {"name": "package", "dataset": "digits"},
                "columns": {"id": "id", "target": "label", "images": {"image": {"pixels": "pixel", "size": [8, 8]}}},
                "features": {"image": {"name": "image"}},
            },
        },
        "models": {
            "toy-cnn": {
                "competition": "toy",
                "features": "words",
                "model": {"name": "text_cnn", "embedding": 16, "maps": 8, "dropout": 0.0},
                "fit": {**FIT, "sampling": "bucketed"},
            },
            "digits-lenet": {
                "competition": "digits",
                "features": "image",
                "model": {"name": "lenet", "channels": [6, 16], "activation": "relu", "dropout": 0.0},
                "fit": {**FIT, "accumulate": 2, "gradient_clip": 1.0},
            },
        },
        "execution": {"executor": "serial"},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return bench


def prepare(bench: Bench, competition: str) -> Path:
    """Its folder of data, through `preprocess`."""
    for stage in ("fetch", "preprocess"):
        code, lines = bench.run(stage, competition)
        assert code == 0, lines
    return bench.root / "data" / competition


def torchrun(
    *arguments: str, folder: Path, program: tuple[str, ...] = ("-m", "pipeline")
) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["torchrun", "--standalone", "--nproc-per-node=2", *program, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize("name", ["toy-cnn", "digits-lenet"])
def test_two_processes_learn_what_one_learns(competitions, name):
    folder = prepare(competitions, name.partition("-")[0]) / "cv" / name

    def learned() -> tuple[np.ndarray, dict]:
        frame = pd.read_parquet(folder / "predictions.parquet")
        return frame.to_numpy(dtype=float), read_json(folder / "scores.json")

    done = torchrun("train", name, folder=competitions.root)
    assert done.returncode == 0, done.stderr
    shared, shared_scores = learned()
    code, lines = competitions.run("train", name, "--again")
    assert code == 0, lines
    alone, scores = learned()
    np.testing.assert_allclose(shared, alone, atol=1e-4)
    assert shared_scores["valid"] == pytest.approx(scores["valid"], abs=1e-4)
    assert shared_scores["train"] == pytest.approx(scores["train"], abs=1e-4)
    assert not np.array_equal(shared, alone)  # sums of two parts: the minibatches were shared indeed
    assert done.stderr.count("2 folds") == 1  # one process tells and writes


KILLED = """
import os
import signal
from torch.optim.optimizer import register_optimizer_step_pre_hook
from pipeline.__main__ import main
from pipeline.training import checkpoints

steps = []

def kill(*_):
    steps.append(1)
    if len(steps) == 5:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.SECONDS = 0.0  # one after every minibatch
if os.environ["RANK"] == "0":
    register_optimizer_step_pre_hook(kill)
main()
"""


def test_a_killed_run_goes_on_from_its_checkpoint_with_as_many_processes_as_it_is_given_then(competitions):
    def learned(*again: str) -> tuple[np.ndarray, int]:
        """And how many steps it took."""
        steps: list[int] = []
        counted = register_optimizer_step_pre_hook(lambda *_: steps.append(1))
        code, lines = competitions.run("train", "toy-cnn", *again)
        counted.remove()
        assert code == 0, lines
        return pd.read_parquet(folder / "predictions.parquet").to_numpy(dtype=float), len(steps)

    folder = prepare(competitions, "toy") / "cv" / "toy-cnn"
    (competitions.root / "killed.py").write_text(KILLED)
    killed = torchrun("train", "toy-cnn", folder=competitions.root, program=("killed.py",))
    assert killed.returncode != 0 and not folder.exists()
    (went_on, left), (undisturbed, steps) = learned(), learned("--again")
    assert left == steps - 4
    np.testing.assert_allclose(went_on, undisturbed, atol=1e-4)


def test_what_cannot_be_shared_is_one_line(bench, monkeypatch):
    bench.write()
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "0"}.items():  # as `torchrun` does
        monkeypatch.setenv(name, value)
    code, lines = bench.run("preprocess", "toy")
    assert code == 2 and lines == ["error: torchrun: preprocess trains nothing; train, tune, retrain do"]


def test_each_example_of_a_minibatch_is_one_processes():
    whole = Selection(torch.arange(10, 17), windows=Windows(*(torch.arange(k, k + 7) for k in (0, 5, 2))))
    parts = [ManyRanks(rank, 3).part(whole) for rank in range(3)]
    assert sorted(torch.cat([part.index for part in parts]).tolist()) == list(range(10, 17))
    assert parts[1].windows.begins.tolist() == [1, 4] and parts[1].windows.ends.tolist() == [6, 9]
    left = [ManyRanks(rank, 3).part(Selection(torch.tensor([4]))) for rank in range(3)]
    assert [part.counts for part in left] == [True, False, False]
    assert [part.index.tolist() for part in left] == [[4]] * 3
