"""What networks that read an image have in common, whatever they read it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.network import Network
from pipeline.models.layers.side_columns import SideColumns

PARTNER, PART = "mixed_with", "mixed_part"
"""In a batch of images that are two in one: positions of the others in it, and how much is each one's own."""


class ImageNetwork(Network):
    """``image``, scaled, through layers to outputs; numbers and categories beside it, where there are some, add their
    own.

    layers: [batch, channels, height, width] -> [batch, outputs]. Where the last of them is linear, that is what one
    linear layer on its inputs and the columns together would give.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, layers: nn.Sequential, spec: Spec) -> None:
        super().__init__()
        self.layers = layers
        scale = spec.scales.get("image", {"mean": [0.0], "spread": [1.0]})
        for name in ("mean", "spread"):  # of the spec, so that weights files hold only what was trained
            self.register_buffer(name, torch.tensor(scale[name]).view(1, -1, 1, 1), persistent=False)
        self.side = SideColumns(spec)
        self._read: Callable[[nn.Module], object] = lambda layers: None
        self._rate = 1.0
        self.beside = nn.Linear(self.side.width, spec.outputs, bias=False) if self.side.width else None

    def begin_with(self, read: Callable[[nn.Module], object], rate: float) -> None:
        """Before training the layers begin with what ``read`` puts into them, and all of them but the last one, which
        it leaves as it is, learn at ``rate`` times the rate."""
        self.prepares, self._read, self._rate = True, read, rate

    def prepare(self, batch: Batch) -> None:
        self._read(self.layers)

    def rate_factors(self) -> Mapping[str, float]:
        if self._rate == 1:
            return {}
        last = f"layers.{len(self.layers) - 1}."
        names = [name for name, _ in self.named_parameters() if name.startswith("layers.")]
        return {name: self._rate for name in names if not name.startswith(last)}

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``image`` uint8 [batch, height, width, channels] as it is stored, or float [batch, channels, height, width]
        of the same values, and ``numbers`` float32 [batch, p] and ``categories`` int64 [batch, k] where the spec has
        them -> output [batch, outputs]."""
        image = planes(batch["image"])  # [batch, channels, height, width]
        output = self.layers(channels_last((image - self.mean) / self.spread))  # [batch, outputs]
        if self.beside is not None:
            added = self.beside(self.side(output[:, :0], batch))  # [batch, side columns] -> [batch, outputs]
            output = output + mixed_alike(added, batch)
        return output, None


def mixed_alike(values: Tensor, batch: Batch) -> Tensor:
    """[batch, outputs] -> the same, mixed by the parts of the images where these are two in one: else what the columns
    tell of one target would be trained towards the other one as well."""
    if PARTNER not in batch:
        return values
    part = batch[PART][:, None]  # [batch, 1]
    return values * part + values[batch[PARTNER]] * (1 - part)


def planes(image: Tensor) -> Tensor:
    """uint8 [batch, height, width, channels] -> float32 [batch, channels, height, width]; floats as they are."""
    return image.permute(0, 3, 1, 2).float() if image.dtype == torch.uint8 else image


def channels_last(image: Tensor) -> Tensor:
    """The same image with a pixel's channels side by side in memory, as all maps made of it then are: convolutions,
    normalisation and poolings of a CPU take up to half as long so."""
    _, channels, height, width = image.shape
    # Of one channel torch takes either way for the other, and would go on in the slow one; the strides tell.
    strides = (channels * height * width, 1, width * channels, channels)
    return image.permute(0, 2, 3, 1).contiguous().as_strided(image.shape, strides)
