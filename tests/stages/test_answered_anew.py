"""Another search of a translation's task answers anew, and fits nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
from projects import Project
from words import competition, write_files

from pipeline.answering.final_models import FinalModel
from pipeline.core.files import digest_files, read_json
from pipeline.core.types import FOLD, ROW
from pipeline.stages import blend, fetch, preprocess, retrain, snapshot, train, tune
from pipeline.stages.project import load_project
from pipeline.training.neural import Neural
from pipeline.training.predictor import Predictor

KILLED = """
import os, signal
from pipeline.stages import train
from pipeline.stages.project import load_project
from pipeline.training import network

searched, asked = network.searched, []

def killed(*args):
    asked.append(searched(*args))
    if len(asked) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return asked[-1]

network.searched = killed
train.run(load_project(), "words")
"""


def params(search) -> dict:
    return {
        "competitions": {"words": competition(task={"name": "translation", "search": search})},
        "models": {
            "words-gru": {
                "competition": "words",
                "features": "pairs",
                "model": {"name": "seq2seq", "hidden": 16, "embedding": 8},
                "fit": {"epochs": 2, "learning_rate": 0.01, "early_stopping": {}},
            }
        },
        "execution": {"executor": "serial"},
    }


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the stages with this search; gives how many fits there were."""
    monkeypatch.chdir(tmp_path)
    project, fits = Project(tmp_path), []
    fit = Neural.fit
    monkeypatch.setattr(Neural, "fit", lambda self, job: fits.append(job) or fit(self, job))
    write_files(tmp_path, test_rows=20)

    def stages(search) -> int:
        project.params(params(search))
        config, before = load_project(), len(fits)
        if not project.data("words", "rows").exists():
            fetch.run(config, "words")
            preprocess.run(config, "words")
        for stage in (train, tune, blend, retrain):
            stage.run(config, "words")
        return len(fits) - before

    stages.project = project
    return stages


def told(run) -> tuple[pd.DataFrame, FinalModel, dict]:
    folder = run.project.data("words")
    table = pd.read_parquet(folder / "tuned" / "words-gru" / "predictions.parquet")
    return table, FinalModel.load(folder / "final" / "words-gru"), read_json(folder / "blend.json")


def test_another_search_answers_with_the_weights_that_are_there(run):
    assert run("greedy") == 3  # two folds, all rows
    folder = run.project.data("words")
    weights = [digest_files(place) for place in sorted(folder.glob("*/words-gru/members/*/weights"))]
    greedy = digest_files(folder / "cv"), told(run)
    assert run({"name": "sampling", "temperature": 3.0}) == 0
    table, final, scored = told(run)
    assert final.members[0].task.search.name == "sampling"
    assert [digest_files(place) for place in sorted(folder.glob("*/words-gru/members/*/weights"))] == weights
    assert not table["prediction"].equals(greedy[1][0]["prediction"])
    assert scored["valid"] != greedy[1][2]["valid"]
    rows = pd.read_parquet(folder / "rows" / "train.parquet")
    for fold, part in table.groupby(FOLD):  # what the fold's own weights say
        member = Predictor.load(folder / "cv" / "words-gru" / "members" / str(fold))
        answers = member.predict(rows.iloc[part[ROW]])["prediction"].tolist()
        assert member.task.search.name == "sampling" and answers == part["prediction"].tolist()
    test = pd.read_parquet(folder / "final" / "words-gru" / "predictions.parquet")
    assert final.predict(pd.read_parquet(folder / "rows" / "test.parquet")).equals(test)
    assert run("greedy") == 0 and digest_files(folder / "cv") == greedy[0]


def test_killed_while_answers_are_searched_they_are_what_they_would_have_been(run, tmp_path_factory, monkeypatch):
    assert run("greedy") == 3
    root = run.project.root
    undisturbed = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(root, undisturbed)
    run.project.params(params("beam"))
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=root).returncode == -signal.SIGKILL
    assert run("beam") == 0
    monkeypatch.chdir(undisturbed)
    run.project = Project(undisturbed)
    run.project.params(params("beam"))
    train.run(load_project(), "words")
    assert digest_files(root / "data/words/cv") == digest_files(undisturbed / "data/words/cv")


def test_what_is_preprocessed_hangs_on_no_search(run):
    run.project.params(params("greedy"))
    before = {stage: snapshot.contents(load_project(), "words", stage) for stage in ("preprocess", "train")}
    run.project.params(params("exact"))
    after = {stage: snapshot.contents(load_project(), "words", stage) for stage in ("preprocess", "train")}
    assert after["preprocess"] == before["preprocess"] and after["train"] != before["train"]
