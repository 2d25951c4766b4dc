"""What a stage costs over its work: every stage on a competition with next to no work.

    python benchmarks/stage_overhead.py

Side by side: the same process importing only the libraries that its work needs (the first step of a
torch optimiser imports torch._dynamo). Bars: 2 s a stage
over its work, 0.5 s for --help, 3 s for a `dvc repro` with nothing to do.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
RUNS = 3
PARAMS = {
    "competitions": {
        "toy": {
            "source": {"name": "synthetic", "task": "linear", "rows": 60, "test_rows": 20, "features": 3, "seed": 1},
            "columns": {"id": "id", "target": "y"},
            "task": "regression",
            "metric": "rmse",
            "split": {"name": "shuffled", "folds": 2, "seed": 0},
            "features": {"numbers": "tabular", "trees": "categorical"},
            "blend": "greedy",
            "submission": "values",
        }
    },
    "models": {
        "toy-ridge": {"competition": "toy", "features": "numbers", "model": "ridge"},
        "toy-lightgbm": {
            "competition": "toy",
            "features": "trees",
            "model": "lightgbm",
            "fit": {"iterations": 2, "early_stopping": None},
        },
        "toy-linear": {"competition": "toy", "features": "numbers", "model": "linear", "fit": {"epochs": 1}},
    },
}
STAGES = [
    ("fetch toy", "pandas"),
    ("preprocess toy", "pandas, pandera.pandas"),
    ("train toy-ridge", "pandas, sklearn.linear_model"),
    ("train toy-lightgbm", "pandas, lightgbm"),
    ("train toy-linear", "pandas, torch, torch._dynamo"),
    ("tune toy-ridge", "json"),
    ("tune toy-lightgbm", "json"),
    ("tune toy-linear", "json"),
    ("retrain toy-ridge", "pandas, sklearn.linear_model"),
    ("retrain toy-lightgbm", "pandas, lightgbm"),
    ("retrain toy-linear", "pandas, torch, torch._dynamo"),
    ("blend toy", "pandas"),
    ("submit toy", "pandas"),
    ("report toy", "pandas, matplotlib.figure"),
]


def seconds(command: list[str], folder: Path) -> float:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def median_pair(first: list[str], second: list[str], folder: Path) -> tuple[float, float]:
    """Both in turn, so that a machine that slows down slows both."""
    pairs = [(seconds(first, folder), seconds(second, folder)) for _ in range(RUNS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("dvc.yaml", ".dvcignore"):
            shutil.copyfile(ROOT / file, folder / file)
        (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
        scripts = Path(sys.executable).parent
        subprocess.run([scripts / "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
        seconds([str(scripts / "dvc"), "repro"], folder)
        print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, ", end="")
        print(", ".join(f"{p} {version(p)}" for p in ("pandas", "torch", "lightgbm", "dvc")))
        print("\n| command | seconds | imports alone | over them |\n|---|---:|---:|---:|")
        for stage, libraries in STAGES:
            whole, imports = median_pair(
                [sys.executable, "-m", "pipeline", *stage.split()],
                [sys.executable, "-c", f"import {libraries}"],
                folder,
            )
            print(f"| {stage} | {whole:.2f} | {imports:.2f} | {whole - imports:.2f} |", flush=True)
        shown, bare = median_pair([sys.executable, "-m", "pipeline", "--help"], [sys.executable, "-c", ""], folder)
        print(f"| --help | {shown:.2f} | {bare:.2f} | {shown - bare:.2f} |")
        seconds([str(scripts / "dvc"), "repro"], folder)
        again, dvc = median_pair([str(scripts / "dvc"), "repro"], [str(scripts / "dvc"), "version"], folder)
        print(f"| dvc repro, nothing to do | {again:.2f} | {dvc:.2f} (dvc version) | {again - dvc:.2f} |")


if __name__ == "__main__":
    main()
