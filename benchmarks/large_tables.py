"""Memory of tables larger than it: `preprocess` and `train` of a parquet file of N rows x 20 numbers.

    python benchmarks/large_tables.py [--rows 1000000 5000000] [--network] [--against COMMIT] [--folder PLACE]

A holdout of a tenth, LightGBM of 20 trees; --network: an MLP of one epoch besides. Memory is the most that the stage's
processes hold together which only they can give back (RssAnon, every 50 ms): pages of files are the system's, which
takes them back where it has need of them. --against: the same rows through another commit's code. On disk: the rows'
own file, DVC's cache and all that the stages keep, less what was taken before. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from projects import Project, started_by

COLUMNS = 20
BLOCK = 250_000
SEEN_EVERY = 0.05


def write_rows(path: Path, rows: int) -> None:
    """20 numbers, a twentieth of them missing, and a target that hangs on some, to three decimals; a block a group."""
    path.parent.mkdir(parents=True)
    names = [f"x{j}" for j in range(COLUMNS)]
    schema = pa.schema([(name, pa.float64()) for name in (*names, "y")])
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, BLOCK):
            random = np.random.default_rng(begin)
            values = random.normal(size=(COLUMNS, min(BLOCK, rows - begin)))
            target = values[0] - 2 * values[1] * (values[2] > 0) + np.sin(3 * values[3]) + 0.3 * random.normal()
            values[random.random(values.shape) < 0.05] = np.nan
            writer.write_table(pa.table([*values.round(3), target.round(3)], schema=schema))


def params(source: Path, network: bool) -> dict[str, Any]:
    competition = {
        "source": {"name": "files", "path": str(source)},
        "columns": {"target": "y"},
        "task": "regression",
        "metric": "rmse",
        "split": {"name": "holdout", "part": 0.1, "seed": 0},
        "features": {"raw": {"name": "categorical"}, "scaled": {"name": "tabular"}},
        "blend": "greedy",
        "submission": "values",
    }
    trees = {"model": {"name": "lightgbm"}, "fit": {"iterations": 20}, "features": "raw"}
    mlp = {"model": {"name": "mlp"}, "fit": {"epochs": 1, "batch_size": 4096}, "features": "scaled"}
    models = {"trees": trees, **({"mlp": mlp} if network else {})}
    return {
        "competitions": {"rows": competition},
        "models": {f"rows-{name}": {"competition": "rows", **one} for name, one in models.items()},
        "execution": {"workers": 1, "threads": 2},
    }


def held() -> int:
    """Bytes that the processes below this one hold themselves."""
    total = 0
    for pid in started_by(os.getpid()):
        try:
            found = re.search(r"RssAnon:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def free(folder: Path) -> int:
    """Bytes of the disk that are: files without a name take theirs too."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def measured(project: Project, stage: str) -> tuple[float, int, int]:
    """Seconds that a stage took, the most its processes held, and the least bytes of disk that were free."""
    most, least, over = 0, free(project.root), threading.Event()

    def watch() -> None:
        nonlocal most, least
        while not over.wait(SEEN_EVERY):
            most, least = max(most, held()), min(least, free(project.root))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        began = time.perf_counter()
        project.run("dvc", "repro", "-s", f"{stage}@rows")
        return time.perf_counter() - began, most, least
    finally:
        over.set()
        watching.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--against")
    parser.add_argument("--folder", type=Path, help="where the files go")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pyarrow", "lightgbm", "torch"))
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {packages}\n")
    print(
        "| code | rows | table, GiB | stage | seconds | held at most, GiB | on disk at most, GiB |\n"
        "|---|---:|---:|---|---:|---:|---:|",
        flush=True,
    )
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            before = free(Path(folder))
            write_rows(Path(folder, "rows", "train.parquet"), rows)
            for code in (None, options.against) if options.against else (None,):
                project = Project(Path(folder, f"project-{code}"), code)
                project.params(params(Path(folder, "rows"), options.network))
                project.run("dvc", "repro", "fetch@rows")
                for stage in ("preprocess", "train"):
                    seconds, most, least = measured(project, stage)
                    sizes = [8 * rows * (COLUMNS + 1), most, before - least]
                    table, memory, disk = (f"{size / 2**30:.2f}" for size in sizes)
                    told = [code or "this", f"{rows:,}", table, stage, f"{seconds:.0f}", memory, disk]
                    print(f"| {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
