"""Layers that train many networks of one shape as one: *members* along a leading dimension.

Written once for both: a layer whose parameters have a leading dimension of members takes inputs
[members, batch, ...], and without it [batch, ...]. What a member computes does not depend on who
shares the stack, bit for bit on the CPU, save for what padding of its inputs rounds otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Product(torch.autograd.Function):
    """x Wᵀ of each member. Torch's own backward gives the gradient of Wᵀ, whose copy into W's layout
    takes longer than the product itself."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor) -> Tensor:
        product = torch.bmm(input, weight.transpose(1, 2))
        # In ``fit.precision``, which backward does not know: the product has it.
        ctx.save_for_backward(input.to(product.dtype), weight.to(product.dtype))
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        input, weight = ctx.saved_tensors
        (gradient,) = gradients
        by_input = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        by_weight = torch.bmm(gradient.transpose(1, 2), input) if ctx.needs_input_grad[1] else None
        return by_input, by_weight


class Linear(nn.Linear):
    """x Wᵀ + b: [..., batch, inputs] -> [..., batch, outputs]."""

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.ndim == 2:
            return functional.linear(input, self.weight, self.bias)
        if self.weight.shape[1] == 1:
            # A matrix product of one column takes another way for one member than for several.
            product = (input * self.weight).sum(dim=-1, keepdim=True)  # [members, batch, inputs] -> [.., .., 1]
            return product if self.bias is None else product + self.bias.unsqueeze(1)
        product = _Product.apply(input, self.weight)  # [members, batch, inputs] -> [members, batch, outputs]
        return product if self.bias is None else product + self.bias.unsqueeze(1).to(product.dtype)


class LayerNorm(nn.LayerNorm):
    """Over the last dimension."""

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.ndim == 1:
            return super().forward(input)
        normal = functional.layer_norm(input, self.normalized_shape, eps=self.eps)
        return normal * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)  # [members, batch, features]


class BatchNorm(nn.BatchNorm1d):
    """Over the batch, each member over its own."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, input: Tensor) -> Tensor:
        if self.weight.ndim == 1:
            return super().forward(input)
        given = input.dtype
        if given == torch.bfloat16:  # torch's own layer sums in 32 bits too
            input = input.float()
        if self.training:
            variance, mean = torch.var_mean(input, dim=1, correction=0)  # [members, batch, features] -> [members, ..]
            rows = input.shape[1]
            with torch.no_grad():
                # Running statistics hold the unbiased variance, as torch's own layer does.
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
                self.num_batches_tracked += 1
        else:
            mean, variance = self.running_mean, self.running_var
        normal = (input - mean.unsqueeze(1)) * torch.rsqrt(variance + self.eps).unsqueeze(1)
        return (normal * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)).to(given)


class Dropout(nn.Dropout):
    """Each member its own rate and its own stream of random numbers, which ``stack`` hands it.

    A mask takes 16 random bits an element, a quarter of what torch's own draws, whose generator
    takes longer than the arithmetic of a small network; so a rate is one of 65,536.
    """

    rates: list[float]
    generators: list[torch.Generator]

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        if not hasattr(self, "rates"):
            return input * _mask(input.unsqueeze(0), [self.p], [None]).squeeze(0) if self.p else input
        return input * _mask(input, self.rates, self.generators) if any(self.rates) else input


def _mask(like: Tensor, rates: Sequence[float], generators: Sequence[torch.Generator | None]) -> Tensor:
    """0 where an element is dropped, 1 / (1 - rate) elsewhere: [members, ...] as ``like``."""
    count = like[0].numel()
    bits = torch.zeros((len(rates), -(-count // 4)), dtype=torch.int64, device=like.device)  # [members, 4 elements]
    for row, rate, generator in zip(bits, rates, generators, strict=True):
        if rate > 0:
            row.random_(-(2**63), None, generator=generator)
    least, scale = _bounds(tuple(rates), like.ndim, like.device, like.dtype)
    return (bits.view(torch.int16)[:, :count].view(like.shape) >= least) * scale


@lru_cache(maxsize=256)
def _bounds(
    rates: tuple[float, ...], dimensions: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The least 16 bits that keep an element, and what a kept one is multiplied by: [members, 1, ...].
    Kept from step to step, since making them on a GPU waits for it."""
    dropped = [min(round(65536 * rate), 65535) for rate in rates]
    shape = (len(rates), *[1] * (dimensions - 1))
    least = torch.tensor([part - 32768 for part in dropped]).to(torch.int16)
    scale = torch.tensor([65536 / (65536 - part) for part in dropped], dtype=dtype)
    return least.view(shape).to(device), scale.view(shape).to(device)


