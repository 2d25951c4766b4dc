"""TabM's network (Gorishniy, Kotelnikov, Babenko 2025): many networks that share their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.types import Batch
from pipeline.models.layers.category_embedding import first_levels, lookup
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.network import Network
from pipeline.models.layers.numeric_embedding import PeriodicEmbedding, PiecewiseLinearEmbedding, known

Embedding = Literal["none", "periodic", "piecewise_linear"]


class TabMNetwork(Network):
    """``submodels`` multilayer perceptrons of shared weights, each with scales of its own for the
    inputs and outputs of every layer (*BatchEnsemble*), biases, and a last layer of its own.

    In training it answers [..., batch, submodels, outputs], for a loss each; else their mean:
    [..., batch, outputs], for classes the logarithm of the mean of their probabilities.

    numbers: columns of ``numbers``, of which the first ``continuous`` are embedded; the others are
        indicators. levels: of each column of ``categories``, which are taken one-hot. classes: how many each target
        has, in the outputs' order; none of numbers and labels.
    """

    reads_missing = True
    prepares = True

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        numbers: int,
        continuous: int,
        levels: Sequence[int],
        outputs: int,
        submodels: int,
        hidden: Sequence[int],
        dropout: float,
        embedding: Embedding,
        width: int,
        bins: int,
        classes: Sequence[int],
        standardised: bool,
    ) -> None:
        super().__init__()
        self.continuous, self.classes, self.standardised = continuous, list(classes), standardised
        self.numeric: nn.Module | None = None
        if embedding == "periodic":
            self.numeric = PeriodicEmbedding(continuous, width=width)
        elif embedding == "piecewise_linear":
            self.numeric = PiecewiseLinearEmbedding(continuous, bins, width)
        features = 1 if self.numeric is None else width  # of a number column
        total = continuous * features + numbers - continuous + sum(levels)
        signs = self.numeric is None
        self.first = nn.ModuleDict(
            {
                "continuous": SharedInput(submodels, [features] * continuous, hidden[0], total, signs),
                "indicators": SharedInput(submodels, [1] * (numbers - continuous), hidden[0], total, signs),
                "categories": SharedLevels(submodels, levels, hidden[0], total, signs),
            }
        )
        self.scale = nn.Parameter(torch.ones(submodels, hidden[0]))
        self.bias = nn.Parameter(_uniform(hidden[0], total).repeat(submodels, 1))
        self.layers = nn.ModuleList(SharedLinear(submodels, *pair) for pair in pairwise(hidden))
        self.dropout = Dropout(dropout)
        self.output = SeparateLinear(submodels, hidden[-1], outputs)
        self.register_buffer("mean", torch.zeros(1, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 1, 1))

    def first_sums(self, batch: Batch) -> Tensor:
        """The shared weights' products of the first layer: [..., batch, submodels, hidden]."""
        numbers = known(batch["numbers"])
        continuous, indicators = numbers[..., : self.continuous], numbers[..., self.continuous :]
        parts = {
            "continuous": continuous if self.numeric is None else self.numeric(continuous),
            "indicators": indicators,
        }
        if "categories" in batch:
            parts["categories"] = batch["categories"]
        sums, *others = [self.first[name](part) for name, part in parts.items() if part.shape[-1] > 0]
        for other in others:
            sums = sums + other
        return sums

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``numbers`` [batch, columns] and ``categories`` int64 [batch, columns]."""
        values = torch.addcmul(self.bias.unsqueeze(-3), self.first_sums(batch), self.scale.unsqueeze(-3))
        values = self.dropout(functional.relu(values))  # [..., batch, submodels, hidden]
        for layer in self.layers:
            values = self.dropout(functional.relu(layer(values)))
        answers = self.output(values)  # [..., batch, submodels, outputs]
        if self.classes:
            if self.training:
                return answers, None
            parts = [part.log_softmax(dim=-1).logsumexp(dim=-2) for part in answers.split(self.classes, dim=-1)]
            return torch.cat(parts, dim=-1) - math.log(answers.shape[-2]), None  # [..., batch, outputs]
        answers = torch.addcmul(self.mean, answers, self.deviation)
        return (answers if self.training else answers.mean(dim=-2)), None

    @torch.no_grad()
    def prepare(self, batch: Batch) -> None:
        """Place knots by all training rows, and standardise a regression's answers by their target."""
        if isinstance(self.numeric, PiecewiseLinearEmbedding):
            self.numeric.place_knots(known(batch["numbers"])[:, : self.continuous])
        if self.standardised and "target" in batch:
            target = batch["target"]  # [rows, 1], or [rows, targets] of which rows may lack some
            target = target[~target.isnan()]
            self.mean.fill_(target.mean())
            self.deviation.fill_(float(target.std(correction=0)) or 1.0)

    def undecayed(self) -> set[str]:
        """Biases and scales, as their vectors are in an ordinary network."""
        last = {"scale", "bias", "inner", "outer"}
        return {name for name, _ in self.named_parameters() if name.rpartition(".")[2] in last}


