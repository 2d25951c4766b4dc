"""Tokens a second in training: Podium's loop beside the book's and nanoGPT's, on characters.

    python benchmarks/language_models.py [--text FILE] [--steps 60] [--runs 3] [--threads 1] [--processor]

Two networks: nanoGPT's CPU size (4 layers, 4 heads, width 128, learned positions, tied, no dropout) and a GRU of about
as many weights (384, vectors of 128); windows of 64 characters, 12 to a minibatch. Beside them, written plainly:

- the book's loop (Dive into Deep Learning, 9.5 and 10.2): a ``DataLoader`` over shuffled windows, the network in
  torch's own layers, mean cross-entropy, gradients clipped, Adam;
- nanoGPT's: minibatches at random offsets out of one array, cross-entropy, gradients clipped, AdamW in two groups.

Podium trains the same shapes through ``Neural.fit``: float32, and ``precision: auto``, which takes products of 16 bits
where the processor has them. Each way makes as many steps to get warm as are timed; their mean loss shows that all
learn alike. Ways alternate, medians are told.
With
``--processor`` seconds are those that the process was at work, for a machine that is busy otherwise.
Bar: 1.5 times the book's and nanoGPT's.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.ragged import Ragged
from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

SHAKESPEARE = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare" / "input.txt"
BLOCK, BATCH, RATE, CLIP = 64, 12, 1e-3, 1.0
WIDTH, LAYERS, HEADS = 128, 4, 4
HIDDEN, VECTOR = 384, 128
RESERVED = 4
CLOCK: Callable[[], float] = time.perf_counter


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.all, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lanes, steps, _ = x.shape
        parts = self.all(x).view(lanes, steps, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(*parts, is_causal=True)  # [lanes, heads, steps, size]
        return self.out(seen.transpose(1, 2).reshape(lanes, steps, WIDTH))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.attention = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), Attention()
        self.wise = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.first(x))
        return x + self.wise(self.second(x))


class Transformer(nn.Module):
    """As nanoGPT has it."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(tokens, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.scores = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, tokens, bias=False)
        self.scores.weight = self.tokens.weight
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.norm(self.blocks(self.tokens(x) + self.places.weight[: x.shape[1]])))


class Gru(nn.Module):
    """As the book has it, but for vectors in place of one-hot inputs."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens, self.gru = nn.Embedding(tokens, VECTOR), nn.GRU(VECTOR, HIDDEN, batch_first=True)
        self.scores = nn.Linear(HIDDEN, tokens)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.gru(self.tokens(x))[0])


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"transformer": Transformer, "gru": Gru}
PODIUM: dict[str, dict[str, Any]] = {
    "transformer": {"name": "transformer_language_model", "positions": "learned", "longest": BLOCK},
    "gru": {"name": "recurrent_language_model", "cell": "gru", "hidden": HIDDEN, "embedding": VECTOR, "dropout": 0.0},
}


def book_batches(text: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Every window of the text, shuffled."""
    windows = text.unfold(0, BLOCK + 1, 1)  # [windows, steps + 1]
    data = torch.utils.data.TensorDataset(windows[:, :-1], windows[:, 1:])
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)
    while True:
        yield from loader


