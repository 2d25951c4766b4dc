"""A project in an empty folder, whose stages note when they begin and end."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
NOTING = Path(__file__).parent / "noting"


def started_by(process: int) -> set[int]:
    """The processes below one, whoever of them started them."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {process}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


class Project:
    """commit: whose code it runs; this folder's where it is None."""

    def __init__(self, root: Path, commit: str | None = None) -> None:
        self.root, self.notes = root, root / "notes.jsonl"
        root.mkdir(parents=True, exist_ok=True)
        if commit is None:
            shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
            for file in ("dvc.yaml", ".dvcignore"):
                shutil.copyfile(ROOT / file, root / file)
        else:
            archive = subprocess.run(
                ["git", "archive", commit, "pipeline", "dvc.yaml", ".dvcignore"],
                cwd=ROOT,
                check=True,
                capture_output=True,
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as stream:
                stream.extractall(root, filter="data")
        self.run("dvc", "init", "--no-scm", "-q")
        self.run("dvc", "config", "core.analytics", "false")
        self.run("dvc", "config", "core.check_update", "false")

    def params(self, params: dict[str, Any]) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def run(self, *command: str) -> tuple[float, list[dict[str, Any]]]:
        """Seconds that a command took, and what the stages in it noted."""
        self.notes.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(NOTING),
            "BENCHMARK_NOTES": str(self.notes),
            "PODIUM_TRACKING": "off",
        }
        began = time.time()
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        took = time.time() - began
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return took, [json.loads(line) for line in lines]