class Stack:
    """Networks of one shape as one network whose parameters have a leading dimension of members.

    template: such a network, at least as wide as each of them in every parameter; it is taken over.
    Narrower members are filled up with zeros, which stay zeros as long as the inputs they meet are.
    """

    def __init__(self, template: nn.Module, networks: Sequence[nn.Module]) -> None:
        self.network = template
        self.size = len(networks)
        self.parameters = {name: nn.Parameter(self._stacked(name, tensor, networks)) for name, tensor in _own(template)}
        buffers = {name: tensor for name, tensor in template.named_buffers() if name in template.state_dict()}
        self.buffers = {name: self._stacked(name, tensor, networks) for name, tensor in buffers.items()}
        for name, tensor in {**self.parameters, **self.buffers}.items():
            _replace(template, name, tensor)
        self._dropouts: list[tuple[Dropout, list[float]]] = [
            (layer, [float(_module(network, name).p) for network in networks])  # type: ignore[arg-type]
            for name, layer in template.named_modules()
            if isinstance(layer, Dropout)
        ]

    def _stacked(self, name: str, widest: Tensor, networks: Sequence[nn.Module]) -> Tensor:
        """[members, *widest.shape], what the members' own tensors do not fill being zero."""
        stacked = torch.zeros((self.size, *widest.shape), dtype=widest.dtype, device=widest.device)
        for place, network in zip(stacked, networks, strict=True):
            own = _tensor(network, name)
            place[tuple(slice(length) for length in own.shape)] = own
        return stacked

    def state(self, member: int, network: nn.Module) -> dict[str, Tensor]:
        """The member's state dict, in the shapes of its own network (copies)."""
        tensors = {**self.parameters, **self.buffers}
        return {name: crop(tensors[name][member].detach(), like).clone() for name, like in network.state_dict().items()}

    def randomness(self, generators: Sequence[torch.Generator]) -> None:
        """Whose random numbers dropout takes; one generator a member."""
        self.generators = list(generators)

    def __call__(self, batch: dict[str, Tensor], begin: int, end: int) -> Tensor:
        """Output of members ``begin`` to ``end`` for their batches: [members, batch, ...]."""
        for layer, rates in self._dropouts:
            layer.rates, layer.generators = rates[begin:end], self.generators[begin:end]
        if (begin, end) == (0, self.size):
            return self.network(batch)[0]
        some = {name: tensor[begin:end] for name, tensor in {**self.parameters, **self.buffers}.items()}
        return torch.func.functional_call(self.network, some, (batch,))[0]


def by_member(reduce: Callable[..., Tensor], tensor: Tensor) -> Tensor:
    """Reduce all but the first dimension: [members, ...] -> [members]. A lone member is doubled, since
    torch sums one row in another order than it sums several."""
    rows = tensor.flatten(1)
    return reduce(rows if len(rows) > 1 else rows.repeat(2, 1), dim=1)[: len(rows)]


def crop(tensor: Tensor, like: Tensor) -> Tensor:
    """The part that a narrower tensor of as many dimensions fills."""
    return tensor[tuple(slice(length) for length in like.shape)]


def _own(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, parameter.detach()) for name, parameter in network.named_parameters()]


def _module(network: nn.Module, name: str) -> nn.Module:
    return network.get_submodule(name)


def _tensor(network: nn.Module, name: str) -> Tensor:
    owner, _, leaf = name.rpartition(".")
    return getattr(_module(network, owner), leaf).detach()


def _replace(network: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(_module(network, owner), leaf, tensor)
