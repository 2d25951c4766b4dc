"""Seconds and peak memory from raw files to a LightGBM submission, from ten thousand rows to a million.

    python benchmarks/scaling.py [--rows 10000 100000 1000000] [--iterations 100]

The table: 20 number and 20 category columns, missing values in each, a class that ten of them decide;
a tenth as many test rows. Podium's way is its stages, one process after another: fetch, preprocess,
train (5 folds), tune (nothing to try), retrain, blend, submit. Beside it the script that one would
write by hand: pandas reads the CSV files, LightGBM is fitted on 5 folds and on all rows.
The raw table in memory is the training and the test rows as ``pandas.read_csv`` gives them.
Memory is the highest sum over the processes at work of what each holds alone and its part of what
they share (PSS), looked at for a tenth of the time at most. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
COLUMNS = 20
LEVELS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 2, 3, 5, 10, 15, 20, 30, 50)
STAGES = ("fetch", "preprocess", "train", "tune", "retrain", "blend", "submit")
LIGHTGBM = {"learning_rate": 0.1, "num_leaves": 31}
LOOK_SECONDS = 0.02


def write_tables(folder: Path, rows: int) -> None:
    import numpy as np
    import pandas as pd

    for file, count, first in (("train.csv", rows, 1), ("test.csv", rows // 10, rows + 1)):
        random = np.random.default_rng(first)
        columns: dict[str, Any] = {"id": np.arange(first, first + count)}
        score = random.normal(0.0, 1.0, count)
        for j in range(COLUMNS):
            values = random.normal(10.0 * j, 1.0 + j, count).round(3)
            score += (values - 10.0 * j) / (1.0 + j) * (j < 5)
            values[random.random(count) < 0.1] = np.nan
            columns[f"number_{j}"] = values
        for j, levels in enumerate(LEVELS):
            codes = random.integers(0, levels, count)
            score += (codes % 3 - 1.0) * (j < 5)
            codes[random.random(count) < 0.1] = -1
            names = [f"level {k:03d} of {j}" for k in range(levels)]
            columns[f"category_{j}"] = pd.Categorical.from_codes(codes, names)
        if file == "train.csv":
            columns["y"] = (score > 0).astype(int)
        else:
            pd.DataFrame({"id": columns["id"], "y": 0.5}).to_csv(folder / "sample_submission.csv", index=False)
        pd.DataFrame(columns).to_csv(folder / file, index=False)


def raw_bytes(folder: Path) -> int:
    """Of both tables, as pandas holds them. In a process of its own, to leave no mark here."""
    code = (
        "import pandas as pd, sys; print(sum(int(pd.read_csv(f'{sys.argv[1]}/{name}.csv')"
        ".memory_usage(deep=True).sum()) for name in ('train', 'test')))"
    )
    return int(subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True).stdout)


def params(iterations: int) -> dict[str, Any]:
    competition = {
        "source": {"name": "files", "path": "tables"},
        "columns": {"id": "id", "target": "y"},
        "task": "classification",
        "metric": "roc_auc",
        "split": {"name": "stratified", "folds": 5},
        "features": {"trees": "categorical"},
        "blend": "best",
        "submission": "probabilities",
    }
    model = {
        "competition": "big",
        "features": "trees",
        "model": {"name": "lightgbm", **LIGHTGBM},
        "fit": {"iterations": iterations, "early_stopping": None},
    }
    return {"competitions": {"big": competition}, "models": {"big-lightgbm": model}}


def watched(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds a command took, and the most memory that it and its children held, in bytes."""
    environment = {**os.environ, "PODIUM_TRACKING": "off", "PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)}
    began, most = time.perf_counter(), 0
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=told)
        while process.poll() is None:
            looked = time.perf_counter()
            most = max(most, sum(held(number) for number in family(process.pid)))
            time.sleep(max(LOOK_SECONDS, 9 * (time.perf_counter() - looked)))
        if process.returncode:
            told.seek(0)
            sys.exit(told.read().decode())
    return time.perf_counter() - began, most


def family(process: int) -> list[int]:
    found, waiting = [], [process]
    while waiting:
        number = waiting.pop()
        found.append(number)
        try:
            for task in Path(f"/proc/{number}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # it has ended
    return found


def held(process: int) -> int:
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s*(\d+) kB", told, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def by_hand(folder: Path, iterations: int) -> None:
    """The script beside which Podium is measured."""
    import lightgbm
    import pandas as pd
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    target = train.pop("y")
    train, ids, test = train.drop(columns="id"), test["id"], test.drop(columns="id")
    for name in train.columns[COLUMNS:]:
        train[name] = train[name].astype("category")
        test[name] = pd.Categorical(test[name], categories=train[name].cat.categories)
    settings = {"n_estimators": iterations, "subsample_freq": 1, "verbosity": -1, **LIGHTGBM}
    scores = []
    for fit, valid in StratifiedKFold(5, shuffle=True, random_state=0).split(train, target):
        model = lightgbm.LGBMClassifier(**settings).fit(train.iloc[fit], target.iloc[fit])
        scores.append(roc_auc_score(target.iloc[valid], model.predict_proba(train.iloc[valid])[:, 1]))
    model = lightgbm.LGBMClassifier(**settings).fit(train, target)
    pd.DataFrame({"id": ids, "y": model.predict_proba(test)[:, 1]}).to_csv(folder / "by_hand.csv", index=False)
    (folder / "by_hand.txt").write_text(f"{fmean(scores):.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--by-hand", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.by_hand is not None:
        by_hand(chosen.by_hand, chosen.iterations)
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("pandas", "lightgbm"))
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {versions}\n")
    print("| rows | " + " | ".join(STAGES) + " | all, s | µs a row | peak MiB | raw MiB | peak/raw | ", end="")
    print("by hand, s | its peak/raw | AUC | its AUC |\n|---|" + "---:|" * (len(STAGES) + 9))
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), rows, chosen.iterations)


def measure(folder: Path, rows: int, iterations: int) -> None:
    tables = folder / "tables"
    tables.mkdir()
    write_tables(tables, rows)
    (folder / "params.yaml").write_text(json.dumps(params(iterations)))  # JSON is YAML
    raw = raw_bytes(tables)
    took, peaks = {}, {}
    for stage in STAGES:
        subject = "big-lightgbm" if stage in ("train", "tune", "retrain") else "big"
        took[stage], peaks[stage] = watched([sys.executable, "-m", "pipeline", stage, subject], folder)
    own = [sys.executable, __file__, "--by-hand", str(tables), "--iterations", str(iterations)]
    other, other_peak = watched(own, folder)
    board = json.loads((folder / "data" / "big" / "blend.json").read_text())
    total, peak = sum(took.values()), max(peaks.values())
    cells = [f"{rows:,}", *(f"{took[stage]:.1f}" for stage in STAGES), f"{total:.1f}", f"{1e6 * total / rows:.0f}"]
    cells += [f"{peak / 2**20:.0f} ({max(peaks, key=peaks.__getitem__)})", f"{raw / 2**20:.0f}", f"{peak / raw:.2f}"]
    cells += [f"{other:.1f}", f"{other_peak / raw:.2f}", f"{board['valid']:.5f}", (tables / "by_hand.txt").read_text()]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
