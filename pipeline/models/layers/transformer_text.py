"""Transformer blocks over a text's words."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.models.layers.members import Dropout
from pipeline.models.layers.pooling import Pooling
from pipeline.models.layers.positions import positions
from pipeline.models.layers.text_network import TextNetwork, Words
from pipeline.models.layers.transformer import Block, TransformerEncoder
from pipeline.text.reserved import PAD


class TransformerText(TextNetwork):
    """Words and their positions, encoder blocks, and a pool of all steps, or what stands at a first step of its own
    that each text is given (Devlin et al. 2019)."""

    def __init__(
        self,
        words: Words,
        layers: int,
        block: Block,
        position: str,
        longest: int,
        pooling: Literal["mean", "max", "first", "attention"],
        dropout: float,
    ) -> None:
        super().__init__(words)
        width = words.width
        self.embedding = nn.Embedding(words.count, width, padding_idx=PAD)
        words.begin(self.embedding)
        # Vectors of one's own weigh as they do beside positions of deviation 0.7; those of a file are of that size.
        self.scale = 1.0 if words.vectors is not None else width**0.5
        first = pooling == "first"
        self.first = nn.Parameter(torch.randn(width) * 0.02) if first else None
        self.positions = positions(position, width, longest + first)
        self.inputs_dropout = Dropout(dropout)
        self.encoder = TransformerEncoder(layers, block)
        self.pooling = Pooling("mean" if pooling == "first" else pooling, width)
        self.finish(width, Dropout(dropout))

    def read(self, tokens: Tensor) -> Tensor:
        mask = tokens != PAD  # [batch, steps]
        vectors = self.embedding(tokens) * self.scale  # [batch, steps, width]
        if self.first is not None:
            vectors = torch.cat([self.first.expand(len(tokens), 1, -1), vectors], dim=1)  # [batch, 1 + steps, width]
            mask = nn.functional.pad(mask, (1, 0), value=True)  # [batch, 1 + steps]
        steps = self.encoder(self.inputs_dropout(self.positions(vectors)), mask)  # [batch, steps, width]
        return self.pooling(steps, mask) if self.first is None else steps[:, 0]  # [batch, width]