def nano_batches(text: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    array = text.numpy().astype(np.uint16)
    while True:
        places = torch.randint(len(array) - BLOCK, (BATCH,))
        x = torch.stack([torch.from_numpy(array[i : i + BLOCK].astype(np.int64)) for i in places])
        y = torch.stack([torch.from_numpy(array[i + 1 : i + 1 + BLOCK].astype(np.int64)) for i in places])
        yield x, y


def loop(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[Any], steps: int
) -> tuple[float, float]:
    """Seconds a step and their mean loss, after as many to get warm."""
    losses = []
    network.train()
    for step in range(-steps, steps):
        if step == 0:
            began = CLOCK()
        x, y = next(batches)
        scores = network(x)  # [lanes, steps, tokens]
        loss = functional.cross_entropy(scores.view(-1, scores.shape[-1]), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return (CLOCK() - began) / steps, statistics.fmean(losses[-steps:])


def the_books(name: str, text: torch.Tensor, tokens: int, steps: int) -> tuple[float, float]:
    network = NETWORKS[name](tokens)
    return loop(network, torch.optim.Adam(network.parameters(), RATE), book_batches(text), steps)


def nano_gpts(name: str, text: torch.Tensor, tokens: int, steps: int) -> tuple[float, float]:
    network = NETWORKS[name](tokens)
    parameters = list(network.parameters())
    groups = [
        {"params": [one for one in parameters if one.dim() >= 2], "weight_decay": 0.1},
        {"params": [one for one in parameters if one.dim() < 2], "weight_decay": 0.0},
    ]
    return loop(network, torch.optim.AdamW(groups, RATE, betas=(0.9, 0.99)), nano_batches(text), steps)


def podiums(precision: str) -> Callable[[str, torch.Tensor, int, int], tuple[float, float]]:
    def train(name: str, text: torch.Tensor, tokens: int, steps: int) -> tuple[float, float]:
        """An epoch to get warm, then one of as many steps."""
        moments: list[float] = []
        kept = text[: 1 + steps * BATCH * BLOCK].numpy()
        shape = {"name": "random", "steps": BLOCK} if name == "transformer" else {"name": "sequential", "steps": BLOCK}
        settings = {
            "optimizer": {"name": "adamw", "betas": [0.9, 0.99]}, "learning_rate": RATE, "weight_decay": 0.1,
            "batch_size": BATCH, "epochs": 2, "gradient_clip": CLIP, "precision": precision,
            "sampling": {**shape, "joined": True}, "threads": torch.get_num_threads(),
        }  # fmt: skip
        columns = {"tokens": kept[:-1], "labels": kept[1:]}
        train = {key: Ragged.from_lengths(values, np.array([len(values)])) for key, values in columns.items()}
        spec = Spec(shapes={key: (len(kept) - 1,) for key in train}, sizes={"tokens": tokens}, outputs=tokens)
        model, task = models.build(PODIUM[name], "model"), tasks.build("language_model", "task")
        job = FitJob(model, task, spec, train, None, seed=0, progress=lambda *_: moments.append(CLOCK()))
        fitted = build_settings(learners.get("neural"), settings, "fit").fit(job)
        made = -(-(len(kept) - 1 - BLOCK + 1) // BLOCK // BATCH)
        return (moments[1] - moments[0]) / made, fitted.curves["train_loss"][-1]

    return train


WAYS = {"Podium, auto": podiums("auto"), "Podium, float32": podiums("float32"), "book": the_books, "nanoGPT": nano_gpts}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=Path, default=SHAKESPEARE)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    if options.processor:
        global CLOCK
        CLOCK = time.process_time
    torch.set_num_threads(options.threads)
    text = options.text.read_text(encoding="utf-8")
    known = {character: RESERVED + i for i, character in enumerate(sorted(set(text)))}
    indices = torch.tensor([known[character] for character in text])
    print("| network | way | ms a step | tokens/s | loss | Podium's tokens, auto | float32 |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in NETWORKS:
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for run in range(options.runs):
            for way, train in WAYS.items():
                torch.manual_seed(run)
                found[way].append(train(name, indices, len(known) + RESERVED, options.steps))
        seconds = {way: statistics.median(one for one, _ in some) for way, some in found.items()}
        for way, took in seconds.items():
            loss = statistics.median(one for _, one in found[way])
            if not math.isfinite(loss):
                raise SystemExit(f"{name}, {way}: the loss is {loss}")
            ratios = " | ".join(f"{took / seconds[one]:.2f}" for one in ("Podium, auto", "Podium, float32"))
            rate = BATCH * BLOCK / took
            print(f"| {name} | {way} | {1000 * took:.1f} | {rate:,.0f} | {loss:.2f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
