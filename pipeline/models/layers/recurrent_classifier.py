"""Recurrent layers over a text's words."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.models.layers.members import Dropout
from pipeline.models.layers.pooling import Pooling
from pipeline.models.layers.recurrent import Cell, LockedDropout, Recurrent
from pipeline.models.layers.text_network import TextNetwork, WordDropout, Words
from pipeline.text.reserved import PAD


class RecurrentClassifier(TextNetwork):
    """Recurrent layers, and what stands at a text's last step (from its end: its first) or a pool of all steps.

    dropout: locked, of the words' vectors, between layers and of the features (Gal and Ghahramani 2016).
    word_dropout: share of the words that a minibatch lacks.
    """

    def __init__(
        self,
        words: Words,
        cell: Cell,
        hidden: int,
        layers: int,
        bidirectional: bool,
        pooling: Literal["last", "mean", "max", "attention"],
        dropout: float,
        word_dropout: float,
    ) -> None:
        super().__init__(words)
        self.embedding = nn.Embedding(words.count, words.width, padding_idx=PAD)
        words.begin(self.embedding)
        self.word_dropout = WordDropout(words.count, word_dropout)
        self.inputs_dropout = LockedDropout(dropout)
        self.recurrent = Recurrent(cell, words.width, hidden, layers, dropout, bidirectional, locked=True)
        features = hidden * self.recurrent.directions
        self.pooling = None if pooling == "last" else Pooling(pooling, features)
        self.finish(features, Dropout(dropout))

    def read(self, tokens: Tensor) -> Tensor:
        mask = tokens != PAD  # [batch, steps]
        lengths = mask.sum(1)  # [batch]
        vectors = self.word_dropout(self.embedding(tokens), tokens)  # [batch, steps, embedding]
        outputs = self.recurrent.read(self.inputs_dropout(vectors), lengths)  # [batch, steps, features]
        if self.pooling is not None:
            return self.pooling(outputs, mask)  # [batch, features]
        hidden = self.recurrent.hidden_size
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, hidden)  # [batch, 1, hidden]
        ends = outputs[:, :, :hidden].gather(1, last).squeeze(1)  # [batch, hidden]
        ends = torch.cat([ends, outputs[:, 0, hidden:]], dim=1)  # [batch, features]
        return ends.masked_fill(lengths.unsqueeze(1) == 0, 0.0)
