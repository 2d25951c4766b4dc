"""Settings that networks on an image have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from pipeline.core.registry import PartOf, settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models.initialization import initializations, initialize

if TYPE_CHECKING:
    from pipeline.models.layers.convolution import Layers
    from pipeline.models.layers.image_network import ImageNetwork

LARGE = 96
"""Pixels of both sides from which on an image is large, where ``stem`` is not given."""
SMALL_WIDTH = 0.25
"""Of what is published for large images, where ``width`` is not given."""

Units = tuple[PositiveInt, ...]
Scaled = Callable[[str], Callable[[int], int]]
Normalization = Literal["none", "batch", "layer"]


@settings
class ImageModel(Model):
    """A network on ``image``, with ``numbers`` and ``categories`` beside it where there are some.

    normalization: batch or layer, between each convolution and its activation; layer is over all maps of an example
        (Ba, Kiros and Hinton 2016; D2L 8.5), and does not hang on the minibatch.
    initialization: of convolutions and linear layers; he suits relu and its kin, xavier sigmoid and tanh.
    """

    normalization: Normalization = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    initialization: Annotated[Any, PartOf(initializations)] = "he"

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"image"})
    may_read: ClassVar[frozenset[str]] = frozenset({"numbers", "categories"})
    learner: ClassVar[str] = "neural"

    @property
    def several_rows(self) -> bool:  # type: ignore[override]
        return self.normalization == "batch"

    @abstractmethod
    def lay(self, layers: Layers, outputs: int) -> None:
        """All layers, from the image to outputs. Raises UserError where the image is too small for them."""

    def build(self, spec: Spec, task: Task, seed: int) -> ImageNetwork:
        from pipeline.models.layers.convolution import Layers
        from pipeline.models.layers.image_network import ImageNetwork

        channels, height, width = spec.shapes["image"]
        layers = Layers(self.name, (channels, height, width), self.normalization)
        self.lay(layers, spec.outputs)
        network = ImageNetwork(layers.module(), spec)
        initialize(network, self.initialization)
        return network


@settings
class DeepImageModel(ImageModel):
    """A network published for images of 224 x 224, and what makes it one for small images.

    Its settings of sizes are None where they are not given, and ``lay_scaled`` puts what is published in their place:
    what is given is meant, though it be the published sizes.

    stem: large is as published, and divides height and width by 32 in all; small divides them by 8. Not given: large
        where both sides have 96 pixels, else small.
    width: channels and hidden units are multiplied by it. Not given: 0.25 with the small stem for those that are not
        given either, else 1.
    """

    stem: Literal["large", "small"] | None = None
    width: float | None = Field(default=None, gt=0)

    @abstractmethod
    def lay_scaled(self, layers: Layers, outputs: int, large: bool, scaled: Scaled) -> None:
        """The same as ``lay``. large: the stem. scaled: for a setting of sizes, its channels or units to those of this
        ``width``."""

    def lay(self, layers: Layers, outputs: int) -> None:
        large = self.stem == "large" if self.stem else min(layers.shape[1:]) >= LARGE
        if large:
            layers.advice += ", or stem: small"

        def scaled(setting: str) -> Callable[[int], int]:
            published = getattr(self, setting) is None
            width = self.width or (SMALL_WIDTH if published and not large else 1.0)
            return lambda size: max(1, round(width * size))

        self.lay_scaled(layers, outputs, large, scaled)


def lay_dense(layers: Layers, hidden: Units, outputs: int, activation: str, dropout: float) -> None:
    """All maps through hidden layers, each with dropout, to outputs."""
    layers.flatten()
    for units in hidden:
        layers.dense(units, activation)
        layers.dropout(dropout)
    layers.dense(outputs)
