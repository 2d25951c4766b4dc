"""Taps on a network's layers, for one pass forward and back: how large what they say is, how large the gradient that
comes back to it, which units are dead or saturated, how far a state remembers, how sharply attention looks.

They draw no random number and change nothing of what is computed. What they find is a value a member of a stack, or one
of a network alone; norms are sums over a member's own values, so that they do not depend on who shares the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.layers.attention import MultiHeadAttention, allowed
from pipeline.models.layers.members import by_member
from pipeline.models.layers.recurrent import Recurrent

FLAT = 0.05
"""Part of its steepest slope below which a sigmoid or tanh is saturated."""
LANES = 4
"""Sequences of a minibatch that recurrent layers and attention are asked about."""
ASIDE = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase, nn.RNNBase)
"""Layers with weights whose outputs say nothing of depth: they look up, or set the scale themselves."""


class Taps:
    """On all layers of ``network`` from ``attach`` to ``detach``.

    stacked: whether tensors have a leading dimension of members; of these any number of runs of neighbours may pass
    through, one after another. found: by layer, in the order in which they are passed, and measure a value a run,
    [members of the run] each, or of a recurrent layer a list of numbers.
    """

    def __init__(self, network: nn.Module, stacked: bool) -> None:
        self.network, self.stacked = network, stacked
        self.found: dict[str, dict[str, list[Any]]] = {}
        self._handles: list[Any] = []
        self._heard: list[Recurrent | MultiHeadAttention] = []
        self._seen: set[str] = set()

    def attach(self) -> None:
        self.found = {}
        self._handles.append(self.network.register_forward_pre_hook(lambda *_: self._seen.clear()))
        for name, module in self.network.named_modules():
            if isinstance(module, Recurrent):
                module.listener = self._once(name, module, self._recurrent)
                self._heard.append(module)
            elif isinstance(module, MultiHeadAttention):
                module.listener = self._once(name, module, self._attention)
                self._heard.append(module)
            elif isinstance(module, nn.ReLU | nn.Sigmoid | nn.Tanh):
                self._hook(name, module, self._activation)
            elif "weight" in dict(module.named_parameters(recurse=False)) and not isinstance(module, ASIDE):
                self._hook(name, module, self._layer)

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        for module in self._heard:
            module.listener = None
        self._handles, self._heard = [], []

    def _hook(self, name: str, module: nn.Module, listen: Callable[..., None]) -> None:
        heard = self._once(name, module, listen)
        self._handles.append(module.register_forward_hook(lambda module, given, output: heard(output)))

    def _once(self, name: str, module: nn.Module, listen: Callable[..., None]) -> Callable[..., None]:
        """The first time that a layer is passed: a shared one is passed again."""

        def heard(*given: Any) -> None:
            if name not in self._seen:
                self._seen.add(name)
                listen(name, module, *given)

        return heard

    def _put(self, name: str, measure: str, value: Any) -> None:
        self.found.setdefault(name, {}).setdefault(measure, []).append(value)

    def _members(self, values: Tensor) -> Tensor:
        """[members, ...], one without a stack."""
        values = values.detach().float()
        return values if self.stacked else values.unsqueeze(0)

    def _norm(self, values: Tensor) -> Tensor:
        if not self.stacked:
            return torch.linalg.vector_norm(values.detach().float()).unsqueeze(0)
        return by_member(torch.linalg.vector_norm, values.detach().float())  # [members]

    def _layer(self, name: str, module: nn.Module, output: Any) -> None:
        if not isinstance(output, Tensor) or not output.requires_grad:
            return
        size = output.numel() // (len(output) if self.stacked else 1)
        self._put(name, "forward", self._norm(output) / size**0.5)
        output.register_hook(lambda gradient: self._put(name, "backward", self._norm(gradient)))

    def _activation(self, name: str, module: nn.Module, output: Tensor) -> None:
        """Noted when a gradient comes back: the loss may know nothing of it, as of a pretrained pooler's."""
        if not output.requires_grad:
            return
        values = self._members(output)
        if not isinstance(module, nn.ReLU):
            slope = values * (1 - values) * 4 if isinstance(module, nn.Sigmoid) else 1 - values.square()
            flat = (slope < FLAT).flatten(1).float().mean(dim=1)  # [members]
            output.register_hook(lambda gradient: self._put(name, "saturated", flat))
            return
        unit = 2 if values.ndim == 5 else values.ndim - 1  # a map's channels, else features
        others = [i for i in range(1, values.ndim) if i != unit]
        dead = (values.amax(dim=others) <= 0).float().mean(dim=1)  # [members, units] -> [members]
        output.register_hook(lambda gradient: self._put(name, "dead", dead))

    def _recurrent(self, name: str, module: Recurrent, inputs: Tensor, lengths: Tensor | None) -> None:
        """What the state at the last step has of the steps before, by their distance, 1, 2, 4, ...: the norm of its
        gradient by their inputs, over that by its own (Pascanu, Mikolov, Bengio 2013; D2L 9.7)."""
        if self.stacked or not torch.is_grad_enabled():
            return
        steps = inputs.shape[1]
        if lengths is not None:
            longest = lengths.argsort(descending=True, stable=True)[:LANES]
            inputs, steps = inputs[longest], int(lengths[longest].min())
        if steps < 2:
            return
        given = inputs[:LANES, :steps].detach().float().requires_grad_()  # [lanes, steps, inputs]
        rates = module.dropout, module.between.p
        module.dropout = module.between.p = 0.0  # it would draw numbers that training is to have
        outputs, _ = module.forward(given)
        module.dropout, module.between.p = rates
        states = outputs[..., : module.hidden_size]  # of the direction from the beginning
        (gradient,) = torch.autograd.grad(states[:, -1].sum(), given)
        flow = torch.linalg.vector_norm(gradient, dim=(0, 2)).flip(0)  # [steps], the last one first
        lags = [2**k for k in range(steps.bit_length()) if 2**k < steps]
        self._put(name, "memory", (flow[lags] / flow[0]).unsqueeze(0))  # [1, lags]
        if module.cell == "rnn":
            self._put(name, "saturated", (1 - states.detach().square() < FLAT).float().mean().unsqueeze(0))

    def _attention(
        self, name: str, module: MultiHeadAttention, asked: Tensor, keys: Tensor, mask: Tensor | None, before: bool
    ) -> None:
        """How evenly each query looks about: the entropy of its weights, 1 where these are all alike, 0 where one key
        has them all."""
        asked, keys = asked[:LANES].detach().float(), keys[:LANES].detach().float()
        queries, places = asked.shape[-2], keys.shape[-2]
        mask = None if mask is None else allowed(mask, places).unsqueeze(1)[:LANES]  # [lanes or 1, 1, queries, keys]
        with torch.no_grad():
            weights = module.attention.weights(asked, keys, mask, before)  # [lanes, heads, queries, keys]
            entropy = torch.special.entr(weights).sum(dim=-1)  # [lanes, heads, queries]
        if before:
            seen = torch.arange(1, queries + 1, device=asked.device)
        else:
            seen = torch.full((1,), places, device=asked.device) if mask is None else mask.sum(dim=-1)
        most = seen.clamp(min=1).log().expand_as(entropy)
        self._put(name, "entropy", (entropy.sum() / most.sum().clamp(min=1e-12)).unsqueeze(0))
