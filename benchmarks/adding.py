"""What `add` takes on a large table, beside pandas reading the same file.

    python benchmarks/adding.py [--rows 1000000]

40 columns: numbers, whole numbers, categories, a date, decimal commas, an id and a target; a tenth as many test rows.
Bars: 20 s, and 3 times the table's memory. "Processor" are the seconds that all cores worked, which hang less on what
else the machine does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = "import pandas, sys; print(pandas.read_csv(sys.argv[1]).memory_usage(deep=True).sum())"


def write(folder: Path, rows: int) -> None:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)

    def table(first: int, count: int) -> pd.DataFrame:
        columns = {"id": np.arange(first, first + count)}
        columns |= {f"number{i}": random.normal(size=count).round(5) for i in range(20)}
        columns |= {f"whole{i}": random.integers(0, 1000, count) for i in range(6)}
        for i in range(10):
            columns[f"category{i}"] = np.array([f"level{k}" for k in range(20 + i)])[random.integers(0, 20 + i, count)]
        columns["when"] = (np.datetime64("2015-01-01") + random.integers(0, 3000, count)).astype(str)
        columns["comma"] = [f"{value:.3f}".replace(".", ",") for value in random.normal(50, 10, count)]
        return pd.DataFrame(columns | {"y": random.normal(size=count).round(4)})

    test = table(rows, rows // 10).drop(columns="y")
    table(0, rows).to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    test[["id"]].assign(y=0.0).to_csv(folder / "sample_submission.csv", index=False)


def measured(*command: str, folder: Path) -> tuple[float, float, float, str]:
    """Seconds, those of the processor, peak MiB, and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    printed = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside, "files")
        folder.mkdir()
        # In a process of its own: Linux counts what a process held before it became another program.
        writing = multiprocessing.Process(target=write, args=(folder, rows))
        writing.start()
        writing.join()
        print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {rows:,} rows x 40\n")
        print("| way | seconds | processor | peak MiB | of the table |\n|---|---:|---:|---:|---:|")
        seconds, processor, peak, printed = measured("-c", READ, str(folder / "train.csv"), folder=Path(aside))
        size = int(printed) / 2**20
        print(f"| pandas.read_csv of train.csv | {seconds:.1f} | {processor:.1f} | {peak:.0f} | {peak / size:.1f} |")
        seconds, processor, peak, _ = measured(
            "-m", "pipeline", "add", "large", "--from", str(folder), folder=Path(aside)
        )
        print(f"| add | {seconds:.1f} | {processor:.1f} | {peak:.0f} | {peak / size:.1f} |")


if __name__ == "__main__":
    main()