class SharedInput(nn.Module):
    """A part of the inputs, scaled by each submodel, times shared weights of the first layer.

    widths: features of each column; they begin with one scale. total: inputs of the whole layer.
    signs: scales begin as random signs, else normally distributed.
    """

    def __init__(self, submodels: int, widths: Sequence[int], outputs: int, total: int, signs: bool) -> None:
        super().__init__()
        self.inner = nn.Parameter(_scales(submodels, widths, signs))
        self.weight = nn.Parameter(_uniform((outputs, sum(widths)), total))

    def forward(self, part: Tensor) -> Tensor:
        """[..., batch, inputs] -> [..., batch, submodels, outputs]."""
        return _product(part.unsqueeze(-2) * self.inner.unsqueeze(-3), self.weight)


class SharedLevels(nn.Module):
    """The same for category codes, as if they were one-hot: of each level its scales and its weights
    are looked up."""

    first: Tensor
    present: Tensor

    def __init__(self, submodels: int, levels: Sequence[int], outputs: int, total: int, signs: bool) -> None:
        super().__init__()
        self.inner = nn.Parameter(_scales(submodels, levels, signs).T.contiguous())
        self.weight = nn.Parameter(_uniform((sum(levels), outputs), total))
        self.register_buffer("first", first_levels(levels))
        self.weight.data[self.first] = 0.0  # code 0 may not occur in training
        self.register_buffer("present", torch.ones(len(levels), 1))

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [..., batch, columns] -> [..., batch, submodels, outputs]."""
        index = codes + self.first.unsqueeze(-2)
        scales = lookup(self.inner, index) * self.present.unsqueeze(-3)  # [..., batch, columns, submodels]
        return scales.transpose(-1, -2) @ lookup(self.weight, index)  # [..., batch, submodels, outputs]


class SharedLinear(nn.Module):
    """A linear layer of shared weights, with each submodel's own scales of inputs and outputs and biases."""

    def __init__(self, submodels: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.ones(submodels, inputs))
        self.weight = nn.Parameter(_uniform((outputs, inputs), inputs))
        self.outer = nn.Parameter(torch.ones(submodels, outputs))
        self.bias = nn.Parameter(_uniform(outputs, inputs).repeat(submodels, 1))

    def forward(self, values: Tensor) -> Tensor:
        """[..., batch, submodels, inputs] -> [..., batch, submodels, outputs]."""
        product = _product(values * self.inner.unsqueeze(-3), self.weight)
        return torch.addcmul(self.bias.unsqueeze(-3), product, self.outer.unsqueeze(-3))


class SeparateLinear(nn.Module):
    """A linear layer a submodel."""

    def __init__(self, submodels: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((submodels, inputs, outputs), inputs))
        self.bias = nn.Parameter(_uniform((submodels, outputs), inputs))

    def forward(self, values: Tensor) -> Tensor:
        """[..., batch, submodels, inputs] -> [..., batch, submodels, outputs]."""
        products = values.transpose(-2, -3) @ self.weight  # [..., submodels, batch, outputs]
        return products.transpose(-2, -3) + self.bias.unsqueeze(-3)


def _product(values: Tensor, weight: Tensor) -> Tensor:
    """[..., batch, submodels, inputs] times [..., outputs, inputs], transposed, as one matrix product."""
    flat = values.flatten(-3, -2) @ weight.transpose(-1, -2)  # [..., batch * submodels, outputs]
    return flat.unflatten(-2, values.shape[-3:-1])


def _uniform(shape: int | tuple[int, ...], inputs: int) -> Tensor:
    bound = max(1, inputs) ** -0.5
    return torch.empty(shape).uniform_(-bound, bound)


def _scales(submodels: int, widths: Sequence[int], signs: bool) -> Tensor:
    """One random value a submodel and column, for all features of the column: [submodels, sum of widths]."""
    values = torch.randn(submodels, len(widths))
    if signs:
        values = torch.where(values < 0, -1.0, 1.0)
    return values.repeat_interleave(torch.tensor(list(widths), dtype=torch.int64), dim=1)
