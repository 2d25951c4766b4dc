"""Weights of a published network, from a file, into layers of the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipeline.core.errors import UserError, reason_of
from pipeline.core.files import shown

OF_KIND = {nn.Conv2d: ("weight",), nn.BatchNorm2d: ("weight", "bias", "running_mean", "running_var")}
"""Of each kind of layer, what is read of it."""


def resnet_names(blocks: Sequence[int]) -> list[str]:
    """What timm and torchvision call a ResNet's convolutions and normalisations, as they are laid; blocks: of each
    stage. The first block of each stage but the first brings what it is given to its own width."""
    names = ["conv1", "bn1"]
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            own = f"layer{stage}.{block}"
            names += [f"{own}.conv1", f"{own}.bn1", f"{own}.conv2", f"{own}.bn2"]
            names += [f"{own}.downsample.0", f"{own}.downsample.1"] if stage > 1 and block == 0 else []
    return names


def read_published(layers: nn.Module, names: Sequence[str], file: Path) -> None:
    """Put the file's weights into all convolutions and normalisations. names: theirs in the file, in order. A first
    convolution on grey images has the sum over three colours, which is what it would say of a grey one in them.

    Raises UserError where the file is no safetensors, or of another network.
    """
    where = shown(file)
    laid = [module for module in layers.modules() if isinstance(module, tuple(OF_KIND))]
    try:
        with safe_open(file, framework="pt") as opened, torch.no_grad():
            held = set(opened.keys())
            for name, module in zip(names, laid, strict=True):
                for key in OF_KIND[type(module)]:  # type: ignore[index]
                    if f"{name}.{key}" not in held:
                        raise UserError(f"{where}: has no {name}.{key}; it is of another network than model.depth says")
                    _put(getattr(module, key), opened.get_tensor(f"{name}.{key}"), f"{where}: {name}.{key}")
    except SafetensorError as error:
        told = reason_of(error, 120)
        raise UserError(f"{where}: no weights as safetensors ({told}); no other format is read") from None


def _put(own: Tensor, value: Tensor, where: str) -> None:
    if own.ndim == 4 and own.shape[1] == 1 and value.shape[1:2] == (3,):
        value = value.sum(1, keepdim=True)  # [maps, 3, height, width] -> [maps, 1, height, width]
    if own.shape != value.shape:
        raise UserError(
            f"{where} is {list(value.shape)}, and the network's {list(own.shape)}; see model.depth and width"
        )
    own.copy_(value)
