"""Model ``alexnet``: the network that began it all (Krizhevsky et al. 2012; D2L 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.image_model import DeepImageModel, Scaled, Units, lay_dense

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers

CHANNELS, HIDDEN = (64, 192, 384, 256, 256), (4096, 4096)


@models.register("alexnet")
@settings
class AlexNet(DeepImageModel):
    """Five convolutions and three linear layers, ReLU, overlapping pooling, dropout.

    channels: of the convolutions. None: 64, 192, 384, 256, 256, as in its author's second paper (Krizhevsky 2014); the
        first and the book have 96, 256, 384, 384, 256.
    hidden: units of the linear layers but the last. None: 4096, 4096.
    stem: the first convolution is 11 x 11 with stride 4, or with the small one 3 x 3 with stride 1.
    """

    channels: Annotated[Units, Field(min_length=5, max_length=5)] | None = None
    hidden: Units | None = None
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        first, second, *others = map(scaled("channels"), self.channels or CHANNELS)
        around = 0 if large else 1  # of small maps none may go
        if large:
            layers.convolution(first, 11, stride=4, padding=2)
        else:
            layers.convolution(first, 3, padding=1)
        layers.pool("max", 3, 2, around)
        layers.convolution(second, 5, padding=2)
        layers.pool("max", 3, 2, around)
        for maps in others:
            layers.convolution(maps, 3, padding=1)
        layers.pool("max", 3, 2, around)
        hidden = HIDDEN if self.hidden is None else self.hidden  # none at all may be given
        lay_dense(layers, tuple(map(scaled("hidden"), hidden)), outputs, "relu", self.dropout)
