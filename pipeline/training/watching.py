"""How training is watched: one step in so many is looked at closely, by layer, and every epoch's losses.

What it finds is plain data, the *trace* of a fit, and stands beside its curves:

``every``, ``steps`` the steps that were looked at, from 1; ``per_epoch`` steps of an epoch. ``depth`` the layers with
weights in the order in which they are passed. ``layers`` by name, lists of a value a step that was looked at (None: no
finite number): norms of ``gradient`` (before clipping), ``update`` and ``weight``; ``forward`` the root mean square of
its output, ``backward`` the norm of the loss's gradient by it; ``dead`` the share of ReLUs that gave 0 for the whole
minibatch, ``saturated`` that of values on the flat ends of a sigmoid or tanh, and of the states of a plain recurrent
layer; ``memory`` and ``entropy`` see ``taps.py``; ``distinct``, where units have begun with the same weights, how many
of its ``units`` differ after a step. ``losses`` means over parts of epochs, by the step that each ends with, of fits of
few epochs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipeline.models.layers.members import by_member
from pipeline.training.checkpoints import Progress
from pipeline.training.taps import ASIDE, Taps

if TYPE_CHECKING:
    from pipeline.training.neural import Neural

MOST = 50
"""Steps of one fit that are looked at, at most."""
PARTS, LEAST = 20, 8
"""Means of the training loss that a fit has at least: of parts of its epochs, where these are fewer; and minibatches
that such a part has at least."""
RECURRENT = re.compile(r"\.?\w+_(l\d+)(_reverse)?$")


@dataclass
class Watched:
    """One network that is watched. every: of how many steps one is looked at, None: of none. steps: of an epoch."""

    progress: Progress
    every: int | None
    steps: int
    epochs: int

    @classmethod
    def of(cls, settings: Neural, progress: Progress, minibatches: int, epochs: int) -> Watched:
        steps = math.ceil(minibatches / settings.accumulate)
        every = None if settings.watch is None else max(settings.watch, math.ceil(steps * epochs / MOST))
        if every is not None and not progress.trace:
            progress.trace.update(every=every, per_epoch=steps, steps=[], layers={}, depth=[])
        return cls(progress, every, steps, epochs)

    def due(self, place: int) -> bool:
        return self.every is not None and place >= 0 and (self.progress.epoch * self.steps + place) % self.every == 0

    def note(self, place: int, depth: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> None:
        """What was found at one step, by layer and measure; a measure that was not taken is None."""
        trace = self.progress.trace
        before = len(trace["steps"])
        trace["steps"].append(self.progress.epoch * self.steps + place + 1)
        trace["depth"] = trace["depth"] or list(depth)
        layers = trace["layers"]
        for name in (*layers, *(one for one in found if one not in layers)):
            own = layers.setdefault(name, {})
            new = found.get(name, {})
            for measure in (*own, *(one for one in new if one not in own)):
                if measure == "units":
                    own.setdefault(measure, new.get(measure))
                else:
                    own.setdefault(measure, [None] * before).append(_short(new.get(measure)))

    def note_losses(self, totals: Sequence[float], weights: Sequence[float]) -> None:
        """After an epoch, before it counts: of each minibatch the sum of its losses, and what it weighs."""
        if self.every is None or self.epochs >= PARTS:
            return
        losses = self.progress.trace.setdefault("losses", {"steps": [], "means": []})
        minibatches = len(totals)
        parts = max(1, min(math.ceil(PARTS / self.epochs), minibatches // LEAST))
        for k in range(parts):
            begin, end = minibatches * k // parts, minibatches * (k + 1) // parts
            weight = sum(weights[begin:end])
            losses["steps"].append(self.progress.epoch * self.steps + math.ceil(self.steps * end / minibatches))
            losses["means"].append(_short(sum(totals[begin:end]) / weight if weight else 0.0))


class Watching:
    """Looks at the steps that are due, of networks that train as one program or of one alone.

    parameters: by name, [members, ...] each where they are ``stacked``.
    """

    def __init__(
        self, network: nn.Module, members: Sequence[Watched], parameters: Mapping[str, Tensor], stacked: bool
    ) -> None:
        self.members, self.parameters, self.stacked = members, parameters, stacked
        self.taps = Taps(network, stacked)
        self.layers = {name: layer_of(name) for name in parameters}
        modules = dict(network.named_modules())
        owners = {name: modules[name.removesuffix(".weight")] for name in parameters if name.endswith(".weight")}
        self.weights = [name for name, module in owners.items() if not isinstance(module, ASIDE)]
        self.due: list[int] = []

    def begin(self, places: Sequence[int]) -> None:
        """Before a step: which step of its epoch it is to each member, -1 where it takes none."""
        self.due = [i for i, (one, place) in enumerate(zip(self.members, places)) if one.due(place)]
        if self.due:
            self.places = places
            self.before = [parameter.detach().clone() for parameter in self.parameters.values()]
            self.taps.attach()

    def end(self, gradients: Mapping[str, Tensor]) -> None:
        """After it. gradients: by parameter, where it has one, their norms before clipping, [members] each."""
        if not self.due:
            return
        self.taps.detach()
        after = [parameter.detach() for parameter in self.parameters.values()]
        updates = self._norms([new - old for new, old in zip(after, self.before, strict=True)])
        none = torch.zeros_like(updates[0])
        own_gradients = torch.stack([gradients.get(name, none) for name in self.parameters])
        norms = torch.stack([own_gradients, updates, self._norms(self.before)]).tolist()  # [3, parameters, members]
        self.before = []
        found = {
            layer: {measure: torch.cat(runs).tolist() for measure, runs in measures.items()}
            for layer, measures in self.taps.found.items()
        }
        active = [i for i, place in enumerate(self.places) if place >= 0]  # what passed the taps, in this order
        distinct = self._distinct(after)
        depth = [layer for layer, measures in found.items() if "forward" in measures]
        for i in self.due:
            row = active.index(i)
            own = {layer: {measure: v[row] for measure, v in one.items()} for layer, one in found.items()}
            for measure, values in zip(("gradient", "update", "weight"), norms, strict=True):
                squares: dict[str, float] = {}
                for layer, value in zip(self.layers.values(), values, strict=True):
                    squares[layer] = squares.get(layer, 0.0) + value[i] ** 2
                for layer, square in squares.items():
                    own.setdefault(layer, {})[measure] = math.sqrt(square)
            for layer, (counts, units) in distinct.items():
                if counts[i] < units or "distinct" in self.members[i].progress.trace["layers"].get(layer, {}):
                    own.setdefault(layer, {}).update(distinct=counts[i], units=units)
            self.members[i].note(self.places[i], depth, own)
        self.due = []

    def _norms(self, tensors: Sequence[Tensor]) -> Tensor:
        """[parameters, members]"""
        if self.stacked:
            return torch.stack([by_member(torch.linalg.vector_norm, one) for one in tensors])
        return torch.stack([torch.linalg.vector_norm(one) for one in tensors]).unsqueeze(1)

    def _distinct(self, after: Sequence[Tensor]) -> dict[str, tuple[list[int], int]]:
        """By layer, of each member how many units differ in their weights, of how many. Of all layers at the first
        step, later of those alone that had units alike."""
        wanted = {
            layer
            for i in self.due
            for layer, one in self.members[i].progress.trace["layers"].items()
            if "distinct" in one
        }
        first = any(not self.members[i].progress.trace["steps"] for i in self.due)
        found = {}
        for name, weight in zip(self.parameters, after, strict=True):
            layer = self.layers[name]
            if name in self.weights and (first or layer in wanted):
                weight = weight if self.stacked else weight.unsqueeze(0)
                if weight.ndim > 2 and weight.shape[1] > 1:
                    found[layer] = (distinct_units(weight).tolist(), weight.shape[1])
        return found


class Alone(Watching):
    """Of one network. accumulate: minibatches whose gradients make a step."""

    def __init__(self, network: nn.Module, member: Watched, accumulate: int) -> None:
        parameters = {name: one for name, one in network.named_parameters() if one.requires_grad}
        super().__init__(network, [member], parameters, stacked=False)
        self.accumulate = accumulate

    def begin_minibatch(self, number: int, last: bool) -> None:
        """Before each minibatch, counted within its epoch, of which one is the last: that of a step is looked at."""
        closes = (number + 1) % self.accumulate == 0 or last
        self.begin([number // self.accumulate if closes else -1])

    def end_step(self, norm: Tensor) -> None:
        """After each step. norm: of all gradients, before they were clipped."""
        if self.due:
            given = {name: one.grad for name, one in self.parameters.items() if one.grad is not None}
            gradients = self._norms(list(given.values()))  # [parameters with one, 1]
            clipped = torch.linalg.vector_norm(gradients)
            gradients = gradients * torch.where(clipped > 0, norm / clipped, 1.0)
            self.end(dict(zip(given, gradients, strict=True)))

    def end_epoch(self) -> None:
        """Before it counts."""
        (one,) = self.members
        if one.every is not None and one.epochs < PARTS:
            totals = torch.stack(one.progress.losses).double().tolist()
            one.note_losses(totals, [float(weight) for weight in one.progress.weights])


def layer_of(parameter: str) -> str:
    """The layer that it is of: what stands before its own name; of recurrent ones, which hold several, each its own."""
    if found := RECURRENT.search(parameter):
        return f"{parameter[: found.start()]}.{found[1]}".lstrip(".")
    return parameter.rpartition(".")[0] or parameter


def distinct_units(weight: Tensor) -> Tensor:
    """How many rows differ: [members, units, ...] -> int64 [members]. Units of the same weights that also learn the
    same stay one for ever (D2L 5.4)."""
    rows = weight.flatten(2)  # [members, units, inputs]
    sums = (rows * torch.arange(1, rows.shape[2] + 1, device=rows.device).cos()).sum(dim=2).sort(dim=1).values
    distinct = 1 + (sums.diff(dim=1) != 0).sum(dim=1)
    # Where all are zero there is nothing that it reads: no column, or one that a stack's other members have.
    return torch.where((rows == 0).flatten(1).all(dim=1), rows.shape[1], distinct)


def _short(value: Any) -> Any:
    """Four digits; None for what is no finite number."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}") if isinstance(value, float) else value


def told(trace: Mapping[str, Any]) -> str:
    """In words, the largest gradient of the last step that was looked at and had finite ones."""
    gradients = {name: own["gradient"] for name, own in trace.get("layers", {}).items() if own.get("gradient")}
    for k, step in reversed(list(enumerate(trace.get("steps", [])))):
        if finite := [(own[k], name) for name, own in gradients.items() if own[k] is not None]:
            value, name = max(finite)
            return f"; in step {step} the largest gradient was that of {name}, {value:.3g}"
    return f"; in step {trace['steps'][0]} no gradient was finite" if trace.get("steps") else ""
