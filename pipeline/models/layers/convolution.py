"""Convolutional networks, layer upon layer, and the size of the maps that each layer gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.core.errors import UserError
from pipeline.models.layers.feed_forward import ACTIVATIONS
from pipeline.models.layers.members import Dropout

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda maps: nn.GroupNorm(1, maps),  # one group of all maps
}
POOLING: dict[str, Callable[..., nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


def output_size(
    layer: str, size: tuple[int, int], kernel: int, stride: int, padding: int, advice: str
) -> tuple[int, int]:
    """Height and width of what a convolution or pooling gives: ⌊(n + 2p - f) / s⌋ + 1 each (D2L 7.3).

    layer: its name. advice: what its user may do. Both are for the UserError raised where nothing is left.
    """
    height, width = ((length + 2 * padding - kernel) // stride + 1 for length in size)
    if min(height, width) < 1:
        maps = f"maps of {size[0]} x {size[1]}" + (f" with {padding} around them" if padding else "")
        raise UserError(f"{layer}: a window of {kernel} x {kernel} finds no place in {maps}; {advice}")
    return height, width


class Paths(nn.Module):
    """Side by side on the same maps; their own one behind another."""

    def __init__(self, paths: Sequence[nn.Module]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, maps: Tensor) -> Tensor:
        """[batch, channels, height, width] -> [batch, sum of the paths' channels, height, width]."""
        return torch.cat([path(maps) for path in self.paths], dim=1)


class Residual(nn.Module):
    """What ``body`` adds to ``shortcut``, then ReLU (He et al. 2016, 3.2)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, maps: Tensor) -> Tensor:
        """[batch, channels, height, width] -> [batch, channels', height', width']."""
        return (self.body(maps) + self.shortcut(maps)).relu()


class Layers:
    """Lays layer upon layer, each as wide as what lies below it asks.

    shape: channels, height and width of what the next layer is given, the image's at first.
    name, advice: the network's, and what to do where a layer leaves nothing, see ``output_size``. normalization: none
    or one of ``NORMALIZATIONS``.
    """

    def __init__(self, name: str, shape: tuple[int, int, int], normalization: str) -> None:
        self.name, self.normalization = name, normalization
        self.advice = f"take images of more than {shape[1]} x {shape[2]} pixels"
        self.shape = shape
        self.laid: list[nn.Module] = []
        self._counts: Counter[str] = Counter()

    @property
    def channels(self) -> int:
        return self.shape[0]

    def module(self) -> nn.Sequential:
        return nn.Sequential(*self.laid)

    def convolution(
        self,
        maps: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        activation: str | None = "relu",
        normalized: bool = True,
    ) -> None:
        """Convolution, normalization and activation."""
        size = self._size("convolution", kernel, stride, padding)
        normalization = self.normalization if normalized else "none"
        # Batch normalisation takes the mean off again: a bias before it only drifts on rounding errors.
        self.laid.append(nn.Conv2d(self.channels, maps, kernel, stride, padding, bias=normalization != "batch"))
        if normalization != "none":
            self.laid.append(NORMALIZATIONS[normalization](maps))
        if activation is not None:
            self.laid.append(ACTIVATIONS[activation]())
        self.shape = (maps, *size)

    def pool(self, kind: Literal["max", "average"], kernel: int, stride: int, padding: int = 0) -> None:
        size = self._size("pooling", kernel, stride, padding)
        self.laid.append(POOLING[kind](kernel, stride, padding))
        self.shape = (self.channels, *size)

    def mean(self) -> None:
        """Global average pooling (Lin et al. 2014, 3.2): a number a map."""
        self.laid += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # [batch, channels, 1, 1], [batch, channels]
        self.shape = (self.channels, 1, 1)

    def flatten(self) -> None:
        channels, height, width = self.shape
        self.laid.append(nn.Flatten())  # [batch, channels * height * width]
        self.shape = (channels * height * width, 1, 1)

    def dropout(self, rate: float) -> None:
        self.laid.append(Dropout(rate))

    def dense(self, units: int, activation: str | None = None) -> None:
        """A linear layer on what is flat, and its activation."""
        self.laid.append(nn.Linear(self.channels, units))  # [batch, channels] -> [batch, units]
        if activation is not None:
            self.laid.append(ACTIVATIONS[activation]())
        self.shape = (units, 1, 1)

    def aside(self, name: str) -> Layers:
        """None yet, on the same maps: for ``paths`` and ``residual``."""
        layers = Layers(f"{self.name}, {name}", self.shape, self.normalization)
        layers.advice = self.advice
        return layers

    def paths(self, paths: Sequence[Layers]) -> None:
        self.laid.append(Paths([path.module() for path in paths]))
        self.shape = (sum(path.channels for path in paths), *paths[0].shape[1:])

    def residual(self, body: Layers, shortcut: Layers) -> None:
        self.laid.append(Residual(body.module(), shortcut.module()))
        self.shape = body.shape

    def _size(self, kind: str, kernel: int, stride: int, padding: int) -> tuple[int, int]:
        self._counts[kind] += 1
        layer = f"{self.name}, {kind} {self._counts[kind]}"
        return output_size(layer, self.shape[1:], kernel, stride, padding, self.advice)
