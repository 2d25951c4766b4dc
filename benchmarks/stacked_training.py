"""The same fits side by side: a DataLoader loop, skorch, a tight loop a model, and Podium's stack.

    python benchmarks/stacked_training.py [--trials 16] [--epochs 100] [--model mlp|linear|both] [--grid]

Five folds x trials on House Prices (``../shared/data/house_prices``; synthetic rows of its size
where that is absent), batch 64, Adam; trials differ in learning rate, weight decay and dropout.
(a) is what the book writes: an ``nn.Module``, a ``DataLoader`` over a ``TensorDataset``,
``optimizer.zero_grad(); loss.backward(); optimizer.step()``, validation after every epoch; and where
the package is installed, the same fits by skorch's ``NeuralNetRegressor``.
(b) is Podium's own ``loop.py``, a network at a time: rows are gathered by index, optimisers fused.
(c) is the stack: all members as one program, split over the cores in parts that fit their caches.
(a) and (b) run in one process with all cores, as one writes them, and (b) also with a process a
core, which costs it nothing but memory. All give the same validation scores: (b) and (c) fold by fold
but for rounding, which grows over the steps of a network with kinks, (a), whose batches are drawn
otherwise, on average.
``--grid`` times (b) and (c) for 1 to 512 members, and wider networks, instead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
HOUSES = ROOT.parent / "shared" / "data" / "house_prices"
MODELS = {"linear": {"name": "linear"}, "mlp": {"name": "mlp", "hidden": [128, 128], "activation": "relu"}}
GRID = (1, 2, 5, 10, 20, 40, 80, 160, 320, 512)
WIDTHS = (64, 128, 512)
CORES = len(os.sched_getaffinity(0))


def params() -> dict[str, Any]:
    source: dict[str, Any] = {"name": "files", "path": str(HOUSES), "missing": ["NA"]}
    columns = {"id": "Id", "target": "SalePrice"}
    task: dict[str, Any] = {"name": "regression", "target": "log"}
    metric = "log_rmse"
    if not HOUSES.exists():
        source = {"name": "synthetic", "task": "linear", "rows": 1460, "test_rows": 100, "features": 330, "noise": 1.0}
        columns, task, metric = {"id": "id", "target": "y"}, {"name": "regression", "target": "standardise"}, "rmse"
    return {
        "competitions": {
            "bench": {
                "source": source,
                "columns": columns,
                "task": task,
                "metric": metric,
                "split": {"name": "shuffled", "folds": 5},
                "features": {"numbers": {"name": "tabular"}},
                "blend": "best",
                "submission": "values",
            }
        },
        "models": {"bench-ridge": {"competition": "bench", "features": "numbers", "model": "ridge"}},
    }


def settings(model: str, trial: int, epochs: int, device: str = "auto") -> dict[str, Any]:
    """Rates from 1e-3 to 1e-2, one cycle; the trials' own weight decay and dropout."""
    share = trial / 15
    body = dict(MODELS[model])
    if model == "mlp":
        body["dropout"] = [0.0, 0.1, 0.2, 0.3][trial % 4]
    fit = {
        "optimizer": "adamw",
        "learning_rate": 10 ** (-3 + share % 1.0001),
        "weight_decay": 10 ** (-3 + 2 * (trial % 5) / 4),
        "epochs": epochs,
        "batch_size": 64,
        "schedule": "one_cycle",
        "device": device,
    }
    return {"competition": "bench", "features": "numbers", "model": body, "fit": fit}


def as_the_book(data: Any, configs: list[Any]) -> list[float]:
    """(a): the last epoch's validation score of each fold of each trial."""
    import torch
    from torch import nn
    from torch.optim.lr_scheduler import OneCycleLR
    from torch.utils.data import DataLoader, TensorDataset

    scores = []
    for config in configs:
        for k in data.folds:
            fold, fit = data.fold(k), config.fit
            torch.manual_seed(0)
            network = config.model.build(fold.spec, data.competition.task, 0)
            train = TensorDataset(*(torch.from_numpy(fold.train[name]) for name in ("numbers", "target")))
            valid = TensorDataset(*(torch.from_numpy(fold.valid[name]) for name in ("numbers", "target")))
            optimizer = torch.optim.AdamW(network.parameters(), fit.learning_rate, weight_decay=fit.weight_decay)
            loader = DataLoader(train, fit.batch_size, shuffle=True)
            steps = fit.epochs * len(loader)
            schedule = OneCycleLR(optimizer, fit.learning_rate, total_steps=steps, cycle_momentum=False)
            criterion = nn.MSELoss()
            for _ in range(fit.epochs):
                network.train()
                for inputs, target in loader:
                    optimizer.zero_grad()
                    loss = criterion(network({"numbers": inputs})[0], target)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                network.eval()
                with torch.no_grad():
                    parts = [network({"numbers": x})[0] for x, _ in DataLoader(valid, fit.batch_size)]
                scores.append(score_of(data, fold, torch.cat(parts).numpy()))
            scores[-fit.epochs :] = scores[-1:]
    return scores


