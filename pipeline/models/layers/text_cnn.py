"""Convolutions over a text's words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.models.layers.members import Dropout
from pipeline.models.layers.text_network import TextNetwork, Words
from pipeline.text.reserved import PAD


class TextCNN(TextNetwork):
    """Kernels of some widths slide over the words; of each map the largest value anywhere in the text (Kim 2014).

    A window counts where it holds a word at least, so that also a text shorter than the kernel is seen whole, and
    the padding behind a text changes nothing. Maps of an empty text are 0.
    """

    def __init__(self, words: Words, widths: Sequence[int], maps: int, dropout: float) -> None:
        super().__init__(words)
        self.embedding = nn.Embedding(words.count, words.width, padding_idx=PAD)
        words.begin(self.embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(words.width, maps, width, padding=width - 1) for width in widths)
        self.finish(maps * len(widths), Dropout(dropout))

    def read(self, tokens: Tensor) -> Tensor:
        mask = tokens != PAD  # [batch, steps]
        vectors = self.embedding(tokens).transpose(1, 2).contiguous()  # [batch, embedding, steps]
        largest = []
        for convolution in self.convolutions:
            maps = convolution(vectors)  # [batch, maps, steps + width - 1]
            windows = nn.functional.pad(mask, (0, maps.shape[2] - mask.shape[1]))  # [batch, steps + width - 1]
            for shift in range(1, maps.shape[2] - mask.shape[1] + 1):
                windows[:, shift : shift + mask.shape[1]] |= mask
            maps = maps.masked_fill(~windows.unsqueeze(1), -torch.inf)
            # ReLU after the maximum is the maximum after ReLU, of fewer numbers.
            largest.append(maps.amax(2).relu())  # [batch, maps]
        return torch.cat(largest, dim=1)  # [batch, widths * maps]
