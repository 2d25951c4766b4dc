"""A layer of gated recurrent units for training on a processor.

Torch has no kernel of one there: its own adds a gradient of all recurrent weights up at every step, which is as many
passes over these weights as there are steps. Here each step's gradients of the gates are kept, and those of the weights
are one product of all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def gru(inputs: Tensor, first: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """One layer, one direction: inputs [batch, steps, inputs], first [batch, hidden] -> outputs [batch, steps, hidden]
    and the last state [batch, hidden], as ``torch.nn.GRU`` has it up to rounding.

    weights: as torch orders them, of inputs and of states, then their biases. Within autocast products are of its
    numbers, states and gates of 32 bits.
    """
    short = torch.is_autocast_enabled("cpu")
    kind = torch.get_autocast_dtype("cpu") if short else inputs.dtype
    with torch.autocast("cpu", enabled=False):
        outputs = _Gru.apply(inputs.transpose(0, 1).float(), first.float(), kind, *weights)  # [steps, batch, hidden]
        return outputs.transpose(0, 1), outputs[-1]


class _Gru(torch.autograd.Function):
    """Steps first. r, z: the reset and update gates, n: the candidate."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, first: Tensor, kind: torch.dtype, *weights: Tensor) -> Tensor:
        of_inputs, of_states, bias, state_bias = (weight.to(kind) for weight in weights)
        steps, batch, _ = inputs.shape
        hidden = of_states.shape[1]
        flat = inputs.flatten(0, 1).to(kind)  # [steps * batch, inputs]
        given = functional.linear(flat, of_inputs, bias).float().view(steps, batch, 3 * hidden)
        gates = inputs.new_empty(steps, batch, 2 * hidden)  # r and z
        candidate, asked = (inputs.new_empty(steps, batch, hidden) for _ in range(2))
        states = inputs.new_empty(steps + 1, batch, hidden)
        states[0], turned = first, of_states.t()
        to_gates, to_candidate = given.split([2 * hidden, hidden], dim=-1)
        for step in range(steps):
            found = torch.addmm(state_bias, states[step].to(kind), turned)  # [batch, 3 * hidden]
            r_z = torch.add(to_gates[step], found[:, : 2 * hidden], out=gates[step]).sigmoid_()
            before = asked[step].copy_(found[:, 2 * hidden :])
            n = torch.addcmul(to_candidate[step], r_z[:, :hidden], before, out=candidate[step]).tanh_()
            torch.lerp(n, states[step], r_z[:, hidden:], out=states[step + 1])
        ctx.save_for_backward(flat, of_inputs, of_states, gates, candidate, asked, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        flat, of_inputs, of_states, gates, candidate, asked, states = ctx.saved_tensors
        steps, batch, hidden = candidate.shape
        kind, (r, z) = of_states.dtype, gates.chunk(2, dim=-1)
        # What a state's gradient is multiplied by on its way to z and n, and n's on its way to r.
        by_z = (states[:-1] - candidate).mul_(z).mul_(1 - z)
        by_n = (1 - candidate.square()).mul_(1 - z)
        by_r = (1 - r).mul_(r).mul_(asked)
        of_gates = gates.new_empty(steps, batch, 3 * hidden)  # r, z, and n's part by states
        of_candidate = torch.empty_like(candidate)
        to_r, to_z, to_n = of_gates.split(hidden, dim=-1)
        gradient = torch.zeros_like(states[0])
        for step in reversed(range(steps)):
            gradient += gradients[0][step]
            n = torch.mul(gradient, by_n[step], out=of_candidate[step])
            torch.mul(gradient, by_z[step], out=to_z[step])
            torch.mul(n, by_r[step], out=to_r[step])
            torch.mul(n, r[step], out=to_n[step])
            back = of_gates[step].to(kind) @ of_states  # [batch, hidden]
            gradient = gradient.mul_(z[step]).add_(back)
        by_states = of_gates.flatten(0, 1).to(kind)  # [steps * batch, 3 * hidden]
        by_inputs = by_states.clone()
        by_inputs[:, 2 * hidden :] = of_candidate.flatten(0, 1)
        state_bias = of_gates.sum((0, 1))
        bias = torch.cat([state_bias[: 2 * hidden], of_candidate.sum((0, 1))])
        return (
            (by_inputs @ of_inputs).float().view(steps, batch, -1),
            gradient,
            None,
            (by_inputs.t() @ flat).float(),
            (by_states.t() @ states[:-1].flatten(0, 1).to(kind)).float(),
            bias,
            state_bias,
        )
