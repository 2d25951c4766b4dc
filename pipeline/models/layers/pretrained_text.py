"""A pretrained encoder of texts as part of a network that trains it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
        self.head_rate = head_rate
        depths = layer_depths(self.encoder, self.source) if frozen or decay < 1 else {}
        blocks = max(depths.values(), default=0)
        if frozen > blocks:
            raise UserError(f"frozen_layers: the encoder has {blocks} blocks, got {frozen}")
        for name, parameter in self.encoder.named_parameters() if frozen else ():
            parameter.requires_grad_(depths[name] > frozen)
        # The top block has the full rate; embeddings, below the lowest one, have its rate.
        self.rates = {f"encoder.{name}": decay ** (blocks - max(depth, 1)) for name, depth in depths.items()}
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
        own = {name: self.head_rate for name, _ in self.named_parameters() if not name.startswith("encoder.")}
        return {name: rate for name, rate in {**self.rates, **own}.items() if rate != 1}

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``pretrained_tokens`` int64 [batch, steps], ``numbers`` and ``categories`` where the spec has them -> output
        [batch, outputs]."""
        mask = batch[INPUT] != 0  # [batch, steps]
        tokens = (batch[INPUT] - 1).masked_fill(~mask, self.padding)  # [batch, steps], the encoder's own indices
        steps = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state  # [batch, steps, width]
        features = steps[:, 0] if self.first else self.pooling(steps, mask)  # [batch, width]
        return self.output(self.side(self.dropout(features), batch)), None  # [batch, outputs]


def layer_depths(encoder: Any, where: str) -> dict[str, int]:
    """By parameter, the block it belongs to: i of the i-th, from 1, and 0 of what is below or beside all blocks, such
    as embeddings; a norm after the last block belongs to it.

    Raises UserError where an encoder has not one list of blocks: they share weights, or are spread over several.
    """
    count = encoder.config.num_hidden_layers
    lists = [
        name for name, module in encoder.named_modules() if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    if len(lists) != 1:
        raise UserError(
            f"the blocks of the encoder {where} cannot be told apart; leave out frozen_layers and layer_decay"
        )
    blocks = lists[0]
    children = [name for name, _ in encoder.named_children()]
    after = children[children.index(blocks.partition(".")[0]) + 1 :]
    depths = {}
    for name, _ in encoder.named_parameters():
        if name.startswith(f"{blocks}."):
            depths[name] = int(name.removeprefix(f"{blocks}.").partition(".")[0]) + 1
        else:
            depths[name] = count if name.partition(".")[0] in after else 0
    return depths
