"""What networks that read a text have in common, whatever they read it with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch, Spec
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.network import Network
from pipeline.models.layers.side_columns import SideColumns
from pipeline.models.layers.word_vectors import read_vectors
from pipeline.text.reserved import PAD, UNK


@dataclass(frozen=True)
class Words:
    """The words that a network begins with.

    width: of a word's vector. vectors: a file that many of them are read from before training, see
    ``word_vectors.py``; the weights of a trained network hold them. trained: whether they learn.
    """

    spec: Spec
    width: int
    vectors: Path | None = None
    trained: bool = True

    @property
    def count(self) -> int:
        return int(self.spec.sizes["tokens"])

    def begin(self, embedding: nn.Embedding | nn.EmbeddingBag) -> None:
        """Random vectors of expected length 1; nothing for padding, nor for unknown words, which may not occur in
        training: a vector by chance would then be what each new word says. (Six fits each of two networks on three
        sets, log loss 0.001 to 0.003 less.)"""
        nn.init.normal_(embedding.weight, std=self.width**-0.5)
        for index in (PAD, UNK):
            nn.init.zeros_(embedding.weight.data[index])
        embedding.weight.requires_grad_(self.trained)


class TextNetwork(Network):
    """``tokens`` to a text's features, numbers and categories beside them where there are some, linear.

    A text is padded at its end; an empty one is padding alone, and its features are zeros or what a network
    learned to say of it.
    """

    embedding: nn.Embedding | nn.EmbeddingBag

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words = words
        self.prepares = words.vectors is not None

    def finish(self, features: int, dropout: nn.Module) -> None:
        """What follows a text's features: dropout, columns beside them, the output layer."""
        self.dropout = dropout
        self.side = SideColumns(self.words.spec)
        self.output = nn.Linear(features + self.side.width, self.words.spec.outputs)

    def prepare(self, batch: Batch) -> None:
        """Read the words' vectors from their file. Raises UserError, see ``read_vectors``."""
        if self.words.vectors is None:
            return
        tokens = self.words.spec.vocabularies["tokens"]
        indices, vectors = read_vectors(self.words.vectors, tokens, self.words.width)
        weight = self.embedding.weight.detach()
        weight[indices.to(weight.device)] = vectors.to(weight)

    def read(self, tokens: Tensor) -> Tensor:
        """int64 [batch, steps], one step at least -> features [batch, features]."""
        raise NotImplementedError

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``tokens`` int64 [batch, steps], and ``numbers`` float32 [batch, p] and ``categories`` int64 [batch, k]
        where the spec has them -> output [batch, outputs]."""
        tokens = batch["tokens"]
        if tokens.shape[1] == 0:
            tokens = tokens.new_full((len(tokens), 1), PAD)  # nothing but empty texts
        features = self.dropout(self.read(tokens))  # [batch, features]
        return self.output(self.side(features, batch)), None  # [batch, outputs]


class WordDropout(nn.Module):
    """Some words are missing from a minibatch of training, wherever they stand in it (Gal and Ghahramani 2016, 4.2)."""

    def __init__(self, words: int, rate: float) -> None:
        super().__init__()
        self.words, self.dropout = words, Dropout(rate)

    def forward(self, vectors: Tensor, tokens: Tensor) -> Tensor:
        """Vectors [batch, steps, width] of tokens [batch, steps] -> the same shape."""
        if not self.training or not self.dropout.p:
            return vectors
        kept = self.dropout(torch.ones(self.words, device=vectors.device, dtype=vectors.dtype))  # [words]
        return vectors * kept[tokens].unsqueeze(-1)
