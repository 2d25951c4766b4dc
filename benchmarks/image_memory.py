"""Memory of images from `fetch` to `train`, beyond what the libraries take.

    python benchmarks/image_memory.py [--rows 60000] [--side 28] [--channels 1] [--folder PLACE]

An npz of random images, a LeNet of today (32 and 64 channels), two folds of one epoch, one job after another. Memory
is the most that a stage's processes hold together, looked at every 50 ms, each page counted once (PSS; Linux only). Two
things are taken off it: what the same stage holds of 256 images, which leaves what the images take; and what a process
holds that has imported the same libraries and done nothing, which leaves the network's maps and gradients in it too.
Pages of files, the images' among them, are the system's, which takes them back where it has need of them; what is not
one is the processes' own. Pages that others on the machine use too (libraries') count by their share, and so vary.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from projects import Project, started_by

FEW = 256
SEEN_EVERY = 0.05
IMPORTED = {
    "fetch": "import numpy, pandas, pyarrow.parquet",
    "preprocess": "import numpy, pandas, pyarrow.parquet",
    "train": "import numpy, pandas, pyarrow.parquet, sklearn.metrics, torch, pipeline.training.loop",
}
"""What each stage imports besides Podium's own."""


def write_images(folder: Path, shape: tuple[int, ...]) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, shape, dtype=np.uint8)
    np.savez(folder / "train.npz", images=images, labels=random.integers(0, 10, len(images)))
    np.savez(folder / "test.npz", images=images[:FEW])


def params(source: Path) -> dict[str, Any]:
    lenet = {"name": "lenet", "channels": [32, 64], "activation": "relu", "pooling": "max", "normalization": "batch"}
    competition = {
        "source": {"name": "files", "path": str(source)},
        "columns": {"id": "id", "target": "labels"},
        "task": "classification",
        "metric": "accuracy",
        "split": {"name": "shuffled", "folds": 2},
        "features": {"image": {"name": "image"}},
        "blend": "greedy",
        "submission": "classes",
    }
    model = {"competition": "images", "features": "image", "model": lenet, "fit": {"epochs": 1, "batch_size": 64}}
    return {
        "competitions": {"images": competition},
        "models": {"images-lenet": model},
        "execution": {"workers": 1, "threads": 1},
    }


def held(below: int) -> tuple[int, int]:
    """Bytes that the processes below one hold together, and those of them that are pages of files."""
    totals = {"Pss": 0, "Pss_File": 0}
    for pid in started_by(below):
        try:
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for key in totals:
            found = re.search(rf"^{key}:\s*(\d+) kB", told, re.MULTILINE)
            totals[key] += int(found[1]) * 1024 if found else 0
    return totals["Pss"], totals["Pss_File"]


def peak(work: Callable[[], Any]) -> tuple[int, int]:
    """The most that the processes held which it started, and the pages of files among that."""
    most, over = (0, 0), threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(SEEN_EVERY):
            most = max(most, held(os.getpid()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        work()
    finally:
        over.set()
        watching.join()
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files go")
    asked = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "torch"))
    each = (asked.side, asked.side, asked.channels)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {packages}")
    print(f"{asked.rows:,} images of {each}: {asked.rows * np.prod(each) / 1e6:.0f} MB in their file\n")
    print("| stage | MB beyond 256 images | of them its own | MB beyond the libraries |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        projects = []
        for rows in (FEW, asked.rows):
            source = Path(folder, f"images-{rows}")
            write_images(source, (rows, *(each if asked.channels > 1 else each[:2])))
            projects.append(Project(Path(folder, f"project-{rows}")))
            projects[-1].params(params(source))
            projects[-1].run("dvc", "repro", "check")
        for stage, names in IMPORTED.items():
            code = f"from pipeline.stages import {stage}; from pipeline.stages.project import shelves; shelves()"
            imported = [sys.executable, "-c", f"{names}; {code}; import time; time.sleep(1)"]
            libraries, _ = peak(partial(subprocess.run, imported, cwd=projects[0].root, check=True))
            command = (sys.executable, "-m", "pipeline", stage, "images")
            few, all_rows = (peak(partial(project.run, *command)) for project in projects)
            more, pages = (many - little for many, little in zip(all_rows, few, strict=True))
            print(
                f"| {stage} | {more / 1e6:.0f} | {(more - pages) / 1e6:.0f} | {(all_rows[0] - libraries) / 1e6:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
