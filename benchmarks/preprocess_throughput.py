"""Rows a second and peak memory of the ``tabular`` feature set beside scikit-learn's ColumnTransformer.

    python benchmarks/preprocess_throughput.py [--rows 1000000] [--runs 5]

The table: 20 number columns with missing values, 20 category columns of 2 to 50 levels with
missing values. Both standardise the numbers, fill them with their mean, turn the categories to
indicators (missing a level of its own, unseen levels all zeros) and give one dense float32
matrix; that the matrices agree is checked first. Every run is a process of its own, in
alternating order; memory is the peak of the resident set over what it was before the step.
``transform`` is by an encoder fitted on a tenth of the rows, so that its peak is its own.

scikit-learn runs twice: ``dense`` indicators (the usual way), and ``sparse`` ones made dense at
the end, which takes less memory. ColumnTransformer.fit makes the whole output on its way; so
``parts`` is the time of fitting its transformers alone, the least scikit-learn can do.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NUMBERS = 20
LEVELS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 2, 3, 5, 10, 15, 20, 30, 50)
WAYS = ("podium", "dense", "sparse", "parts")


def make_rows(count: int):
    """A typed table, made column by column so that making it leaves no high-water mark."""
    import numpy as np
    import pandas as pd

    columns = {}
    for j in range(NUMBERS):
        random = np.random.default_rng([j, 0])
        values = random.normal(10.0 * j, 1.0 + j, count)
        values[random.random(count) < 0.1] = np.nan
        columns[f"number_{j}"] = values
    for j, levels in enumerate(LEVELS):
        random = np.random.default_rng([j, 1])
        codes = random.integers(0, levels, count)
        codes[random.random(count) < 0.1] = -1
        names = [f"level {k:03d} of {j}" for k in range(levels)]
        columns[f"category_{j}"] = pd.Series(pd.Categorical.from_codes(codes, names)).astype("str")
    return pd.DataFrame(columns, copy=False)


class Podium:
    def __init__(self, rows):
        from pipeline.core.types import Column, Schema
        from pipeline.features import features

        kinds = [Column(name, "number" if name.startswith("number") else "category") for name in rows.columns]
        self.schema = Schema(id=None, target=None, columns=tuple(kinds))
        self.settings = features.build("tabular", "benchmark")

    def fit(self, rows):
        self.encoder = self.settings.fit(rows, self.schema, seed=0)

    def transform(self, rows):
        return self.encoder.encode(rows)["numbers"]


class ScikitLearn:
    def __init__(self, rows, sparse: bool):
        import numpy as np
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

        numbers = [name for name in rows.columns if name.startswith("number")]
        categories = [name for name in rows.columns if name.startswith("category")]
        # Scaled before it is filled: the deviation is then that of the values present.
        to_single = FunctionTransformer(np.ndarray.astype, kw_args={"dtype": np.float32})
        scale = make_pipeline(StandardScaler(), SimpleImputer(), to_single)
        indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, dtype=np.float32)
        parts = [("numbers", scale, numbers), ("categories", indicators, categories)]
        self.parts = [(part, columns) for _, part, columns in parts]
        self.transformer = ColumnTransformer(parts, sparse_threshold=1.0 if sparse else 0.0)

    def fit(self, rows):
        self.transformer.fit(rows)

    def fit_parts(self, rows):
        for part, columns in self.parts:
            part.fit(rows[columns])

    def transform(self, rows):
        out = self.transformer.transform(rows)
        return out.toarray() if hasattr(out, "toarray") else out


def build(way: str, rows):
    return Podium(rows) if way == "podium" else ScikitLearn(rows, sparse=way == "sparse")


def peak() -> int:
    """High-water mark of this process's resident set, in bytes.

    Linux hands a parent's mark down in ru_maxrss, so its own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def settle_memory() -> None:
    """Forget what making the table took: free it, and let the mark begin anew (Linux)."""
    import pyarrow

    gc.collect()
    pyarrow.default_memory_pool().release_unused()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def measure(way: str, step: str, count: int) -> dict[str, float]:
    """One step of one way, timed in this process."""
    rows = make_rows(count)
    if way != "podium":
        # scikit-learn is about twice as fast on Python strings as on pandas' own; not on the clock.
        rows = rows.astype({name: object for name in rows.columns if name.startswith("category")})
    worker = build(way, rows)
    action = getattr(worker, "fit_parts" if way == "parts" else step)
    if step == "transform":
        worker.fit(rows.iloc[: max(count // 10, 1000)])
    else:
        # Load every library and warm every path before the clock starts.
        getattr(build(way, rows), action.__name__)(rows.iloc[:1000])
    settle_memory()
    before, began = peak(), time.perf_counter()
    result = action(rows)
    seconds = time.perf_counter() - began
    assert result is None or len(result) == count
    return {"seconds": seconds, "memory": peak() - before}


def check_agreement(count: int = 20_000) -> None:
    """Stop unless all ways give the same matrix, for rows fitted on and rows with unseen levels."""
    import numpy as np

    rows = make_rows(count)
    train, other = rows.iloc[: count // 2], rows.iloc[count // 2 :].copy()
    other.loc[other.index[:10], "category_0"] = "never seen"
    workers = [build(way, rows) for way in WAYS[:3]]
    for worker in workers:
        worker.fit(train)
    for some in (train, other):
        ours, *theirs = (worker.transform(some) for worker in workers)
        for matrix in theirs:
            if ours.dtype != matrix.dtype or not np.allclose(ours, matrix, rtol=1e-6, atol=1e-6):
                sys.exit("the outputs differ: the comparison would mean nothing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "STEP"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.rows)))
        return
    check_agreement()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pyarrow", "scikit-learn"))
    print(
        f"{options.rows} rows x {NUMBERS + len(LEVELS)} columns, medians of {options.runs} runs; outputs agree to 1e-6"
    )
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {packages}\n")
    print(f"{'step':10} {'way':8} {'seconds':>8} {'rows/s':>11} {'peak MiB':>9}")
    for step in ("fit", "transform"):
        ways = WAYS if step == "fit" else WAYS[:3]
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for run in range(options.runs):
            for way in ways if run % 2 == 0 else reversed(ways):
                command = [sys.executable, __file__, "--rows", str(options.rows), "--measure", way, step]
                found[way].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        for way, runs in found.items():
            seconds = statistics.median(run["seconds"] for run in runs)
            memory = statistics.median(run["memory"] for run in runs) / 2**20
            print(f"{step:10} {way:8} {seconds:8.2f} {options.rows / seconds:11,.0f} {memory:9.0f}", flush=True)


if __name__ == "__main__":
    main()
