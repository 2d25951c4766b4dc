"""Optimisers (D2L ch. 12): settings over torch's own.

``weight_decay`` means L2 for ``sgd`` and ``adam``: its multiple of the weights is added to the
gradient, as the book has it. ``adamw`` takes it off the weights themselves (Loshchilov, Hutter 2019).
Only weights decay (D2L 3.7): vectors, so biases and gains of normalisation, never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.core.registry import Registry, settings

if TYPE_CHECKING:
    import torch
    from torch import nn

optimizers = Registry("optimizer")

Beta = Annotated[float, Field(ge=0, lt=1)]


def parameter_groups(
    named: Mapping[str, torch.Tensor], network: Any, learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Parameters in groups of one rate and one decay: matrices decay, vectors do not.

    named: the parameters by the names they have in ``network``, which says what is different for
    some of them by its ``rate_factors()`` and ``undecayed()``.
    As few groups as may be, since an optimiser works group by group.
    """
    factors, undecayed = network.rate_factors(), network.undecayed()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in named.items():
        factor = factors.get(name, 1.0)
        decay = weight_decay if parameter.ndim >= 2 and name not in undecayed else 0.0
        group = {"params": [], "lr": factor * learning_rate, "weight_decay": decay, "factor": factor}
        groups.setdefault((factor, decay), group)["params"].append(parameter)
    return list(groups.values())


def trainable(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


@optimizers.register("sgd")
@settings
class SGD:
    """Minibatch stochastic gradient descent, with momentum where it is given."""

    momentum: float = Field(default=0.0, ge=0, lt=1)

    def build(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.SGD(groups, momentum=self.momentum, fused=True)


@optimizers.register("adam")
@settings
class Adam:
    """Kingma, Ba 2015."""

    betas: tuple[Beta, Beta] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0)

    def build(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.Adam(groups, betas=self.betas, eps=self.epsilon, fused=True)


@optimizers.register("adamw")
@settings
class AdamW:
    """Adam with decoupled weight decay."""

    betas: tuple[Beta, Beta] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0)

    def build(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(groups, betas=self.betas, eps=self.epsilon, fused=True)