def by_skorch(data: Any, configs: list[Any]) -> list[float]:
    """(a) by the package: the last epoch's validation score of each fold of each trial."""
    import numpy as np
    import torch
    from skorch import NeuralNetRegressor
    from skorch.callbacks import LRScheduler
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split
    from torch import nn
    from torch.optim.lr_scheduler import OneCycleLR

    class Module(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, numbers: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.network({"numbers": numbers})[0]
            return found

    scores = []
    for config in configs:
        for k in data.folds:
            fold, fit = data.fold(k), config.fit
            torch.manual_seed(0)
            train, valid = (
                Dataset(part["numbers"], part["target"].astype(np.float32)) for part in (fold.train, fold.valid)
            )
            steps = fit.epochs * -(-len(train) // fit.batch_size)
            schedule = LRScheduler(
                OneCycleLR, max_lr=fit.learning_rate, total_steps=steps, cycle_momentum=False, step_every="batch"
            )
            net = NeuralNetRegressor(
                Module,
                module__network=config.model.build(fold.spec, data.competition.task, 0),
                optimizer=torch.optim.AdamW,
                optimizer__weight_decay=fit.weight_decay,
                lr=fit.learning_rate,
                max_epochs=fit.epochs,
                batch_size=fit.batch_size,
                iterator_train__shuffle=True,
                train_split=predefined_split(valid),
                callbacks=[schedule],
                verbose=0,
            )
            net.fit(train, None)
            scores.append(score_of(data, fold, net.predict(valid)))
    return scores


def score_of(data: Any, fold: Any, raw: Any) -> float:
    task = data.competition.task
    return float(data.competition.metric.score(fold.valid_target, task.predictions(raw, fold.target, fold.spec)))


def one_by_one(data: Any, configs: list[Any]) -> list[float]:
    """(b), in this process."""
    return [_alone(data, (config, k)) for config in configs for k in data.folds]


def _alone(data: Any, job: tuple[Any, int]) -> float:
    from pipeline.training.folds import FoldJob, fold_fit_job

    config, k = job
    fit_job = fold_fit_job(data, FoldJob(config, k), data.fold(k))
    return float(config.fit.fit(fit_job).curves["valid_score"][-1])


def in_processes(data: Any, configs: list[Any]) -> list[float]:
    """(b), a process a core."""
    from pipeline.training.executors import Job, Processes
    from pipeline.training.pool import gather, run_alone

    jobs = [(config, k) for config in configs for k in data.folds]
    parts = [jobs[i::CORES] for i in range(CORES)]
    work = gather([Job(f"part {i}", _some_alone, (data, part)) for i, part in enumerate(parts)])
    found = dict(enumerate(run_alone(work, Processes(CORES, 1))))
    return [found[i % CORES][i // CORES] for i in range(len(jobs))]


def _some_alone(data: Any, jobs: list[tuple[Any, int]]) -> list[float]:
    return [_alone(data, job) for job in jobs]


def stacked(data: Any, configs: list[Any]) -> list[float]:
    """(c)."""
    from pipeline.training.cross_validation import together
    from pipeline.training.executors import Processes
    from pipeline.training.folds import FoldJob
    from pipeline.training.pool import run_alone

    jobs = [FoldJob(config, k) for config in configs for k in data.folds]
    return run_alone(together(data, jobs, CORES, _stack, "benchmark"), Processes(CORES, 1))


def _stack(data: Any, jobs: Any) -> list[float]:
    from pipeline.training.folds import fold_fit_job
    from pipeline.training.stacking import fit_together

    todo = [fold_fit_job(data, job, data.fold(job.fold)) for job in jobs]
    fits = fit_together([job.config.fit for job in jobs], todo, data.widest)
    return [float(fitted.curves["valid_score"][-1]) for fitted in fits]  # type: ignore[union-attr]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--model", choices=[*MODELS, "both"], default="both")
    parser.add_argument("--skip-book", action="store_true", help="leave (a) out, which takes longest")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--programs", type=int, default=CORES, help="stacks side by side, with --grid")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "params.yaml").write_text(json.dumps(params()))  # JSON is YAML
        environment = {**os.environ, "PODIUM_TRACKING": "off", "DVC_ROOT": folder}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        for stage in ("check", "fetch@bench", "preprocess@bench"):
            command = [sys.executable, "-m", "pipeline", stage.partition("@")[0]]
            environment["DVC_STAGE"] = stage
            subprocess.run(command, cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)
        os.environ["DVC_ROOT"] = folder
        os.chdir(folder)
        work(chosen)


def work(chosen: argparse.Namespace) -> None:
    from pipeline.core.seeds import fix_threads

    if chosen.grid:
        fix_threads(1)  # as a stage has it before it forks; what computes here says its own number
    import torch

    from pipeline.stages.project import load_project, rebuild_model
    from pipeline.training.data import TrainingData

    competition = load_project().competition("bench")
    data = TrainingData(competition, "numbers")
    print(f"{CORES} cores, Python {platform.python_version()}, torch {torch.__version__}")
    if chosen.grid:
        grid(data, competition, chosen)
        return
    for model in MODELS if chosen.model == "both" else [chosen.model]:
        bodies = [settings(model, trial, chosen.epochs, chosen.device) for trial in range(chosen.trials)]
        configs = [rebuild_model(competition, "bench-ridge", body) for body in bodies]
        ways = {"(b) a model at a time": one_by_one, "(b) a process a core": in_processes, "(c) the stack": stacked}
        if not chosen.skip_book:
            skorch = {"(a) skorch": by_skorch} if find_spec("skorch") else {}
            if not skorch:
                print("skorch is not installed and left out")
            ways = {"(a) DataLoader": as_the_book, **skorch, **ways}
        took, scores = {}, {}
        for name, way in ways.items():
            torch.set_num_threads(CORES)
            os.environ["OMP_NUM_THREADS"] = str(CORES)
            began = time.perf_counter()
            scores[name] = way(data, configs)
            took[name] = time.perf_counter() - began
            print(
                f"{model}: {name:22} {took[name]:8.1f} s  mean score {statistics.fmean(scores[name]):.5f}", flush=True
            )
        last = took["(c) the stack"]
        print(f"{model}:", ", ".join(f"{name}/(c) {seconds / last:.1f}" for name, seconds in took.items()))
        pairs = zip(scores["(b) a model at a time"], scores["(c) the stack"], strict=True)
        print(f"{model}: (b) and (c) differ by {max(abs(x - y) for x, y in pairs):.1e} at most\n")


def grid(data: Any, competition: Any, chosen: argparse.Namespace) -> None:
    """Milliseconds a member and epoch, alone and in stacks of 1 to 512 members, by the width of the network."""
    from pipeline.stages.project import rebuild_model
    from pipeline.training.cross_validation import together
    from pipeline.training.executors import Processes
    from pipeline.training.folds import FoldJob
    from pipeline.training.pool import run_alone

    executor = Processes(CORES, 1)  # one, which loads once what the first jobs had to
    print("| network | alone | " + " | ".join(str(members) for members in GRID) + " | in one part |")
    print("|---|" + "---:|" * (len(GRID) + 2))
    for name, body in [
        ("linear", MODELS["linear"]),
        *((f"{w}-{w}", {"name": "mlp", "hidden": [w, w]}) for w in WIDTHS),
    ]:
        epochs = max(chosen.epochs // (20 if body["name"] == "mlp" and body["hidden"][0] > 500 else 5), 2)
        raws = [
            {**settings("linear", trial, epochs, chosen.device), "model": body} for trial in range(-(-GRID[-1] // 5))
        ]
        configs = [rebuild_model(competition, "bench-ridge", raw) for raw in raws]
        began = time.perf_counter()
        in_processes(data, configs[:1])
        alone = 1000 * (time.perf_counter() - began) / len(data.folds) / epochs
        print(f"| {name} | {alone:.1f}", end="", flush=True)
        for members in GRID:
            jobs = [FoldJob(config, k) for config in configs for k in data.folds][:members]
            began = time.perf_counter()
            run_alone(together(data, jobs, chosen.programs, _stack, "benchmark"), executor)
            print(f" | {1000 * (time.perf_counter() - began) / members / epochs:.1f}", end="", flush=True)
        print(f" | {configs[0].fit.stack_size(configs[0].model, data.widest, competition.task)} |", flush=True)


if __name__ == "__main__":
    main()
