"""A recurrent encoder and a decoder that attends to it, for translation (D2L 10.7, 11.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.attention import AdditiveAttention
from pipeline.models.layers.network import Network
from pipeline.models.layers.recurrent import Recurrent
from pipeline.text.reserved import BOS, EOS, PAD, UNK

MARGIN = 8
"""Tokens an answer may have beyond twice its source's."""


@dataclass
class Memory:
    """What the encoder hands to the decoder."""

    outputs: Tensor
    """[batch, source steps, hidden]"""
    keys: Tensor
    """The same, projected for the attention: [batch, source steps, hidden]"""
    mask: Tensor
    """Real source tokens, bool [batch, source steps]"""

    def take(self, lanes: Tensor) -> Memory:
        """That of some sentences of the batch."""
        return Memory(self.outputs[lanes], self.keys[lanes], self.mask[lanes])


class Encoder(nn.Module):
    """Source tokens to outputs [batch, steps, hidden] and final states [batch, layers, hidden].

    The final state is that after the last real token, whatever padding follows. Bidirectional
    (Bahdanau et al. 2015, 3.2), each direction has half of the hidden units.
    """

    def __init__(
        self, tokens: int, embedding: int, hidden: int, layers: int, dropout: float, bidirectional: bool
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.directions = 2 if bidirectional else 1
        self.gru = Recurrent("gru", embedding, hidden // self.directions, layers, dropout, bidirectional)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        embedded = self.dropout(self.embedding(tokens))  # [batch, steps, embedding]
        outputs, state = self.gru.encode(embedded, mask.sum(1))  # [batch, steps, hidden]
        state = state.unflatten(1, (-1, self.directions))  # [batch, layers, directions, hidden / directions]
        return outputs, state.flatten(2)  # [batch, layers, hidden]


class AttentionDecoder(nn.Module):
    """Each state asks the encoder's outputs; the answer and the state together score the next token.

    The attention follows the GRU (Luong et al. 2015, 3.1) rather than feeding it (D2L 11.4), so
    that all steps of a known target are worked out at once.
    """

    def __init__(self, tokens: int, embedding: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.gru = Recurrent("gru", embedding, hidden, layers, dropout)
        self.attention = AdditiveAttention(hidden, hidden, hidden)
        self.combine = nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, tokens)

    def forward(self, tokens: Tensor, memory: Memory, state: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [batch, steps, tokens] after each token, and the next state [batch, layers, hidden].

        tokens int64 [batch, steps]: what came before; state [batch, layers, hidden].
        """
        embedded = self.dropout(self.embedding(tokens))  # [batch, steps, embedding]
        hidden, state = self.gru(embedded, state)  # [batch, steps, hidden]
        context = self.attention(hidden, memory.keys, memory.outputs, memory.mask)  # [batch, steps, hidden]
        combined = torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))  # [batch, steps, hidden]
        return self.output(self.dropout(combined)), state  # [batch, steps, tokens]


class EncoderDecoder(Network):
    """Translation with teacher forcing in training and greedy search to answer.

    steps: the most tokens it answers, the end mark included.
    """

    def __init__(
        self,
        source: int,
        target: int,
        steps: int,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.encoder = Encoder(source, embedding, hidden, layers, dropout, bidirectional)
        self.decoder = AttentionDecoder(target, embedding, hidden, layers, dropout)

    def encode(self, batch: Batch) -> tuple[Memory, Tensor]:
        """Memory of the source, and the decoder's first state: the encoder's last."""
        longest = max(1, int(batch["source_mask"].sum(1).max()))  # padding beyond it is nobody's
        tokens, mask = batch["source"][:, :longest], batch["source_mask"][:, :longest]  # [batch, longest]
        outputs, state = self.encoder(tokens, mask)
        return Memory(outputs, self.decoder.attention.project(outputs), mask), state

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """Scores [batch, longest target, tokens] for ``labels``, given the tokens before each.

        batch: ``source`` int64 and ``source_mask`` bool [batch, source steps],
        ``decoder_inputs`` int64 [batch, steps], of which padding common to all is left out.
        """
        memory, first = self.encode(batch)
        longest = int((batch["decoder_inputs"] != PAD).sum(1).max())
        return self.decoder(batch["decoder_inputs"][:, :longest], memory, first)[0], None

    @torch.no_grad()
    def decode(self, batch: Batch) -> Tensor:
        """Greedy search: int64 [batch, steps], padded after the end mark.

        Padding, begin and unknown are never answered: they are no words. An answer without an
        end in sight is cut at twice its source's tokens and ``MARGIN`` more.
        """
        memory, state = self.encode(batch)
        answer = batch["source"].new_full((len(batch["source"]), self.steps), PAD)  # [batch, steps]
        limit = 2 * batch["source_mask"].sum(1) + MARGIN  # [batch]
        lanes = torch.arange(len(answer), device=answer.device)  # [batch], sentences that go on
        token = torch.full_like(lanes, BOS)  # [batch]
        for step in range(self.steps):
            scores, state = self.decoder(token[:, None], memory, state)  # [lanes, 1, tokens]
            scores = scores[:, 0]  # [lanes, tokens]
            scores[:, [PAD, UNK, BOS]] = -torch.inf
            token = scores.argmax(-1)  # [lanes]
            answer[lanes, step] = token
            goes_on = (token != EOS) & (step + 1 < limit[lanes])  # [lanes]
            if not goes_on.any():
                break
            lanes, token = lanes[goes_on], token[goes_on]  # [lanes] -> [fewer lanes]
            memory, state = memory.take(goes_on), state[goes_on]  # state [fewer lanes, layers, hidden]
        return answer
