"""A project folder with its own outbox and store, and processes that really write to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


class TrackedProject:
    def __init__(self, root: Path):
        self.root = root
        self.outbox = root / ".podium" / "outbox"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def journals(self) -> list[Path]:
        return sorted(self.outbox.glob("*.jsonl"))

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python with ``command`` in the project."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.root,
            env={**os.environ, "PODIUM_TRACKING": "later", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*command, **environment)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == code, errors
        return subprocess.CompletedProcess(command, code, output, errors)

    def client(self, uri: str | None = None):
        from mlflow import MlflowClient

        return MlflowClient(uri or self.uri)

    def runs(self, uri: str | None = None, experiment: str = "ames") -> dict:
        """MLflow's runs by name; a name that stands twice fails."""
        client = self.client(uri)
        found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
        names = [run.info.run_name for run in found]
        assert len(set(names)) == len(names), f"doubled runs: {sorted(names)}"
        return {run.info.run_name: run for run in found}


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store, which takes seconds to make; tests copy it."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> TrackedProject:
    """A project with an empty store for all tests of a module."""
    root = tmp_path_factory.mktemp("project")
    shutil.copyfile(fresh_store, root / "mlflow.db")
    return TrackedProject(root)


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedProject:
    """A project whose stages record and start no sender."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("PODIUM_TRACKING", "later")
    return TrackedProject(tmp_path)


@pytest.fixture
def stored(tracked: TrackedProject, fresh_store: Path) -> TrackedProject:
    """The same with an empty store."""
    shutil.copyfile(fresh_store, tracked.root / "mlflow.db")
    return tracked
