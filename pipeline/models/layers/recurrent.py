"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from pipeline.models.layers.gru import gru
from pipeline.models.layers.members import Dropout

Cell = Literal["rnn", "gru", "lstm"]
State = Any
"""[batch, layers * directions, hidden], or two of them for an LSTM: hidden state and memory cell."""

LANES = 32
"""Sequences side by side up to which a layer of gated units learns sooner by ``gru``."""
MODES = {"rnn": "RNN_TANH", "gru": "GRU", "lstm": "LSTM"}
RUN: dict[str, Callable[..., Any]] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}


class Recurrent(nn.RNNBase):
    """Layers of one kind of cell (D2L ch. 9 and 10). Parameters are named as those of torch's own layers.

    ``forward`` goes on from a state and gives the next one, ``encode`` gives the state after each text's own last
    token, ``read`` the outputs alone, the soonest.

    dropout: between layers. locked: one mask for all steps of a sequence (Gal and Ghahramani 2016) in place of one
    a step. bidirectional: a second layer from the end, its outputs beside the first's.
    listener: told the inputs of each pass and the texts' lengths, where these are known.
    """

    listener: Callable[[Tensor, Tensor | None], None] | None = None

    def __init__(
        self,
        cell: Cell,
        inputs: int,
        hidden: int,
        layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        locked: bool = False,
    ) -> None:
        between = dropout if layers > 1 else 0.0
        super().__init__(
            MODES[cell], inputs, hidden, layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )
        self.run = RUN[cell]
        self.cell: Cell = cell
        self.locked = locked
        self.directions = 2 if bidirectional else 1
        self.between = LockedDropout(between) if locked else Dropout(between)

    def forward(self, inputs: Tensor, state: State = None) -> tuple[Tensor, State]:  # type: ignore[override]
        """Inputs [batch, steps, inputs] -> outputs [batch, steps, directions * hidden] and the next state."""
        self._tell(inputs)
        if self.locked or self._own_kernel(inputs):
            return self._by_layer(inputs, state)
        first = self._zeros(inputs) if state is None else each(state, _layers_first)
        outputs, *last = self._all_layers(inputs, first, self.batch_first)
        return outputs, self._state(last)

    def encode(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Texts padded at their ends -> outputs, 0 where there is padding, and the state after the last real token.

        inputs [batch, steps, inputs], lengths int64 [batch]; an empty text counts as one token of padding.
        """
        self._tell(inputs, lengths)
        packed = pack_padded_sequence(inputs, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        data, *last = self._all_layers(packed.data, self._zeros(inputs), packed.batch_sizes)
        outputs = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
        return padded, self._state([part[:, packed.unsorted_indices] for part in last])

    def read(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The same outputs up to rounding, save that those at padding mean nothing. An LSTM takes half of the time
        of ``encode``, for which a packed batch has no fast kernel; what padding costs, buckets of lengths save.

        The layer from the end reads each text turned round within its own length.
        """
        self._tell(inputs, lengths)
        steps = torch.arange(inputs.shape[1], device=inputs.device)  # [steps]
        turned = lengths[:, None] - 1 - steps  # [batch, steps], negative at padding
        return self._by_layer(inputs, None, torch.where(turned < 0, steps, turned).unsqueeze(-1))[0]

    def _tell(self, inputs: Tensor, lengths: Tensor | None = None) -> None:
        if self.listener is not None:
            self.listener(inputs, lengths)

    def _by_layer(self, inputs: Tensor, state: State, turned: Tensor | None = None) -> tuple[Tensor, State]:
        """turned: int64 [batch, steps, 1], where each step stands in its text turned round."""
        first = self._zeros(inputs) if state is None else each(state, _layers_first)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.directions):
                place = layer * self.directions + direction
                begin = _one(first, place)
                given = _turn(inputs, turned) if direction else inputs
                if self._own_kernel(inputs):
                    found, after = _alone(gru(given, begin[0], self._weights(place)))
                else:
                    settings = (True, 1, 0.0, self.training, False, True)
                    found, *after = self.run(given, begin, self._weights(place), *settings)
                outputs.append(_turn(found, turned) if direction else found)  # [batch, steps, hidden]
                last.append(after)
            inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
            if layer + 1 < self.num_layers:
                inputs = self.between(inputs)  # [batch, steps, directions * hidden]
        return inputs, self._state([torch.cat(parts) for parts in zip(*last, strict=True)])

    def _own_kernel(self, inputs: Tensor) -> bool:
        """Whether a layer learns sooner by ``gru`` than by torch's own."""
        few = inputs.device.type == "cpu" and inputs.shape[0] <= LANES
        return self.cell == "gru" and few and torch.is_grad_enabled()

    def _all_layers(self, inputs: Tensor, first: State, shape: Any) -> tuple[Tensor, ...]:
        """Torch's own, of all layers at once; shape: whether batch comes first, or the sizes of a packed batch."""
        weights: list[Any] = self._flat_weights
        settings = (True, self.num_layers, self.dropout, self.training, self.bidirectional)
        if isinstance(shape, Tensor):
            return self.run(inputs, shape, first, weights, *settings)
        return self.run(inputs, first, weights, *settings, shape)

    def _weights(self, place: int) -> list[Any]:
        each = len(self._flat_weights) // (self.num_layers * self.directions)
        return self._flat_weights[place * each : (place + 1) * each]

    def _zeros(self, inputs: Tensor) -> State:
        zeros = inputs.new_zeros(self.num_layers * self.directions, inputs.shape[0], self.hidden_size)
        return (zeros, zeros) if self.cell == "lstm" else zeros

    def _state(self, last: list[Tensor]) -> State:
        # [layers * directions, batch, hidden] -> [batch, layers * directions, hidden]
        state = tuple(part.transpose(0, 1) for part in last)
        return state if self.cell == "lstm" else state[0]


class LockedDropout(Dropout):
    """Drops the same features at all steps of a sequence (Gal and Ghahramani 2016)."""

    def forward(self, input: Tensor) -> Tensor:
        """[batch, steps, features] -> the same shape."""
        if not self.training or not self.p:
            return input
        return input * super().forward(torch.ones_like(input[:, :1]))  # [batch, 1, features]


def _alone(answer: tuple[Tensor, Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Outputs and the last state of one layer as torch gives them: [1, batch, hidden] in a list."""
    return answer[0], [answer[1].unsqueeze(0)]


def _layers_first(part: Tensor) -> Tensor:
    return part.transpose(0, 1).contiguous()  # [layers, lanes, hidden]


def each(state: State, function: Callable[[Tensor], Tensor]) -> State:
    """A state with its part or parts passed through ``function``."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def _one(state: State, place: int) -> State:
    return each(state, lambda part: part[place : place + 1].contiguous())  # [1, lanes, hidden]


def _turn(steps: Tensor, turned: Tensor | None) -> Tensor:
    """[batch, steps, features], in the order that ``turned`` tells, or back to front."""
    return steps.flip(1) if turned is None else steps.gather(1, turned.expand_as(steps))
