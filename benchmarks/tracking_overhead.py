"""What tracking costs: the same ``train`` stage with and without it, in turns.

    python benchmarks/tracking_overhead.py [--iterations 3500] [--runs 3]

Trains LightGBM in 5 folds on 20,000 synthetic rows through the real stage, about a minute on 2
cores. CPU time is of every process there is: the stage, its folds' workers, and the detached
sender, whose end is waited for. Wall time is the stage's own, until the shell has it back; the
sender's work after that is in the CPU time alone. ``sender`` is its own CPU time, which a busy
machine disturbs less than a difference of two long runs. Each tracked run starts a sender anew,
the first on a fresh store; within a `dvc repro` the stages share one. Memory of the sender: 230 MB.
The bar: tracking takes under 5 % of training, by either clock.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36
BAR = 5.0


def params(iterations: int) -> dict:
    source = {"name": "synthetic", "task": "linear", "rows": 20_000, "test_rows": 100, "features": 30, "noise": 1.0}
    return {
        "competitions": {
            "bench": {
                "source": source,
                "columns": {"id": "id", "target": "y"},
                "task": "regression",
                "metric": "rmse",
                "split": {"name": "shuffled", "folds": 5},
                "features": {"numbers": {"name": "tabular"}},
                "blend": "best",
                "submission": "values",
            }
        },
        "models": {
            "bench-trees": {
                "competition": "bench",
                "features": "numbers",
                "model": {"name": "lightgbm", "learning_rate": 0.02},
                "fit": {"iterations": iterations, "early_stopping": None},
            }
        },
    }


def podium(project: Path, *arguments: str, tracking: str) -> None:
    environment = {**os.environ, "PODIUM_TRACKING": tracking, "PYTHONPATH": str(ROOT)}
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pipeline", *arguments]
    subprocess.run(command, cwd=project, env=environment, check=True, stderr=subprocess.DEVNULL)


def measure(project: Path, tracking: str) -> dict[str, float]:
    """One run of the stage: seconds of wall time, and of CPU time of all its descendants."""
    shutil.rmtree(project / ".podium" / "checkpoints", ignore_errors=True)  # else the folds are found done
    before, began = os.times(), time.perf_counter()
    podium(project, "train", "bench-trees", tracking=tracking)
    wall = time.perf_counter() - began
    sender = finish_sender(project / ".podium" / "outbox") if tracking == "on" else 0.0
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall": wall, "cpu": cpu, "sender": sender}


def finish_sender(outbox: Path) -> float:
    """Wait until all is delivered, then end the sender, which else lingers for the next stage; its CPU seconds."""
    while list(outbox.glob("*.jsonl")):
        time.sleep(0.1)
    os.kill(json.loads((outbox / "status.json").read_text())["process"], signal.SIGTERM)
    seconds = 0.0
    try:
        while True:  # orphans come to this process, the subreaper
            usage = os.wait4(-1, 0)[2]
            seconds += usage.ru_utime + usage.ru_stime
    except ChildProcessError:
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--iterations", type=int, default=3500)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    measured: dict[str, list[dict[str, float]]] = {"off": [], "on": []}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "params.yaml").write_text(json.dumps(params(chosen.iterations)))  # JSON is YAML
        for stage in ("fetch", "preprocess"):
            podium(project, stage, "bench", tracking="off")
        for run in range(chosen.runs):
            for tracking in ("off", "on") if run % 2 == 0 else ("on", "off"):
                measured[tracking].append(measure(project, tracking))
                print(f"tracking {tracking:3}", *(f"{k} {v:6.1f} s" for k, v in measured[tracking][-1].items()))
    report(measured)


def report(measured: dict[str, list[dict[str, float]]]) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("mlflow", "lightgbm"))
    print(f"\n{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {packages}")
    print("load of the machine over the last 5 minutes:", f"{os.getloadavg()[1]:.1f}")
    print(f"{'median of ' + str(len(measured['on'])) + ' runs':16} {'without':>9} {'with':>9} {'more':>8} {'share':>8}")
    for clock in ("wall", "cpu"):
        without, with_it = (statistics.median(run[clock] for run in measured[key]) for key in ("off", "on"))
        share = 100 * (with_it - without) / without
        verdict = "within" if share < BAR else "OVER"
        print(
            f"{clock:16} {without:8.1f}s {with_it:8.1f}s {with_it - without:7.1f}s {share:7.1f}%  {verdict} {BAR:.0f} %"
        )
    sender = statistics.median(run["sender"] for run in measured["on"])
    training = statistics.median(run["cpu"] for run in measured["off"])
    print(f"{'sender, cpu':16} {'':9} {sender:8.1f}s {'':8} {100 * sender / training:7.1f}%")


if __name__ == "__main__":
    main()
