"""RealMLP's network (Holzmüller, Grinsztajn, Steinwart 2024: "Better by default")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.types import Batch
from pipeline.models.layers.category_embedding import CategoryEmbedding
from pipeline.models.layers.members import Dropout, Linear
from pipeline.models.layers.network import Network
from pipeline.models.layers.numeric_embedding import PeriodicEmbedding, known

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "selu": functional.selu,
    "mish": functional.mish,
    "relu": functional.relu,
    "gelu": functional.gelu,
}

INITIAL_ROWS = 16384
"""Training rows that the weights' beginning is fitted to, at most."""

SCALE = 6.0
"""How much faster than weights the inputs' scales learn."""

SIMPLEX = 5
"""Rows whose random mixture places a unit's zero."""


class RealMLPNetwork(Network):
    """Embedded inputs, a scale for each of them, hidden layers of linear, parametric activation and
    dropout, and a linear layer.

    numbers: columns of ``numbers``, of which the first ``continuous`` are embedded; the others are
        indicators. levels: of each column of ``categories``.
    bounded: answers are standardised and keep to the range of the training targets, for regression.

    Names of the inputs' parts hold their own weights of the first layer, so that networks whose
    parts differ in width can share a stack.
    """

    reads_missing = True
    prepares = True

    mean: Tensor
    deviation: Tensor
    lowest: Tensor
    highest: Tensor
    gain: Tensor

    def __init__(
        self,
        numbers: int,
        continuous: int,
        levels: Sequence[int],
        outputs: int,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
        frequencies: int,
        embedding: int,
        category_embedding: int,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.continuous, self.bounded = continuous, bounded
        self.numeric = PeriodicEmbedding(continuous, frequencies, embedding) if frequencies else None
        self.categories = CategoryEmbedding(levels, category_embedding)
        widths = {
            "continuous": continuous * (embedding if frequencies else 1),
            "indicators": numbers - continuous,
            "categories": len(levels) * category_embedding,
        }
        self.first = nn.ModuleDict({name: ScaledInput(width, hidden[0]) for name, width in widths.items()})
        self.register_buffer("gain", torch.full((1, 1), max(1, sum(widths.values())) ** -0.5))
        self.bias = nn.Parameter(torch.zeros(hidden[0]))
        self.activations = nn.ModuleList(ParametricActivation(width, activation) for width in hidden)
        self.dropout = Dropout(dropout)
        ends = [*hidden[1:], outputs]
        self.layers = nn.ModuleList(GainLinear(*pair) for pair in zip(hidden, ends, strict=True))
        self.register_buffer("mean", torch.zeros(1, 1))
        self.register_buffer("deviation", torch.ones(1, 1))
        self.register_buffer("lowest", torch.full((1, 1), -torch.inf))
        self.register_buffer("highest", torch.full((1, 1), torch.inf))

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """The inputs' parts, embedded: each [..., batch, width]."""
        numbers = known(batch["numbers"])
        continuous = numbers[..., : self.continuous]
        parts = {
            "continuous": continuous if self.numeric is None else self.numeric(continuous),
            "indicators": numbers[..., self.continuous :],
        }
        if "categories" in batch:
            parts["categories"] = self.categories(batch["categories"])
        return {name: part for name, part in parts.items() if part.shape[-1] > 0}

    def first_sums(self, batch: Batch) -> Tensor:
        """The first layer before its bias: [..., batch, hidden]."""
        first, *others = [self.first[name](part) for name, part in self.parts(batch).items()]
        for product in others:
            first = first + product
        return first * self.gain

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``numbers`` [batch, columns] and ``categories`` int64 [batch, columns] -> [batch, outputs]."""
        values = self.first_sums(batch) + self.bias.unsqueeze(-2)  # [..., batch, hidden]
        for activation, layer in self._blocks():
            values = layer(self.dropout(activation(values)))  # [..., batch, next hidden or outputs]
        if not self.bounded:
            return values, None
        values = torch.addcmul(self.mean, values, self.deviation)
        return (values if self.training else values.clamp(self.lowest, self.highest)), None

    @torch.no_grad()
    def prepare(self, batch: Batch) -> None:
        """Fit the beginning to all training rows: each unit's weights give deviation 1, its bias puts
        its zero where rows are (*he+5*); a regression's mean, deviation and range are the target's."""
        if self.bounded and "target" in batch:
            target = batch["target"]  # [rows, 1], or [rows, targets] of which rows may lack some
            target = target[~target.isnan()]
            self.mean.fill_(target.mean())
            self.deviation.fill_(float(target.std(correction=0)) or 1.0)
            self.lowest.fill_(target.min())
            self.highest.fill_(target.max())
        rows = len(batch["numbers"])
        if rows > INITIAL_ROWS:
            some = torch.randperm(rows)[:INITIAL_ROWS].to(batch["numbers"].device)
            batch = {name: tensor[some] for name, tensor in batch.items()}
        sums = self.first_sums(batch)  # [rows, hidden]
        deviation = _deviation(sums)
        for part in cast("list[ScaledInput]", list(self.first.values())):
            part.weight.div_(deviation[:, None])
        self.bias.copy_(_zeros(sums / deviation))
        values = sums / deviation + self.bias
        for activation, layer in self._blocks():
            values = layer.fit(activation(values))  # [rows, next hidden or outputs]

    def _blocks(self) -> Iterator[tuple[ParametricActivation, GainLinear]]:
        return cast(
            "Iterator[tuple[ParametricActivation, GainLinear]]", zip(self.activations, self.layers, strict=True)
        )

    def rate_factors(self) -> dict[str, float]:
        """Of the base learning rate, where not 1."""
        factors = {}
        for name, _ in self.named_parameters():
            if name.endswith(".scale"):
                factors[name] = SCALE**2
            elif name.startswith(("numeric.", "activations.")) or name.rpartition(".")[2] == "bias":
                factors[name] = 0.1
        return factors

    def undecayed(self) -> set[str]:
        """Those that the authors' code lets decay next to nothing."""
        return {name for name, _ in self.named_parameters() if name.startswith(("numeric.", "activations."))}


class ScaledInput(nn.Module):
    """A part of the inputs times a learned scale each, times its weights of the first layer.

    A scale is ``scale`` / 6: at 36 times the base rate it moves 6 times as fast as a weight and
    decays 36 times as fast, as in the authors' code, where the rate's factor enters decay twice.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, inputs), SCALE))
        self.weight = nn.Parameter(torch.randn(outputs, inputs))

    def forward(self, part: Tensor) -> Tensor:
        """[..., batch, inputs] -> [..., batch, outputs]."""
        return (part * (self.scale / SCALE)) @ self.weight.transpose(-1, -2)


class ParametricActivation(nn.Module):
    """x + a (f(x) - x), with an ``a`` a unit, 1 at the start."""

    def __init__(self, units: int, activation: str) -> None:
        super().__init__()
        self.function = ACTIVATIONS[activation]
        self.part = nn.Parameter(torch.ones(1, units))

    def forward(self, values: Tensor) -> Tensor:
        return torch.lerp(values, self.function(values), self.part.to(values.dtype))


class GainLinear(Linear):
    """A linear layer whose weights have deviation 1 and whose inputs are divided by the root of their
    number (the *neural tangent* parametrisation), so that one learning rate suits every width."""

    gain: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)
        self.register_buffer("gain", torch.full((1, 1), inputs**-0.5))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input * self.gain)

    def fit(self, input: Tensor) -> Tensor:
        """Give each unit deviation 1 and a zero among these rows: [rows, inputs] -> [rows, outputs]."""
        nn.init.zeros_(self.bias)
        sums = self(input)
        deviation = _deviation(sums)
        self.weight.div_(deviation[:, None])
        self.bias.copy_(_zeros(sums / deviation))
        return sums / deviation + self.bias


def _deviation(sums: Tensor) -> Tensor:
    """Of each unit over the rows, 1 where all are the same: [rows, units] -> [units]."""
    deviation = sums.std(dim=0, correction=0)
    return torch.where(deviation > 1e-6, deviation, 1.0)


def _zeros(sums: Tensor) -> Tensor:
    """A bias for each unit that makes it zero at a random mixture of rows: [rows, units] -> [units]."""
    rows, units = sums.shape
    chosen = torch.randint(rows, (SIMPLEX, units)).to(sums.device)
    shares = torch.empty(SIMPLEX, units).exponential_().to(sums.device)
    return -(sums.gather(0, chosen) * shares / shares.sum(dim=0)).sum(dim=0)
