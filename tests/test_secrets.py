"""Planted canaries: what is secret in a run's surroundings is in nothing that the run leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from projects import Project, small_competition

KAGGLE_KEY = "canary-kaggle-key-3f9a"
KAGGLE_FILE = "canary-kaggle-file-77c1"
DATABASE = "canary-database-b20e"
SERVER = "canary-server-5d48"
CANARIES = (KAGGLE_KEY, KAGGLE_FILE, DATABASE, SERVER)
NO_ONE = "127.0.0.1:9"
"""Where nobody listens."""


def nothing_secret(output: str, *folders: Path) -> int:
    """Look through an output and every file of the folders; gives the number of files read."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    for canary in CANARIES:
        assert canary not in output
        for path in files:
            assert canary not in path.name and canary.encode() not in path.read_bytes(), path
    return len(files)


@pytest.fixture
def surroundings(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Secrets wherever a person would have them."""
    home = tmp_path / "home"
    (home / ".kaggle").mkdir(parents=True)
    (home / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "somebody", "key": KAGGLE_FILE}))
    (tmp_path / "studies").mkdir()
    secrets = {
        "HOME": str(home),
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": KAGGLE_KEY,
        # SQLite takes any query, so this is a database behind a password that really works.
        "PODIUM_OPTUNA_STORAGE": f"sqlite:///file:{tmp_path}/studies/all.db?mode=rwc&uri=true&password={DATABASE}",
        "MLFLOW_TRACKING_URI": f"http://somebody:{SERVER}@{NO_ONE}",
        "PODIUM_TRACKING": "later",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_whole_run_leaves_no_secret_anywhere(project, surroundings, monkeypatch):
    ridge = {"competition": "lines", "features": "numbers", "model": {"name": "ridge", "alpha": 1.0}}
    tune = {"trials": 2, "space": {"model.alpha": {"log_float": [0.1, 10.0]}}}
    params = {"competitions": {"lines": small_competition(rows=60)}, "models": {"lines-ridge": {**ridge, "tune": tune}}}
    project.params(params)
    output = project.podium("add", "digits")
    nothing_secret(output, project.root)
    project.params(params)

    output = project.repro()
    output += project.podium("leaderboard")
    assert (surroundings / "studies" / "all.db").stat().st_size > 0  # the study went where the secret led
    outbox = project.root / ".podium" / "outbox"
    assert any(outbox.rglob("*.jsonl"))
    assert project.data("lines", "report", "index.html").exists() and (project.root / "dvc.lock").exists()
    assert nothing_secret(output, project.root) > 100

    # The server is away: the records stay, and the message does not say how to get in.
    output = project.run(sys.executable, "-m", "pipeline.commands.track", "--wait", "1", code=2)
    assert NO_ONE in output
    nothing_secret(output, project.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    output = project.podium("track")
    assert (project.root / "mlflow.db").stat().st_size > 0 and (project.root / "mlruns").is_dir()
    nothing_secret(output, project.root)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://somebody:{DATABASE}@{NO_ONE}/studies",
        f"sqlite:////nowhere/at/all.db?password={DATABASE}",
        f"somebody:{DATABASE}@nowhere",
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(url, tmp_path, monkeypatch):
    from pipeline.core.errors import UserError
    from pipeline.tuning.storage import open_study, told_plainly

    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", url)
    with pytest.raises(UserError, match="PODIUM_OPTUNA_STORAGE") as error, told_plainly():
        open_study(tmp_path / "study.journal", "lines-ridge", False)
    nothing_secret(str(error.value))
