"""Blocks of the Transformer (Vaswani et al. 2017; D2L 11.7).

Sequences are padded at their ends. In a decoder what is real never sees the padding after it, so that a
decoder needs no mask but the causal one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pipeline.models.layers.attention import MultiHeadAttention, causal
from pipeline.models.layers.members import Dropout

Norm = Literal["before", "after"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


@dataclass(frozen=True)
class Block:
    """The shape of a block. hidden: width of the position-wise layers' inside. rotary: see ``MultiHeadAttention``."""

    width: int
    heads: int
    hidden: int
    dropout: float = 0.0
    norm: Norm = "before"
    activation: str = "relu"
    rotary: bool = False

    def attention(self, rotary: bool = False) -> MultiHeadAttention:
        return MultiHeadAttention(self.width, self.heads, dropout=self.dropout, rotary=rotary)

    def around(self) -> AddNorm:
        return AddNorm(self.width, self.dropout, self.norm)

    def position_wise(self) -> PositionWise:
        return PositionWise(self.width, self.hidden, self.dropout, self.activation)

    def last(self) -> nn.Module:
        """What closes a stack of blocks: those that normalise before their layers leave the last sum as it is."""
        return nn.LayerNorm(self.width) if self.norm == "before" else nn.Identity()


KeysValues = tuple[Tensor, Tensor]
"""What attention looks at: each [batch, heads, steps, head width]."""


class AddNorm(nn.Module):
    """A layer with a way around it, normalised after the sum, as first published, or before the layer, which
    learns without a long warm-up (Xiong et al. 2020)."""

    def __init__(self, width: int, dropout: float, norm: Norm) -> None:
        super().__init__()
        self.norm, self.dropout, self.before = nn.LayerNorm(width), Dropout(dropout), norm == "before"

    def forward(self, inputs: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        """[batch, steps, width] -> the same shape."""
        if self.before:
            return inputs + self.dropout(layer(self.norm(inputs)))
        return self.norm(inputs + self.dropout(layer(inputs)))


class PositionWise(nn.Module):
    """The same two layers at each position (D2L 11.7.2)."""

    def __init__(self, width: int, hidden: int, dropout: float, activation: str = "relu") -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.activation, self.dropout = ACTIVATIONS[activation](), Dropout(dropout)
        for layer in (self.inner, self.outer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.inner(inputs)))  # [batch, steps, width] -> [batch, steps, hidden]
        return self.outer(hidden)  # [batch, steps, width]


class EncoderBlock(nn.Module):
    """Attention among all steps, then the position-wise layers, each with a way around it."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.attention, self.around_attention = block.attention(block.rotary), block.around()
        self.position_wise, self.around_position_wise = block.position_wise(), block.around()

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """[batch, steps, width], mask bool [batch, steps] of what is real -> [batch, steps, width]."""
        seen = self.around_attention(inputs, lambda steps: self.attention(steps, steps, mask))
        return self.around_position_wise(seen, self.position_wise)


class DecoderBlock(nn.Module):
    """Attention to what came before, to a memory where there is one, then the position-wise layers.

    memory: whether it attends to one (a translator does, a language model does not).
    """

    def __init__(self, block: Block, memory: bool = True) -> None:
        super().__init__()
        self.attention, self.around_attention = block.attention(block.rotary), block.around()
        self.memory_attention = block.attention() if memory else None
        self.around_memory = block.around() if memory else None
        self.position_wise, self.around_position_wise = block.position_wise(), block.around()

    def forward(
        self,
        inputs: Tensor,
        before: KeysValues | None = None,
        memory: KeysValues | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """All steps of a known sequence at once, or those that follow earlier ones.

        inputs [batch, steps, width]; before: keys and values of earlier steps; memory: as ``project`` of
        ``memory_attention`` gave them, mask bool [batch, memory steps] -> [batch, steps, width], and the keys
        and values of all steps so far.
        """
        begin = 0 if before is None else before[0].shape[2]
        kept: list[KeysValues] = []

        def attend(steps: Tensor) -> Tensor:
            asked, keys, values = self.attention.among(steps, begin)  # [batch, heads, steps, head width]
            if before is not None:
                # [batch, heads, earlier steps + steps, head width]
                keys, values = (torch.cat(pair, dim=2) for pair in zip(before, (keys, values), strict=True))
            kept.append((keys, values))
            alone = steps.shape[1] == 1  # the last step sees all that there is
            mask = None if alone or begin == 0 else causal(steps.shape[1], keys.shape[2], steps.device)
            return self.attention.look(asked, keys, values, mask, before=begin == 0 and not alone)

        seen = self.around_attention(inputs, attend)
        if self.memory_attention is not None and self.around_memory is not None:
            if memory is None:
                raise ValueError("this decoder block attends to a memory, and none is given")
            asked, (keys, values) = self.memory_attention, memory
            seen = self.around_memory(seen, lambda steps: asked.attend(steps, keys, values, memory_mask))
        return self.around_position_wise(seen, self.position_wise), kept[0]


class TransformerEncoder(nn.Module):
    """Encoder blocks on top of each other."""

    def __init__(self, layers: int, block: Block) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(block) for _ in range(layers))
        self.norm = block.last()

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """[batch, steps, width], mask bool [batch, steps] -> [batch, steps, width]."""
        for block in self.blocks:
            inputs = block(inputs, mask)
        return self.norm(inputs)


class TransformerDecoder(nn.Module):
    """Decoder blocks on top of each other.

    Its state is dicts and lists of tensors, lanes first: keys and values of what it was shown so far, and the
    memory's with its mask. ``start`` gives the first one, each call the next.
    """

    def __init__(self, layers: int, block: Block, memory: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DecoderBlock(block, memory) for _ in range(layers))
        self.norm = block.last()

    def start(self, memory: Tensor | None = None, mask: Tensor | None = None) -> dict[str, Any]:
        """The state before the first step. memory [batch, memory steps, width], mask bool [batch, memory steps];
        its keys and values are worked out here, once."""
        kept = [None if memory is None else block.memory_attention.project(memory) for block in self.blocks]  # type: ignore[union-attr, operator]
        return {"before": [None] * len(self.blocks), "memory": kept, "mask": mask}

    def forward(self, inputs: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """The next steps [batch, steps, width], as many as there are -> [batch, steps, width] and the next state."""
        before: list[KeysValues] = []
        for block, earlier, memory in zip(self.blocks, state["before"], state["memory"], strict=True):
            inputs, kept = block(inputs, earlier, memory, state["mask"])
            before.append(kept)
        return self.norm(inputs), {**state, "before": before}


def steps_before(state: dict[str, Any]) -> int:
    """How many steps a decoder's state holds: the position of the next one."""
    first = state["before"][0]
    return 0 if first is None else int(first[0].shape[2])
