"""A recurrent encoder and a recurrent decoder, with attention or without, for translation (D2L 10.7, 11.4)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.attention import AdditiveAttention, DotProductAttention
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.recurrent import Cell, Recurrent, State, each
from pipeline.models.layers.translation import TranslationNetwork
from pipeline.text.reserved import PAD

Attention = Literal["additive", "dot", "none"]
Context = Literal["input", "output"]


class Encoder(nn.Module):
    """Source tokens to outputs [batch, steps, hidden] and the state after the last real one, [batch, layers, hidden] or
    two of them.

    Bidirectional (Bahdanau et al. 2015, 3.2), each direction has half of the hidden units.
    """

    def __init__(
        self, tokens: int, embedding: int, cell: Cell, hidden: int, layers: int, dropout: float, bidirectional: bool
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding, padding_idx=PAD)
        self.dropout = Dropout(dropout)
        self.directions = 2 if bidirectional else 1
        self.recurrent = Recurrent(cell, embedding, hidden // self.directions, layers, dropout, bidirectional)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, State]:
        embedded = self.dropout(self.embedding(tokens))  # [batch, steps, embedding]
        outputs, state = self.recurrent.encode(embedded, mask.sum(1))  # [batch, steps, hidden]
        # [batch, layers * directions, hidden / directions] -> [batch, layers, hidden]
        return outputs, each(state, lambda part: part.unflatten(1, (-1, self.directions)).flatten(2))


class EncoderDecoder(TranslationNetwork):
    """The decoder begins with the encoder's last state, and is told a context beside each token.

    attention: what the context is: an answer of the encoder's outputs to the decoder's last layer, or without one the
        encoder's last state, always the same (D2L 10.7).
    context: where it is told. ``input``: beside the token, asked for by the state of the step before (D2L 11.4), a step
        at a time. ``output``: beside the new state, which asks for it (Luong et al. 2015, 3.1), so that all steps of a
        known target are worked out at once.
    """

    def __init__(
        self,
        source: int,
        target: int,
        embedding: int,
        cell: Cell,
        hidden: int,
        layers: int,
        dropout: float,
        bidirectional: bool,
        attention: Attention,
        context: Context,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source, embedding, cell, hidden, layers, dropout, bidirectional)
        self.embedding = nn.Embedding(target, embedding, padding_idx=PAD)
        self.context = context
        inputs = embedding + (hidden if context == "input" else 0)
        self.recurrent = Recurrent(cell, inputs, hidden, layers, dropout)
        self.additive = AdditiveAttention(hidden, hidden, hidden, dropout) if attention == "additive" else None
        self.dot = DotProductAttention(dropout) if attention == "dot" else None
        self.combine = nn.Linear(2 * hidden, hidden) if context == "output" else None
        self.output = nn.Linear(hidden, target)
        self.dropout = Dropout(dropout)

    def start(self, batch: Batch) -> dict[str, Any]:
        mask = batch["source"] != PAD  # [batch, source steps]
        outputs, state = self.encoder(batch["source"], mask)
        if self.additive is not None:
            memory: dict[str, Tensor] = {"keys": self.additive.project(outputs), "values": outputs, "mask": mask}
        elif self.dot is not None:
            memory = {"values": outputs, "mask": mask}
        else:
            memory = {"last": _top(state)}
        return {"memory": memory, "decoder": state}

    def attend(self, queries: Tensor, memory: dict[str, Tensor]) -> Tensor:
        """The context of each query: [lanes, queries, hidden] -> the same shape."""
        if self.additive is not None:
            return self.additive(queries, memory["keys"], memory["values"], memory["mask"])
        if self.dot is not None:
            return self.dot(queries, memory["values"], memory["values"], memory["mask"].unsqueeze(1))
        return memory["last"].expand_as(queries)  # [lanes, 1, hidden]

    @property
    def looking(self) -> nn.Module | None:
        return self.additive if self.additive is not None else self.dot

    def read(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        memory, decoder = state["memory"], state["decoder"]
        embedded = self.dropout(self.embedding(tokens))  # [lanes, steps, embedding]
        if self.context == "output":
            hidden, decoder = self.recurrent(embedded, decoder)  # [lanes, steps, hidden]
        elif "last" in memory:
            context = memory["last"].expand(-1, embedded.shape[1], -1)  # [lanes, steps, hidden]
            hidden, decoder = self.recurrent(torch.cat([context, embedded], dim=-1), decoder)
        else:
            found = []
            for vector in embedded.split(1, dim=1):  # [lanes, 1, embedding]
                context = self.attend(_top(decoder), memory)  # [lanes, 1, hidden]
                hidden, decoder = self.recurrent(torch.cat([context, vector], dim=-1), decoder)
                found.append(hidden)
            hidden = torch.cat(found, dim=1)  # [lanes, steps, hidden]
        if self.combine is not None:
            context = self.attend(hidden, memory)  # [lanes, steps, hidden]
            hidden = torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))
        return self.output(self.dropout(hidden)), {"memory": memory, "decoder": decoder}


def _top(state: State) -> Tensor:
    """The last layer's hidden state: [lanes, 1, hidden]."""
    return (state[0] if isinstance(state, tuple) else state)[:, -1:]
