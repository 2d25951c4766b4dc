"""A bag of embeddings for text classification."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.core.text import PAD
from pipeline.core.types import Batch
from pipeline.models.layers.network import Network


class BagOfEmbeddings(Network):
    """Mean embedding of the tokens that are not padding (a zero vector where there are none),
    dropout, linear (fastText: Joulin et al. 2016)."""

    def __init__(self, tokens: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(tokens, embedding, mode="mean", padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        nn.init.zeros_(self.embedding.weight.data[PAD])
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding, outputs)

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``tokens`` int64 [batch, steps] -> scores [batch, outputs]."""
        means = self.embedding(batch["tokens"])  # [batch, embedding]
        return self.output(self.dropout(means)), None
