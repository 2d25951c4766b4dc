"""The command line by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_help_is_quick_and_says_what_each_command_is_for():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def told(*arguments: str) -> tuple[str, float]:
        began = time.monotonic()
        command = [sys.executable, "-m", "pipeline", *arguments, "--help"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout, time.monotonic() - began

    assert min(told()[1] for _ in range(3)) < 0.5
    text, _ = told("add")
    for word in ("--from", "--target", "--id", "--metric", "--minutes", "kaggle:SLUG"):
        assert word in text


def test_a_terminal_that_knows_fewer_letters_is_shown_the_rest():
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "pipeline", "parts", "--markdown"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert b"\\u2026" in done.stdout  # an ellipsis


@pytest.mark.parametrize("arguments", [("add", "digits"), ("track",), ("ui",), ("check",), ("leaderboard",)])
def test_in_a_folder_of_a_project_a_command_says_where_to_run_it(arguments, tmp_path, monkeypatch, commands):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "notes" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notes" / "first")
    code, _, lines = commands(*arguments)
    assert (code, len(lines)) == (2, 1) and lines[0].endswith(
        f"of the project {tmp_path.name}; run it there (cd ../..)"
    )
    assert not any(Path.cwd().iterdir())


def test_a_port_that_there_is_not_and_a_store_that_is_none(tmp_path, monkeypatch, commands):
    monkeypatch.chdir(tmp_path)
    assert commands("ui", "--port", "70000")[0] == commands("proxy", "--port", "70000")[0] == 2
    (tmp_path / "mlflow.db").write_text("no database" * 100)
    code, _, lines = commands("ui")
    assert (code, len(lines)) == (2, 1) and "mlflow.db cannot be opened" in lines[0], lines
