"""A real project in an empty folder, driven by the real commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tracking sender in the background unless a test asks for it, no variables of a stage."""
    monkeypatch.setenv("PODIUM_TRACKING", "off")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as a stage's jobs have it
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("DVC_STAGE", "DVC_ROOT", "MLFLOW_TRACKING_URI", "PODIUM_OPTUNA_STORAGE"):
        monkeypatch.delenv(name, raising=False)


class Project:
    """A copy of what a clean clone holds, with its own params.yaml."""

    def __init__(self, root: Path):
        self.root = root

    @property
    def environment(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}

    def params(self, params: dict) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def start(self, *command: str, **options) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def run(self, *command: str, code: int = 0, timeout: float = 280) -> str:
        """Run a command; its output. Fails the test when it ends with another code."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        if done.returncode != code:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}, not {code}:\n{done.stdout}")
        return done.stdout

    def podium(self, *arguments: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", "pipeline", *arguments, code=code)

    def repro(self, *arguments: str, code: int = 0) -> str:
        return self.run("dvc", "repro", *arguments, code=code)

    def data(self, *parts: str) -> Path:
        return self.root.joinpath("data", *parts)


def make_project(root: Path) -> Project:
    """A project folder with no competition yet."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=ignore)
    shutil.copyfile(ROOT / "dvc.yaml", root / "dvc.yaml")
    shutil.copyfile(ROOT / ".dvcignore", root / ".dvcignore")
    project = Project(root)
    project.run("dvc", "init", "--no-scm", "-q")
    shutil.copyfile(ROOT / ".dvc" / "config", root / ".dvc" / "config")
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def small_competition(rows: int = 400, **changes) -> dict:
    """Synthetic linear data, quick to run through every stage."""
    return {
        "source": {"name": "synthetic", "task": "linear", "rows": rows, "test_rows": 100, "features": 5, "seed": 1},
        "columns": {"id": "id", "target": "y"},
        "task": "regression",
        "metric": "rmse",
        "split": {"name": "shuffled", "folds": 3, "seed": 0},
        "features": {"numbers": {"name": "tabular"}},
        "blend": "greedy",
        "submission": "values",
        **changes,
    }
