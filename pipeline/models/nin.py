"""Model ``nin``: network in network (Lin et al. 2014; D2L 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.models import models
from pipeline.models.image_model import DeepImageModel, Scaled, Units

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers

CHANNELS = (96, 256, 384, 1024)


@models.register("nin")
@settings
class NiN(DeepImageModel):
    """Blocks of a convolution and two of 1 x 1, which are a perceptron a pixel; the last gives a map an output, whose
    mean is the output. No linear layers.

    channels: of each block. None: 96, 256, 384, 1024, as in its authors' network for ImageNet. Of three, the last block
        is as wide as there are outputs, as in the book; where these are few, it hardly learns.
    stem: the first convolution is 11 x 11 with stride 4, or with the small one 5 x 5 with stride 1.
    """

    channels: Annotated[Units, Field(min_length=3, max_length=4)] | None = None
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        around = 0 if large else 1  # of small maps none may go
        first = (11, 4, 0) if large else (5, 1, 2)
        sizes = list(map(scaled("channels"), self.channels or CHANNELS))
        last = sizes[3] if len(sizes) > 3 else outputs
        for maps, (kernel, stride, padding) in zip(sizes[:3], (first, (5, 1, 2), (3, 1, 1))):
            layers.convolution(maps, kernel, stride, padding)
            layers.convolution(maps, 1)
            layers.convolution(maps, 1)
            layers.pool("max", 3, 2, around)
        layers.dropout(self.dropout)
        layers.convolution(last, 3, padding=1)
        layers.convolution(last, 1)
        # As published it ends with ReLU; but a number may be below 0, and a score that is 0 everywhere learns nothing.
        layers.convolution(outputs, 1, activation=None, normalized=False)
        layers.mean()
