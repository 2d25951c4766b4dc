"""A bag of embeddings for texts."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.models.layers.text_network import TextNetwork, Words
from pipeline.text.reserved import PAD


class BagOfEmbeddings(TextNetwork):
    """Mean embedding of the tokens that are not padding (a zero vector where there are none),
    dropout, linear (fastText: Joulin et al. 2016)."""

    def __init__(self, words: Words, dropout: float) -> None:
        super().__init__(words)
        self.embedding = nn.EmbeddingBag(words.count, words.width, mode="mean", padding_idx=PAD)
        words.begin(self.embedding)
        self.finish(words.width, nn.Dropout(dropout))

    def read(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)  # [batch, steps] -> [batch, width]
