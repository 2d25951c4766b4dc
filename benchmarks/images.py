"""Training images per second of each network on images, against the same network in a plain loop, on one core.

The plain loop is as torchvision's examples have it: a ``Dataset`` that makes a float tensor of one image and
normalises it, a ``DataLoader`` that shuffles and stacks them, channels first, float32. Podium's is a fit on the same
uint8 array, in float32 (``precision``'s default) and with ``auto``, products of 16 bits where the processor has them,
which ``add`` lays in. Plain epochs run between its own; each has its best one. Seconds are the processor's own. The
share is of what a large matrix product of that precision reaches on the same core.

    python benchmarks/images.py [--rounds 3] [--images 1920] [--augmentation] [models ...]
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.registry import build_settings
from pipeline.core.stored import Stored
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training.device import multiplies_bfloat16
from pipeline.training.loop import begin_network
from pipeline.training.neural import Neural

BATCH = 64
PRECISIONS = ("float32", "auto")
SMALL, LARGE = (28, 28, 1), (64, 64, 3)
MODELS = {
    "lenet": ({"name": "lenet"}, SMALL),
    "lenet, of today": (
        {"name": "lenet", "channels": [32, 64], "activation": "relu", "pooling": "max", "normalization": "batch"},
        SMALL,
    ),
    "resnet": ({"name": "resnet", "blocks": [[2, 16], [2, 32], [2, 64]]}, SMALL),
    "vgg": ({"name": "vgg", "blocks": [[2, 32], [2, 64]], "hidden": [128], "normalization": "batch"}, SMALL),
    "nin": ({"name": "nin", "normalization": "batch"}, SMALL),
    "googlenet": (
        {
            "name": "googlenet",
            "stages": [
                [[16, 24, 32, 4, 8, 8], [32, 32, 48, 8, 24, 16]],
                [[48, 24, 52, 4, 12, 16], [64, 40, 80, 8, 32, 32]],
            ],
        },
        SMALL,
    ),
    "alexnet": ({"name": "alexnet"}, LARGE),
}
AUGMENTATION = [{"name": "rotation", "degrees": 10}, {"name": "scale"}, {"name": "shift", "by": 0.07}]


class Pictures(Dataset):
    def __init__(self, images: np.ndarray, target: np.ndarray) -> None:
        self.images, self.target = images, target

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.images[i]).permute(2, 0, 1).contiguous().float().div(255)
        return (image - 0.13) / 0.31, int(self.target[i])


def plain_epoch(network: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    network.train()
    for image, target in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(image.to(device)), target.to(device))
        loss.backward()
        optimizer.step()


def done(device: torch.device) -> float:
    """The time when the device has done what it was given: the processor's own seconds, on a GPU the clock's."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def peak(device: torch.device, kind: torch.dtype) -> float:
    """GFLOP/s of a product of 1024 x 1024, on a GPU of 8192 x 8192."""
    side = 1024 if device.type == "cpu" else 8192
    one = torch.randn(side, side, device=device, dtype=kind)
    best = 0.0
    for _ in range(10):
        began = done(device)
        one @ one
        best = max(best, 2 * side**3 / (done(device) - began) / 1e9)
    return best


def measured(
    body: dict, shape: tuple[int, int, int], count: int, rounds: int, augmentation: list, device: torch.device
) -> tuple[float, list[float], float]:
    """Images per second plain, and with Podium in each of ``PRECISIONS``; GFLOP of an image."""
    random = np.random.default_rng(0)
    images, target = random.integers(0, 256, (count, *shape)).astype(np.uint8), random.integers(0, 10, count)
    height, width, channels = shape
    scales = {"image": {"mean": [33.0] * channels, "spread": [79.0] * channels}}
    job = FitJob(
        model=models.build(body, "model"),
        task=tasks.build("classification", "task"),
        spec=Spec(shapes={"image": (channels, height, width)}, outputs=10, scales=scales),
        train={"image": Stored([images]), "target": target},
        valid=None,
        seed=0,
    )
    plain = begin_network(job, device).layers
    loader = DataLoader(Pictures(images, target), BATCH, shuffle=True)
    optimizer = torch.optim.Adam(plain.parameters(), 1e-3)
    best_plain, best = 0.0, []
    for precision in PRECISIONS:
        fit = {"batch_size": BATCH, "device": device.type, "augmentation": augmentation, "precision": precision}
        settings, own, began = build_settings(Neural, {**fit, "epochs": rounds + 1}, "fit"), 0.0, done(device)

        def between(epoch: int, fitted: object) -> None:
            nonlocal began, own, best_plain
            ended = done(device)
            plain_epoch(plain, loader, optimizer, device)
            best_plain = max(best_plain, count / (done(device) - ended))
            if epoch > 1:  # the first warms up
                own = max(own, count / (ended - began))
            began = done(device)

        settings.fit(replace(job, watch=between))
        best.append(own)
    with FlopCounterMode(display=False) as counter:
        plain(torch.randn(BATCH, channels, height, width, device=device)).sum().backward()
    return best_plain, best, counter.get_total_flops() / BATCH / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1920)
    parser.add_argument("--augmentation", action="store_true", help="with Podium, which the plain loop has not")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("models", nargs="*", default=list(MODELS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(asked.device)
    kinds = [torch.float32, torch.bfloat16 if multiplies_bfloat16(device) else torch.float32]
    most = [peak(device, kind) for kind in kinds]
    where = "one core" if asked.device == "cpu" else torch.cuda.get_device_name(device)
    rates = ", ".join(f"{rate:.0f} ({kind})" for kind, rate in zip(kinds, most, strict=True))
    print(f"{where}, torch {torch.__version__}, a matrix product of {rates} GFLOP/s; minibatches of {BATCH}")
    print(f"{'':18}{'':>12}{'':>8}{'float32':>24}{'auto':>24}")
    print(f"{'model':18}{'image':>12}{'plain':>8}" + f"{'images':>9}{'times':>7}{'share':>8}" * 2)
    for name in asked.models:
        body, shape = MODELS[name]
        plain, own, work = measured(
            body, shape, asked.images, asked.rounds, AUGMENTATION if asked.augmentation else [], device
        )
        size = " x ".join(map(str, shape[: 2 if shape[2] == 1 else 3]))
        told = "".join(
            f"{rate:9.0f}{rate / plain:7.2f}{rate * work / best:8.0%}" for rate, best in zip(own, most, strict=True)
        )
        print(f"{name:18}{size:>12}{plain:8.0f}{told}", flush=True)


if __name__ == "__main__":
    main()
