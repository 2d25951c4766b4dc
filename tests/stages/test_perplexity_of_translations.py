"""The metric ``perplexity`` of translators, through the stages: scored, blended, told, refused where there is none."""

from __future__ import annotations

import math
from pathlib import Path

import in_process
import numpy as np
import pandas as pd
import pytest
import torch
from words import competition, write_files

from pipeline.core.files import read_json
from pipeline.core.types import FOLD
from pipeline.training.predictor import Predictor

NAMES = ("words-one", "words-two")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("perplexity")
    write_files(root, test_rows=6)
    fit = {
        "epochs": 6,
        "learning_rate": 0.02,
        "batch_size": 8,
        "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    }
    model = {"name": "seq2seq", "hidden": 12, "embedding": 8}
    models = {name: {"features": "pairs", "model": model, "fit": fit, "seed": i} for i, name in enumerate(NAMES)}
    params = {
        "competitions": {"words": competition(metric="perplexity", blend="ensemble")},
        "models": {name: {"competition": "words", **one} for name, one in models.items()},
        "execution": {"executor": "serial"},
    }
    return in_process.trained(root, params, "report")


@pytest.fixture
def words(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained / "data" / "words"


def test_a_folds_score_is_that_of_its_references_by_teacher_forcing(words):
    """As torch's own cross entropy has it, without the smoothing that the fit's loss has."""
    rows = pd.read_parquet(words / "rows" / "train.parquet")
    for name in NAMES:
        scores = read_json(words / "cv" / name / "scores.json")["folds"]
        for k in (0, 1):
            member = Predictor.load(words / "cv" / name / "members" / str(k))
            encoded, nats, tokens = member.encoder.encode(rows[rows[FOLD] == k].reset_index(drop=True)), 0.0, 0
            for row in range(len(encoded["labels"])):
                one = {
                    part: torch.from_numpy(encoded[part].row(row).astype("int64")[None])
                    for part in encoded
                    if part != "length"
                }
                with torch.no_grad():
                    output, _ = member.fitted.network.eval()(one)
                nats += float(torch.nn.functional.cross_entropy(output[0], one["labels"][0], reduction="sum"))
                tokens += one["labels"].numel()
            assert tokens == 4 * len(encoded["labels"])  # three words and an end
            assert scores[k]["valid"] == pytest.approx(math.exp(nats / tokens), rel=1e-5)


def test_models_that_answer_together_have_one_too_and_a_submission_has_none(words, commands):
    blend = read_json(words / "blend.json")
    assert blend["together"]
    alone = [pd.read_parquet(words / "tuned" / name / "predictions.parquet")["log_probabilities"] for name in NAMES]
    odds = [np.logaddexp(*row) - math.log(2) for row in zip(*alone, strict=True)]
    assert math.exp(-np.concatenate(odds).mean()) == pytest.approx(blend["valid"], rel=0.02)  # a mean over folds
    assert blend["valid"] < min(one["valid"] for one in blend["models"].values())
    assert (words / "submission.csv").exists()
    answers = pd.read_csv(words / "submission.csv").to_csv(index=False)
    Path("solution.csv").write_text(answers)
    code, _, told = commands("score", "words", "--solution", "solution.csv")
    assert code == 2 and len(told) == 1 and "which a submission does not tell" in told[0]
