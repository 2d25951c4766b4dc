"""Optimisers (D2L ch. 12): settings over torch's own.

``weight_decay`` means L2 for ``sgd`` and ``adam``: its multiple of the weights is added to the
gradient, as the book has it. ``adamw`` takes it off the weights themselves (Loshchilov, Hutter 2019).
Only weights decay (D2L 3.7): vectors, so biases and gains of normalisation, never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.registry import Registry, settings

if TYPE_CHECKING:
    import torch
    from torch import nn

optimizers = Registry("optimizer")


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices, which decay, and vectors, which do not. One
    group where nothing decays, since an optimiser works group by group."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if weight_decay == 0:
        return [{"params": parameters, "weight_decay": 0.0}]
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@optimizers.register("sgd")
@settings
class SGD:
    """Minibatch stochastic gradient descent, with momentum where it is given."""

    momentum: float = Field(default=0.0, ge=0, lt=1)

    def build(self, network: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        import torch

        groups = parameter_groups(network, weight_decay)
        return torch.optim.SGD(groups, learning_rate, self.momentum, fused=True)


@optimizers.register("adam")
@settings
class Adam:
    """Kingma, Ba 2015."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0)

    def build(self, network: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        import torch

        groups = parameter_groups(network, weight_decay)
        return torch.optim.Adam(groups, learning_rate, self.betas, self.epsilon, fused=True)


@optimizers.register("adamw")
@settings
class AdamW:
    """Adam with decoupled weight decay."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0)

    def build(self, network: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        import torch

        groups = parameter_groups(network, weight_decay)
        return torch.optim.AdamW(groups, learning_rate, self.betas, self.epsilon, fused=True)
