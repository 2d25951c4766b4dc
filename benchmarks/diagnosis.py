"""What diagnosis costs: watching a network while it trains, and adversarial validation of a million rows.

    python benchmarks/diagnosis.py [--only watching|adversarial] [--pairs 7]

Watching: each network is trained with ``watch: 100``, the default, and with ``watch: null``, in turn, on one core;
the overhead is the median over pairs of what the one took beyond the other, in processor time. Caches of a busy machine
make that noisier than 1 %, so each is also trained with every step looked at, for 50 steps: what such a step takes more
than one that is not looked at, divided by 100, is the overhead that a long fit has.

Adversarial validation: 500,000 training and as many test rows of 40 columns (20 numbers, 14 of categories, 6 of words),
files read included.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

ROWS = 500_000
BATCH = 64
NETWORKS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    # kind of rows, model, members, steps
    "linear": ("numbers", {"name": "linear"}, 1, 1500),
    "linear, a stack of 30": ("numbers", {"name": "linear"}, 30, 400),
    "MLP 128-128": ("numbers", {"name": "mlp", "hidden": [128, 128]}, 1, 800),
    "MLP 128-128, a stack of 15": ("numbers", {"name": "mlp", "hidden": [128, 128]}, 15, 300),
    "MLP of 8 layers, 64 wide": ("numbers", {"name": "mlp", "hidden": [64] * 8, "initialization": "he"}, 1, 800),
    "LeNet": ("images", {"name": "lenet"}, 1, 300),
    "RNN language model": ("tokens", {"name": "recurrent_language_model", "cell": "rnn", "hidden": 128}, 1, 300),
    "GRU language model": ("tokens", {"name": "recurrent_language_model", "cell": "gru", "hidden": 128}, 1, 200),
    "Transformer language model": ("tokens", {"name": "transformer_language_model", "layers": 2}, 1, 200),
}


def job(kind: str, model: Any, minibatches: int, seed: int) -> Any:
    """Rows for so many minibatches of an epoch, without any that validate."""
    from pipeline.core.ragged import Ragged
    from pipeline.core.types import FitJob, Spec
    from pipeline.tasks import tasks

    random, rows = np.random.default_rng(seed), BATCH * minibatches
    if kind == "tokens":
        windows = random.integers(1, 80, size=(32 * minibatches, 65)).astype(np.int64)
        encoded = {
            "tokens": Ragged.from_lists(windows[:, :-1].tolist()),
            "labels": Ragged.from_lists(windows[:, 1:].tolist()),
        }
        task, spec = tasks.build("language_model", "task"), Spec(shapes={}, outputs=80)
    elif kind == "images":
        encoded = {
            "image": random.integers(0, 256, size=(rows, 28, 28, 1)).astype(np.uint8),
            "target": random.integers(0, 10, size=rows),
        }
        task, spec = tasks.build("classification", "task"), Spec(shapes={"image": (1, 28, 28)}, outputs=10)
    else:
        numbers = random.normal(size=(rows, 330)).astype(np.float32)
        encoded = {"numbers": numbers, "target": numbers @ random.normal(size=(330, 1)).astype(np.float32) / 18}
        task, spec = tasks.build("regression", "task"), Spec(shapes={"numbers": (330,)}, outputs=1)
    return FitJob(model=model, task=task, spec=spec, train=encoded, valid=None, seed=seed)


def trained(kind: str, body: dict[str, Any], members: int, steps: int, watch: int | None) -> float:
    """Processor seconds of training alone."""
    from pipeline.core.registry import build_settings
    from pipeline.models import models
    from pipeline.training import learners
    from pipeline.training.stacking import fit_together

    minibatches = min(steps, 50)
    text = {"sampling": "bucketed", "batch_size": 32} if kind == "tokens" else {"batch_size": BATCH}
    settings = {"epochs": steps // minibatches, "watch": watch, "learning_rate": 1e-3, **text}
    learner = build_settings(learners.get("neural"), settings, "fit")
    model = models.build(body, "model")
    jobs = [job(kind, model, minibatches, seed) for seed in range(members)]
    began = time.process_time()
    if members == 1:
        learner.fit(jobs[0])
    else:
        fit_together([learner] * members, jobs, jobs[0].spec)
    return time.process_time() - began


def watching(pairs: int) -> None:
    print("| network | ms a step | one looked at takes | so the default | measured, pairs |")
    print("|---|---:|---:|---:|---:|")
    for name, (kind, body, members, steps) in NETWORKS.items():
        trained(kind, body, members, 50, None)
        by_turns = [
            (trained(kind, body, members, steps, None), trained(kind, body, members, steps, 100)) for _ in range(pairs)
        ]
        closely = [(trained(kind, body, members, 50, None), trained(kind, body, members, 50, 1)) for _ in range(pairs)]
        step = statistics.median(off for off, _ in by_turns) / steps
        more = statistics.median(on - off for off, on in closely) / 50
        measured = statistics.median(on / off - 1 for off, on in by_turns)
        cost = f"{1 + more / step:.1f} steps | {more / step / 100:.2%} | {measured:+.1%}"
        print(f"| {name} | {1000 * step:.2f} | {cost} |", flush=True)


def adversarial() -> None:
    from pipeline.core.schema import Column, Schema
    from pipeline.diagnosis.adversarial import tell_apart

    random = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(3000)])

    def rows() -> pd.DataFrame:
        columns: dict[str, Any] = {f"n{i}": random.normal(size=ROWS) for i in range(20)}
        columns |= {f"c{i}": random.choice(words[: 5 * (i + 1)], ROWS) for i in range(14)}
        columns |= {
            f"t{i}": [" ".join(part) for part in words[random.integers(0, 3000, size=(ROWS, 6))]] for i in range(6)
        }
        return pd.DataFrame(columns)

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.parquet" for name in ("train", "test")]
        for file in files:
            rows().to_parquet(file, index=False)
        kinds = {"n": "number", "c": "category", "t": "text"}
        names = [f"n{i}" for i in range(20)] + [f"c{i}" for i in range(14)] + [f"t{i}" for i in range(6)]
        schema = Schema(None, "y", tuple(Column(name, kinds[name[0]]) for name in names), ())
        began = time.perf_counter()
        train, test = map(pd.read_parquet, files)
        read = time.perf_counter() - began
        found: Any = tell_apart(SimpleNamespace(train=train, test=test, schema=schema))  # type: ignore[arg-type]
        took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"adversarial validation of {2 * ROWS:,} rows x {len(names)}: {took:.1f} s, of which reading {read:.1f} s; ")
    print(f"peak {peak:,.0f} MB with the making of the rows; AUC {found['auc']:.3f}, by chance {found['chance']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["watching", "adversarial"])
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "watching": lambda: watching(arguments.pairs),
        "adversarial": adversarial,
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()


if __name__ == "__main__":
    main()
