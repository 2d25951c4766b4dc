"""How weights begin (D2L 3.5, 5.4). Biases begin at zero, save with ``uniform``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.registry import Registry, settings

if TYPE_CHECKING:
    from torch import nn

    Layer = nn.Linear | nn.Conv2d

initializations = Registry("initialization")


def initialize(network: nn.Module, initialization: Initialization) -> None:
    """Fill every linear layer and convolution of a network in place, in order, from torch's global generator."""
    from torch import nn

    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            initialization.fill(layer)


class Initialization:
    """Fills one linear layer or convolution in place. A unit's inputs are those of its window, over all channels."""

    def fill(self, layer: Layer) -> None:
        raise NotImplementedError


def zero_bias(layer: Layer) -> None:
    """Set the bias to zero, where there is one."""
    if layer.bias is not None:
        layer.bias.detach().zero_()


@initializations.register("xavier")
@settings
class Xavier(Initialization):
    """Uniform with variance 2 / (inputs + outputs) (Glorot, Bengio 2010)."""

    def fill(self, layer: Layer) -> None:
        from torch.nn import init

        init.xavier_uniform_(layer.weight)
        zero_bias(layer)


@initializations.register("he")
@settings
class He(Initialization):
    """Normal with variance 2 / inputs (He et al. 2015)."""

    def fill(self, layer: Layer) -> None:
        from torch.nn import init

        init.kaiming_normal_(layer.weight, nonlinearity="relu")
        zero_bias(layer)


@initializations.register("uniform")
@settings
class Uniform(Initialization):
    """Torch's own: weights and biases uniform within ± 1 / √inputs."""

    def fill(self, layer: Layer) -> None:
        layer.reset_parameters()


@initializations.register("normal")
@settings
class Normal(Initialization):
    """Normal around 0; 0.01 is the book's deviation (D2L 3.5)."""

    std: float = Field(default=0.01, gt=0)

    def fill(self, layer: Layer) -> None:
        from torch.nn import init

        init.normal_(layer.weight, std=self.std)
        zero_bias(layer)


@initializations.register("constant")
@settings
class Constant(Initialization):
    """All the same: hidden units then stay alike for ever, which D2L 5.4 shows."""

    value: float = 0.0

    def fill(self, layer: Layer) -> None:
        from torch.nn import init

        init.constant_(layer.weight, self.value)
        zero_bias(layer)
