"""What networks that read an image have in common, whatever they read it with."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.network import Network
from pipeline.models.layers.side_columns import SideColumns


class ImageNetwork(Network):
    """``image`` through layers to outputs; numbers and categories beside it, where there are some, add their own.

    layers: [batch, channels, height, width] -> [batch, outputs]. Where the last of them is linear, that is what one
    linear layer on its inputs and the columns together would give.
    """

    def __init__(self, layers: nn.Sequential, spec: Spec) -> None:
        super().__init__()
        self.layers = layers
        self.side = SideColumns(spec)
        self.beside = nn.Linear(self.side.width, spec.outputs, bias=False) if self.side.width else None

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``image`` float [batch, channels, height, width], and ``numbers`` float32 [batch, p] and ``categories`` int64
        [batch, k] where the spec has them -> output [batch, outputs]."""
        output = self.layers(channels_last(batch["image"]))  # [batch, outputs]
        if self.beside is not None:
            output = output + self.beside(self.side(output[:, :0], batch))  # of [batch, side columns]
        return output, None


def channels_last(image: Tensor) -> Tensor:
    """The same image with a pixel's channels side by side in memory, as all maps made of it then are: convolutions,
    normalisation and poolings of a CPU take up to half as long so."""
    _, channels, height, width = image.shape
    # Of one channel torch takes either way for the other, and would go on in the slow one; the strides tell.
    strides = (channels * height * width, 1, width * channels, channels)
    return image.permute(0, 2, 3, 1).contiguous().as_strided(image.shape, strides)
