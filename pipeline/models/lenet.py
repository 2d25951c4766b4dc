"""Model ``lenet``: the first convolutional network (LeCun et al. 1998; D2L 7.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.core.registry import PartOf, settings
from pipeline.models import models
from pipeline.models.image_model import ImageModel, Units, lay_dense
from pipeline.models.initialization import initializations

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers


@models.register("lenet")
@settings
class LeNet(ImageModel):
    """Convolutions, each with 2 x 2 pooling, then linear layers, for small images. As it is here it is the book's,
    which stays for some epochs where it began; ``activation: relu, pooling: max, normalization: batch`` is today's,
    and learns at once.

    The first convolution keeps the image's size, the others are unpadded, unless that leaves nothing to pool: then they
    keep it too.
    """

    channels: Annotated[Units, Field(min_length=1)] = (6, 16)
    kernel: int = Field(default=5, ge=1)
    hidden: Units = (120, 84)
    activation: Literal["relu", "sigmoid", "tanh", "gelu", "silu"] = "sigmoid"
    pooling: Literal["max", "average"] = "average"
    initialization: Annotated[Any, PartOf(initializations)] = "xavier"

    def lay(self, layers: Layers, outputs: int) -> None:
        layers.advice += ", or shorten channels"
        for place, maps in enumerate(self.channels):
            same = place == 0 or min(layers.shape[1:]) - self.kernel + 1 < 2
            layers.convolution(maps, self.kernel, padding=self.kernel // 2 if same else 0, activation=self.activation)
            layers.pool(self.pooling, 2, 2)
        lay_dense(layers, self.hidden, outputs, self.activation, self.dropout)
