"""What is encoded once serves all, but only what it was made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from encoders import KNOWN, THERE, tiny_encoder
from projects import Project, small_competition

from pipeline.stages import fetch, preprocess
from pipeline.stages.project import load_project
from pipeline.tasks import tasks
from pipeline.text.pretrained import Pieces
from pipeline.training import encoded
from pipeline.training.data import TrainingData


@pytest.fixture
def competition(tmp_path, monkeypatch):
    """Rows of positive targets, through ``preprocess``."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(80), "a": random.normal(size=80), "y": random.uniform(1, 9, 80)})
    (tmp_path / "files").mkdir()
    rows[:60].to_csv(tmp_path / "files" / "train.csv", index=False)
    rows[60:][["id", "a"]].to_csv(tmp_path / "files" / "test.csv", index=False)
    rows[60:][["id", "y"]].to_csv(tmp_path / "files" / "sample_submission.csv", index=False)
    source = {"name": "files", "path": "files"}
    model = {"competition": "lines", "features": "numbers", "model": {"name": "ridge"}}
    Project(tmp_path).params(
        {"competitions": {"lines": small_competition(source=source)}, "models": {"lines-ridge": model}}
    )
    config = load_project()
    for stage in (fetch, preprocess):
        stage.run(config, "lines")
    return config.competition("lines")


def test_a_fold_is_encoded_once_and_mapped_by_all(competition, monkeypatch):
    first = TrainingData(competition, "numbers").fold(0)
    written = []
    monkeypatch.setattr(encoded, "_write", lambda *arguments: written.append(arguments))
    again = TrainingData(competition, "numbers").fold(0)
    assert written == [] and isinstance(again.train["numbers"], np.memmap)
    for name, array in first.train.items():
        np.testing.assert_array_equal(again.train[name], array)
    again.train["numbers"][:] = 0.0  # copy on write: nobody else sees it
    np.testing.assert_array_equal(TrainingData(competition, "numbers").fold(0).train["numbers"], first.train["numbers"])


@pytest.mark.skipif(not THERE, reason="needs transformers")
def test_what_hangs_on_its_row_alone_is_encoded_once_for_all_folds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [" ".join(KNOWN[i % 7 : i % 7 + 1 + i % 4]) for i in range(40)]
    rows = pd.DataFrame({"id": range(40), "text": texts, "y": np.arange(40.0)})
    (tmp_path / "files").mkdir()
    rows.to_csv(tmp_path / "files" / "train.csv", index=False)
    told = {"name": "pretrained_tokens", "encoder": str(tiny_encoder()), "column": "text"}
    columns = {"id": "id", "target": "y", "types": {"text": "text"}}
    lines = small_competition(source={"name": "files", "path": "files"}, columns=columns, features={"pieces": told})
    model = {"competition": "lines", "features": "pieces", "model": {"name": "pretrained_encoder"}}
    Project(tmp_path).params({"competitions": {"lines": lines}, "models": {"lines-encoder": model}})
    config = load_project()
    for stage in (fetch, preprocess):
        stage.run(config, "lines")
    asked = []
    encode = Pieces.encode
    monkeypatch.setattr(Pieces, "encode", lambda self, some: asked.append(len(some)) or encode(self, some))
    data = TrainingData(config.competition("lines"), "pieces")
    for k in data.folds:
        fold = data.fold(k)
        for part, mask in ((fold.train, data.fold_of_row != k), (fold.valid, data.fold_of_row == k)):
            expected = data._encoder(k).encode(data.rows[mask])["pretrained_tokens"]
            assert [row.tolist() for row in part["pretrained_tokens"]] == [row.tolist() for row in expected]
            asked.pop()
    assert asked == [40]


def test_a_target_on_another_scale_is_encoded_anew(competition):
    plain = TrainingData(competition, "numbers").fold(0)
    logged = replace(competition, task=tasks.build({"name": "regression", "target": "log"}, "task"))
    other = TrainingData(logged, "numbers").fold(0)
    for part, column in (("train", plain.train_target), ("valid", plain.valid_target)):
        expected = other.target.encode(column.reset_index(drop=True))
        np.testing.assert_array_equal(getattr(other, part)["target"], expected)
        assert not np.allclose(getattr(other, part)["target"], getattr(plain, part)["target"])
