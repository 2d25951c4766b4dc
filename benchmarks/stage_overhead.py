"""What DVC and Podium cost over the work.

    python benchmarks/stage_overhead.py [--against COMMIT] [--competitions 1 3 9]

For so many competitions of 11 small models in params.yaml: DVC's own seconds from one stage's end to the next one's
beginning, and once a run, when one competition runs through its stages; and an idle `dvc repro submit@NAME`, `check`
included. Then what each stage's process takes where every model is kept, and the command line. --against: a commit
before competitions' stages worked on all their models, in the same run; it takes minutes.
Bars: 0.2, 0.3 and 0.5 s a stage with 1, 3 and 10 competitions; idle 2, 2.5 and 4 s with 1, 3 and 9; `check` 0.7 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from projects import Project

RUNS = 3


def params(competitions: int) -> dict[str, Any]:
    names = [f"toy{i}" for i in range(competitions)]
    one = {
        "source": {"name": "synthetic", "task": "linear", "rows": 60, "test_rows": 20, "features": 3, "seed": 1},
        "columns": {"id": "id", "target": "y"},
        "task": "regression",
        "metric": "rmse",
        "split": {"name": "shuffled", "folds": 2, "seed": 0},
        "features": {"numbers": {"name": "tabular"}},
        "blend": "greedy",
        "submission": "values",
    }
    models = {
        f"{name}-ridge-{k}": {"competition": name, "features": "numbers", "model": {"name": "ridge", "alpha": k + 1.0}}
        for name in names
        for k in range(11)
    }
    return {"competitions": dict.fromkeys(names, one), "models": models}


def measured(project: Project, competitions: int) -> tuple[float, float, float, int]:
    """Seconds from one stage's end to the next one's beginning, of DVC's start and end once a run, and of an idle
    repro; and the lines of dvc.lock."""
    project.params(params(competitions))
    project.run("dvc", "repro")
    changed = params(competitions)
    changed["competitions"]["toy0"] = {**changed["competitions"]["toy0"], "metric": "mae"}
    between, once = [], []
    for settings in [changed, params(competitions)] * ((RUNS + 1) // 2):
        project.params(settings)
        seconds, notes = project.run("dvc", "repro", "submit@toy0")
        between += [later["began"] - earlier["ended"] for earlier, later in pairwise(notes)]
        once.append(seconds - (notes[-1]["ended"] - notes[0]["began"]))
    idle = [project.run("dvc", "repro", "submit@toy0")[0] for _ in range(RUNS)]
    lock = len((project.root / "dvc.lock").read_text().splitlines())
    return statistics.median(between), statistics.median(once), statistics.median(idle), lock


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against")
    parser.add_argument("--competitions", type=int, nargs="*", default=[1, 3, 9])
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, dvc {version('dvc')}\n")
    print("| code | competitions | between stages, s | DVC's start and end, s | idle repro, s | lines of dvc.lock |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for competitions in chosen.competitions:
            for code in (None, chosen.against) if chosen.against else (None,):
                project = Project(Path(folder, f"{competitions}-{code}"), code)
                between, once, idle, lock = measured(project, competitions)
                figures = f"{between:.2f} | {once:.2f} | {idle:.2f} | {lock}"
                print(f"| {code or 'this'} | {competitions} | {figures} |", flush=True)
        print("\n| command, every model kept | seconds |\n|---|---:|")
        project = Project(Path(folder, "stages"))
        project.params(params(1))
        _, notes = project.run("dvc", "repro")
        for stage in [note["stage"] for note in notes]:
            family, _, name = stage.partition("@")
            words = [sys.executable, "-m", "pipeline", family, *([name] if name else [])]
            took = statistics.median(project.run(*words)[0] for _ in range(RUNS))
            print(f"| {' '.join(words[3:])} | {took:.2f} |", flush=True)
        took = statistics.median(project.run(sys.executable, "-m", "pipeline", "--help")[0] for _ in range(RUNS))
        print(f"| --help | {took:.2f} |")


if __name__ == "__main__":
    main()
