"""How a budget of minutes is used: `add NAME --from DIR --minutes M`, `dvc repro`.

    python benchmarks/budget.py DIR [DIR ...] --minutes 10 [--against COMMIT]

For each folder of competition files, in a project of its own: the part of the budget that was used, of it the part
between stages, how busy the cores were during `train` and `tune`, how many models were trained, and the blend's
score. --against: a commit before, side by side in the same run.
Bars: 95 to 102 % of the budget, less than 2 % between stages, cores 92 % busy, every model that fits trained.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from projects import Project


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--against")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    packages = ", ".join(f"{name} {version(name)}" for name in ("dvc", "torch", "lightgbm", "scikit-learn"))
    print(f"{cores} cores, Python {sys.version.split()[0]}, {packages}; {chosen.minutes:g} minutes\n")
    print("| files | code | seconds | of the budget | between stages | cores busy | models | blend |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for folder in chosen.folders:
        for code in (None, chosen.against) if chosen.against else (None,):
            with tempfile.TemporaryDirectory() as aside:
                project = Project(Path(aside), code)
                command = [sys.executable, "-m", "pipeline", "add", "own", "--from", str(folder.resolve())]
                project.run(*command, "--minutes", f"{chosen.minutes:g}")
                took, notes = project.run("dvc", "repro")
                inside = sum(note["ended"] - note["began"] for note in notes)
                fits = [note for note in notes if note["stage"].partition("@")[0] in ("train", "tune")]
                busy = sum(note["cpu"] for note in fits) / sum(note["ended"] - note["began"] for note in fits) / cores
                blend = json.loads((project.root / "data/own/blend.json").read_text())
                models, scored = len(blend["models"]), blend.get("decided") or blend["valid"]
                print(
                    f"| {folder.name} | {code or 'this'} | {took:.0f} | {took / 60 / chosen.minutes:.1%} | "
                    f"{(took - inside) / 60 / chosen.minutes:.1%} | {busy:.0%} | {models} | {scored:.5f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
