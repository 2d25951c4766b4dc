"""LeNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from pipeline.core.errors import UserError
from pipeline.core.types import Batch
from pipeline.models.layers.feed_forward import ACTIVATIONS
from pipeline.models.layers.network import Network

POOLING: dict[str, Callable[[int], nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class LeNetNetwork(Network):
    """Blocks of convolution, activation and 2 x 2 pooling, then linear layers (LeCun et al. 1998; D2L 7.6).

    The first convolution keeps the image's size and the others are unpadded, as in the paper,
    unless the image is too small for that: then they keep the size too.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        channels: Sequence[int],
        kernel: int,
        hidden: Sequence[int],
        activation: str,
        pooling: str,
        batch_norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        depth, height, width = shape
        for i, maps in enumerate(channels):
            same = i == 0 or min(height, width) - kernel + 1 < 2
            layers.append(nn.Conv2d(depth, maps, kernel, padding="same" if same else 0))
            if batch_norm:
                layers.append(nn.BatchNorm2d(maps))
            layers += [ACTIVATIONS[activation](), POOLING[pooling](2)]
            if not same:
                height, width = height - kernel + 1, width - kernel + 1
            depth, height, width = maps, height // 2, width // 2
            if min(height, width) < 1:
                raise UserError(
                    f"lenet: images of {shape[1]} x {shape[2]} are too small for {len(channels)} poolings; "
                    "shorten channels"
                )
        layers.append(nn.Flatten())  # [batch, depth * height * width]
        size = depth * height * width
        for units in hidden:
            layers += [nn.Linear(size, units), ACTIVATIONS[activation](), nn.Dropout(dropout)]
            size = units
        self.layers = nn.Sequential(*layers, nn.Linear(size, outputs))

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``image`` float [batch, channels, height, width] -> scores [batch, outputs]."""
        return self.layers(batch["image"]), None
