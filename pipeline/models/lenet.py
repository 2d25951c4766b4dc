"""LeNet: a small convolutional network for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, PositiveInt

from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec, Task
from pipeline.models import models

if TYPE_CHECKING:
    from torch import nn


@models.register("lenet")
@settings
class LeNet(Model):
    """Convolutions with pooling, then linear layers (LeCun et al. 1998; D2L 7.6).

    The book's network is ``activation: sigmoid, pooling: average, batch_norm: false``.
    """

    channels: tuple[PositiveInt, ...] = Field(default=(6, 16), min_length=1)
    kernel: int = Field(default=5, ge=1)
    hidden: tuple[PositiveInt, ...] = (120, 84)
    activation: Literal["relu", "sigmoid", "tanh", "gelu", "silu"] = "relu"
    pooling: Literal["max", "average"] = "max"
    batch_norm: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    needs: ClassVar[frozenset[str]] = frozenset({"image"})
    learner: ClassVar[str] = "neural"

    def build(self, spec: Spec, task: Task, seed: int) -> nn.Module:
        from pipeline.models.layers.convolution import LeNetNetwork

        channels, height, width = spec.shapes["image"]
        return LeNetNetwork(
            shape=(channels, height, width),
            outputs=spec.outputs,
            channels=self.channels,
            kernel=self.kernel,
            hidden=self.hidden,
            activation=self.activation,
            pooling=self.pooling,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
        )
