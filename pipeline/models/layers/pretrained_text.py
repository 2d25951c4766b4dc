"""A pretrained encoder of texts as part of a network that trains it on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.core.errors import UserError
from pipeline.core.types import Batch, Spec
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.network import Network
from pipeline.models.layers.pooling import Pooling
from pipeline.models.layers.side_columns import SideColumns
from pipeline.text.pretrained import empty_network, find_encoder, keep_no_activations, read_network, width_of

INPUT = "pretrained_tokens"
_BLOCK = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.")
"""How the names of an encoder's parameters tell the block that they are in."""


class PretrainedText(Network):
    """``pretrained_tokens`` through the encoder, pooled; columns beside it; linear.

    It is built empty from the encoder's configuration; before training it reads the encoder's weights.
    """

    prepares = True

    def __init__(
        self,
        spec: Spec,
        pooling: Literal["mean", "max", "first", "attention"],
        *,
        frozen: int = 0,
        decay: float = 1.0,
        head_rate: float = 1.0,
        dropout: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        told = spec.pretrained[INPUT]
        self.source: str = told["encoder"]
        self.padding = int(told["config"].get("pad_token_id") or 0)
        self.encoder = empty_network(told["config"])
        width = width_of(told["config"])
        self.first = pooling == "first"
        self.pooling = Pooling("mean" if pooling == "first" else pooling, width)
        self.dropout = Dropout(dropout)
        self.side = SideColumns(spec)
        self.output = nn.Linear(width + self.side.width, spec.outputs)
        self.decay, self.head_rate = decay, head_rate
        self.blocks = 1 + max(map(_block, dict(self.encoder.named_parameters())))
        if frozen > self.blocks:
            raise UserError(f"frozen_layers: the encoder has {self.blocks} blocks, got {frozen}")
        for name, parameter in self.encoder.named_parameters() if frozen else ():
            parameter.requires_grad_(_block(name) >= frozen)
        if checkpointing:
            keep_no_activations(self.encoder)

    def prepare(self, batch: Batch) -> None:
        """Read the encoder's weights from its folder. Raises UserError."""
        weights = read_network(find_encoder(self.source)).state_dict()
        own = self.encoder.state_dict()
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(weights[name])

    def rate_factors(self) -> Mapping[str, float]:
        found = {}
        for name, _ in self.named_parameters():
            inside = name.startswith("encoder.")
            # Parameters of no block are the embeddings, and so below the lowest one.
            depth = self.blocks - 1 - max(_block(name), 0)
            factor = self.decay**depth if inside else self.head_rate
            if factor != 1:
                found[name] = factor
        return found

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``pretrained_tokens`` int64 [batch, steps], ``numbers`` and ``categories`` where the spec has them -> output
        [batch, outputs]."""
        tokens = batch[INPUT]  # [batch, steps], 0 is padding
        mask = tokens != 0
        if self.padding:
            own = tokens.masked_fill(tokens == self.padding, 0)
            tokens = own.masked_fill(~mask, self.padding)
        steps = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state  # [batch, steps, width]
        features = steps[:, 0] if self.first else self.pooling(steps, mask)  # [batch, width]
        return self.output(self.side(self.dropout(features), batch)), None  # [batch, outputs]


def _block(name: str) -> int:
    """The block that a parameter is in; -1: none."""
    found = _BLOCK.search(name)
    return int(found[1]) if found else -1
