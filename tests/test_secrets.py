"""Planted canaries: what is secret in a run's surroundings is in nothing that the run leaves."""

from __future__ import annotations

import shutil

import pytest
from canaries import DATABASE, nothing_secret, planted

from pipeline.core.errors import UserError

pytestmark = pytest.mark.timeout(900)  # whichever comes first waits for `two_runs`

NO_ONE = "127.0.0.1:9"
"""Where nobody listens."""


def test_whole_runs_leave_no_secret_anywhere(two_runs):
    tracked, searched = two_runs
    assert any((tracked.root / ".podium" / "outbox").rglob("*.jsonl"))
    studies = searched.root.parent / "studies.db"
    assert studies.stat().st_size > 0  # the study went where the secret led
    assert not list((searched.root / ".podium").rglob("*.journal"))
    for project in two_runs:
        assert project.data("lines", "report", "index.html").exists() and (project.root / "dvc.lock").exists()
        assert nothing_secret(project.output, project.root) > 100


@pytest.mark.parametrize("arguments", [("add", "digits"), ("leaderboard",)])
def test_commands_leave_none(arguments, undisturbed, commands, tmp_path, monkeypatch):
    for name, value in planted(tmp_path, NO_ONE).items():
        monkeypatch.setenv(name, value)
    project = undisturbed.copy(tmp_path / "project")
    monkeypatch.chdir(project.root)
    code, told, lines = commands(*arguments)
    assert code == 0 and told
    nothing_secret("\n".join([told, *lines]), project.root)


def test_a_server_that_is_away_is_told_without_its_password(undisturbed, tmp_path, monkeypatch):
    from pipeline.tracking.sender import deliver_waiting

    for name, value in {**planted(tmp_path, NO_ONE), "DVC_ROOT": str(tmp_path), "PODIUM_TRACKING": "later"}.items():
        monkeypatch.setenv(name, value)
    kept = undisturbed.root / ".podium" / "outbox"
    forget = shutil.ignore_patterns("*.lock", "status.json", "address")
    shutil.copytree(kept, tmp_path / ".podium" / "outbox", ignore=forget)
    with pytest.raises(UserError, match=NO_ONE) as error:
        deliver_waiting(wait=0)
    nothing_secret(str(error.value), tmp_path / ".podium")


def test_nor_does_what_mlflow_keeps_hold_any(delivered):
    assert (delivered.root / "mlflow.db").stat().st_size > 0 and (delivered.root / "mlruns").is_dir()
    assert nothing_secret(delivered.output, delivered.root) > 100


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://somebody:{DATABASE}@{NO_ONE}/studies",
        f"sqlite:////nowhere/at/all.db?password={DATABASE}",
        f"somebody:{DATABASE}@nowhere",
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(url, tmp_path, monkeypatch):
    from pipeline.tuning.storage import open_study, told_plainly

    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", url)
    with pytest.raises(UserError, match="PODIUM_OPTUNA_STORAGE") as error, told_plainly():
        open_study(tmp_path / "study.journal", "lines-ridge", False)
    nothing_secret(str(error.value))
