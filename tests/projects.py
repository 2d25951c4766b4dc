"""A real project in an empty folder, driven by the real commands."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COST = re.compile(rb'<section aria-labelledby="cost">.*?</section>', re.DOTALL)
SHARED = ROOT.parent / "shared" / "data"


class Project:
    """A copy of what a clean clone holds, with its own params.yaml."""

    def __init__(self, root: Path, **environment: str):
        self.root = root
        self.extra = environment

    @property
    def environment(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            **self.extra,
        }

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

    def copy(self, root: Path) -> Project:
        """The project as it lies, without what Podium and DVC's run cache remember of earlier runs."""
        forget = shutil.ignore_patterns(".podium", "runs")
        shutil.copytree(self.root, root, ignore=forget)
        return Project(root, PODIUM_TRACKING="off")

    def outputs(self) -> dict[str, bytes]:
        """Every file that the stages wrote, hidden ones included; of a report's page not the section of what a clock
        measured."""
        files = (path for path in self.data().rglob("*") if path.is_file())
        return {str(path.relative_to(self.data())): COST.sub(b"", path.read_bytes()) for path in sorted(files)}


@cache
def _clean_clone() -> tempfile.TemporaryDirectory:
    """What a project begins with, made once, its modules compiled: else each stage of each project compiles them."""
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name, "project")
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    compileall.compile_dir(root / "pipeline", quiet=2)
    for file in ("dvc.yaml", ".dvcignore"):
        shutil.copyfile(ROOT / file, root / file)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    return folder


def make_project(root: Path, **environment: str) -> Project:
    """A project folder with no competition yet."""
    # Modules keep their times, by which Python sees that what is compiled is of them.
    shutil.copytree(Path(_clean_clone().name, "project"), root)
    return Project(root, **environment)


def small_competition(rows: int = 400, test_rows: int = 100, **changes) -> dict:
    """Synthetic linear data, quick to run through every stage."""
    return {
        "source": {
            "name": "synthetic",
            "task": "linear",
            "rows": rows,
            "test_rows": test_rows,
            "features": 5,
            "seed": 1,
        },
        "columns": {"id": "id", "target": "y"},
        "task": "regression",
        "metric": "rmse",
        "split": {"name": "shuffled", "folds": 3, "seed": 0},
        "features": {"numbers": {"name": "tabular"}},
        "blend": "greedy",
        "submission": "values",
        **changes,
    }


def three_models() -> dict:
    """params.yaml of the competition ``lines``: a ridge with a search, a neural one, trees."""
    search = {"trials": 4, "space": {"model.alpha": {"log_float": [0.01, 100]}}}
    common = {"competition": "lines", "features": "numbers"}
    return {
        "competitions": {"lines": small_competition(rows=120, test_rows=30)},
        "models": {
            "lines-ridge": {**common, "model": {"name": "ridge"}, "tune": search},
            "lines-linear": {
                **common,
                "model": {"name": "linear"},
                "fit": {"optimizer": "adam", "learning_rate": 0.1, "epochs": 3},
            },
            "lines-trees": {**common, "model": {"name": "lightgbm"}, "fit": {"iterations": 20}},
        },
        "execution": {"executor": "serial"},
    }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]
