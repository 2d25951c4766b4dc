"""Training of a Transformer for translation: ``transformer`` in Podium's loop against torch's own in the book's.

Both have the same width, layers, vocabulary, dropout, label smoothing, optimiser and target tokens a minibatch; tied
three ways. The book's loop (D2L 10.7, 11.7) fills every sentence up to the longest of all and deals them out at random;
a kinder one beside it fills up to the longest of each minibatch. Rates are real target tokens, end marks included; the
three take turns, and the median of the turns is told.

    python benchmarks/translation.py [FOLDER] [TURNS] [MINIBATCHES A TURN] [cpu | cuda]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import pandas as pd
import torch
from torch import nn

from pipeline.core.registry import build_settings, settings
from pipeline.core.types import Column, Encoded, FitJob, Schema, Spec
from pipeline.features import features
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.text.reserved import PAD
from pipeline.training.averaging import Averaging
from pipeline.training.checkpoints import Checkpoints, Progress
from pipeline.training.examples import Examples
from pipeline.training.loop import begin_network, train_epoch
from pipeline.training.neural import Neural
from pipeline.training.optimizers import parameter_groups, trainable
from pipeline.training.ranks import OneRank
from pipeline.training.sampling.selection import Selection
from pipeline.training.sampling.shuffled import Bucketed
from pipeline.training.watching import Alone, Watched

FOLDER = "../shared/data/multi30k_en_de"
WIDTH, HEADS, LAYERS, HIDDEN, DROPOUT, SMOOTHING = 128, 4, 4, 256, 0.2, 0.1
TOKENS = 4096
"""Of the target, in a minibatch."""
RATE = 1e-3


@settings
class Some(Bucketed):
    """The first minibatches of an epoch, which are dealt out at random."""

    most: int

    def minibatches(self, arrays, examples, batch_size) -> int:
        return self.most

    def training(self, arrays, examples, batch_size, seed) -> Iterator[Selection]:
        whole = Bucketed(batch_tokens=self.batch_tokens, pool=self.pool)
        return islice(whole.training(arrays, examples, batch_size, seed), self.most)


class Own(nn.Module):
    """torch's Transformer with what it lacks: vectors, positions and scores."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, WIDTH)
        nn.init.normal_(self.embedding.weight, std=WIDTH**-0.5)
        self.bias = nn.Parameter(torch.zeros(tokens))
        self.dropout = nn.Dropout(DROPOUT)
        steps, places = torch.arange(512.0)[:, None], torch.arange(0, WIDTH, 2)
        angles = steps * 10000 ** (-places / WIDTH)
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], -1).flatten(1))
        self.transformer = nn.Transformer(
            WIDTH, HEADS, LAYERS, LAYERS, HIDDEN, DROPOUT, batch_first=True, norm_first=True
        )

    def vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.embedding(tokens) * WIDTH**0.5 + self.positions[: tokens.shape[1]])

    def forward(self, source: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        padding = source == PAD
        causal = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device).triu(1)
        found = self.transformer(
            self.vectors(source),
            self.vectors(tokens),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return nn.functional.linear(found, self.embedding.weight, self.bias)


def book(
    encoded: Encoded, spec: Spec, to_longest_of_all: bool, device: torch.device
) -> Callable[[int], tuple[int, float]]:
    """A function that trains on so many minibatches: their target tokens, and seconds."""
    torch.manual_seed(0)
    network = Own(spec.sizes["target"]).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    loss = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=SMOOTHING)
    columns = [encoded[name] for name in ("source", "tokens", "labels")]
    everyone = range(len(columns[0]))
    arrays = [torch.from_numpy(column.padded(everyone).astype("int64")) for column in columns]  # [rows, longest]
    whole = [array.to(device) for array in arrays]
    size = round(len(everyone) * TOKENS / int(columns[2].lengths.sum()))

    def run(minibatches: int) -> tuple[int, float]:
        began, seen = time.perf_counter(), 0
        for index in torch.randperm(len(everyone)).to(device).split(size)[:minibatches]:
            source, tokens, labels = (column[index] for column in whole)
            if not to_longest_of_all:
                source = source[:, : int((source != PAD).sum(1).max())]
                longest = int((labels != PAD).sum(1).max())
                tokens, labels = tokens[:, :longest], labels[:, :longest]
            scores = network(source, tokens)
            optimizer.zero_grad()
            loss(scores.flatten(0, 1), labels.flatten()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            seen += int((labels != PAD).sum())
        return seen, time.perf_counter() - began

    return run


def podium(encoded: Encoded, spec: Spec, most: int, device: torch.device) -> Callable[[int], tuple[int, float]]:
    fit = {
        "optimizer": "adamw",
        "learning_rate": RATE,
        "gradient_clip": 1.0,
        "loss": {"name": "cross_entropy", "label_smoothing": SMOOTHING},
    }
    learner = build_settings(Neural, fit, "fit")
    object.__setattr__(learner, "sampling", Some(batch_tokens=TOKENS, pool=128, most=most))
    settings = {"width": WIDTH, "heads": HEADS, "hidden": HIDDEN, "dropout": DROPOUT}
    model = models.build(
        {"name": "transformer", "encoder_layers": LAYERS, "decoder_layers": LAYERS, **settings}, "model"
    )
    job = FitJob(model, tasks.build("translation", "task"), spec, encoded, None, seed=0)
    network = begin_network(job, device)
    optimizer = learner.optimizer.build(parameter_groups(trainable(network), network, RATE, 0.01))
    criterion, examples, progress = learner.criterion(job, device), Examples(encoded, device), Progress()
    checkpoints = Checkpoints(learner, job, network, optimizer)
    averaging = Averaging(learner, network, progress, 1)
    watching = Alone(network, Watched.of(learner, progress, most, 1), learner.accumulate, most)

    def run(minibatches: int) -> tuple[int, float]:
        began = time.perf_counter()
        train_epoch(
            learner, job, network, optimizer, criterion, examples, progress, averaging, checkpoints, watching, OneRank()
        )
        seen = sum(map(int, progress.weights))
        took = time.perf_counter() - began
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.losses, progress.weights, progress.norms = [], [], []
        return seen, took

    return run


def main() -> None:
    given = sys.argv[1:]
    folder = Path(given[0] if given else FOLDER)
    turns, most = (int(given[i]) if len(given) > i else usual for i, usual in ((1, 5), (2, 6)))
    device = torch.device(given[3] if len(given) > 3 else "cpu")
    rows = pd.read_csv(folder / "train.csv")
    schema = Schema(id="id", target="de", columns=(Column("en", "text"),), target_kind="text")
    encoder = features.build({"name": "pairs", "source": "en", "target": "de", "joint": True}, "f").fit(rows, schema, 0)
    encoded = encoder.encode(rows)
    spec = encoder.spec.from_json({**encoder.spec.to_json(), "outputs": encoder.spec.sizes["target"]})
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    ways = {
        "the book's loop, torch's Transformer": book(encoded, spec, True, device),
        "the same, filled up to each minibatch's longest": book(encoded, spec, False, device),
        "Podium": podium(encoded, spec, most, device),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):  # the first one warms up
        for name, run in ways.items():
            tokens, seconds = run(max(1, most // 3) if name.startswith("the book") else most)
            if turn:
                rates[name].append(tokens / seconds)
                print(f"turn {turn}: {name}: {tokens / seconds:,.0f}", flush=True)
    base = {name: median(found) for name, found in rates.items()}
    print(f"{turns} turns, {torch.get_num_threads()} threads; target tokens a second, median (lowest to highest)")
    for name, found in rates.items():
        ratios = " ".join(f"{base['Podium'] / base[one]:.2f}" for one in ways) if name == "Podium" else ""
        print(f"{name:50} {base[name]:7,.0f} ({min(found):,.0f} to {max(found):,.0f}) {ratios}")


if __name__ == "__main__":
    main()
