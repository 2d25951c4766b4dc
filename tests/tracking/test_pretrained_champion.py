"""The champion is a fine-tuned encoder, and answers where neither its folder nor a network is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("transformers")

from encoders import tiny_encoder

import pipeline
from pipeline.answering.final_models import load_answering
from pipeline.answering.submissions import submission_layout
from pipeline.core.registry import build_settings
from pipeline.core.types import Column, FitJob, Schema
from pipeline.features import features
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.tracking.models import REQUIREMENTS, SCRIPT
from pipeline.training import learners
from pipeline.training.predictor import Predictor

ROWS = pd.DataFrame({"text": pd.Series(["red fox", "blue dog eats", "cat", "slow fox"] * 4, dtype="str")})
VALUES = np.tile(np.float32([[1.0], [0.0], [0.0], [1.0]]), (4, 1))


def save_final_model(folder: Path) -> None:
    schema = Schema(None, "y", (Column("text", "text"),))
    made = features.build({"name": "pretrained_tokens", "column": "text", "encoder": "encoder"}, "features")
    task, model = tasks.build("regression", "task"), models.build("pretrained_encoder", "model")
    learner = build_settings(learners.get("neural"), {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2}, "fit")
    encoder, target = made.fit(ROWS, schema, 0), task.fit_target(pd.Series(VALUES[:, 0]), schema)
    spec = replace(encoder.spec, outputs=1)
    train = {**encoder.encode(ROWS), "target": VALUES}
    fitted = learner.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=None, seed=0))
    Predictor(schema, made, encoder, task, target, model, learner, spec, fitted).save(folder / "members" / "0")
    layout = submission_layout(None, id_column=None, target_column="y", submission_format="values", classes=())
    (folder / "final.json").write_text(json.dumps({"members": 1}))
    answer = {"models": {"toy-tuned": "."}, "weights": {"toy-tuned": 1.0}, "submission": layout}
    (folder / "answer.json").write_text(json.dumps(answer))


CODE = """
import socket, sys
def refused(*_): raise SystemExit("asks the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("champion")
model.predict(pd.DataFrame({"text": ["fox fox", "", "never seen"]})).to_csv("answers.csv", index=False)
"""


def test_it_answers_in_another_process_with_folder_and_network_gone(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_encoder(), tmp_path / "encoder")
    save_final_model(tmp_path / "final")
    carried = sorted(path.name for path in (tmp_path / "final/members/0/features").iterdir())
    assert carried == ["config.json", "tokenizer.json"]  # the weights are the trained ones
    mlflow.pyfunc.save_model(
        "champion",
        python_model=str(SCRIPT),
        artifacts={"answering": str(tmp_path / "final")},
        code_paths=[str(Path(pipeline.__file__).parent)],
        pip_requirements=[],
    )
    expected = load_answering(tmp_path / "final").answer(pd.DataFrame({"text": ["fox fox", "", "never seen"]}))
    for gone in ("encoder", "final"):
        shutil.rmtree(tmp_path / gone)
    (tmp_path / "home").mkdir()
    surroundings = {**os.environ, "PYTHONSAFEPATH": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv("answers.csv"), expected, check_exact=False, rtol=1e-5)
    assert expected["y"].nunique() == 3
    assert {"torch", "transformers", "tokenizers", "safetensors"} <= set(REQUIREMENTS)
