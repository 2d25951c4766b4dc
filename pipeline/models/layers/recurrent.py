"""A recurrent language model that carries its state from window to window."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.network import Network


class GruLanguageNetwork(Network):
    """Embedding, GRU, a score for every token that may come next (D2L 9.5, 10.2).

    tied: the output layer uses the embedding's own weights (Press and Wolf 2017).
    """

    def __init__(self, tokens: int, embedding: int, hidden: int, layers: int, dropout: float, tied: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding)
        nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        self.gru = nn.GRU(embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        # Tied, the embedding's weights serve a second time and lie in files once.
        self.output = None if tied else nn.Linear(hidden, tokens)
        self.project = nn.Linear(hidden, embedding) if tied and hidden != embedding else nn.Identity()

    def forward(self, batch: Batch, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scores [lanes, steps, tokens] and the next state [lanes, layers, hidden].

        batch: ``tokens`` int64 [lanes, steps] and, where the state goes on from an earlier
        window, ``fresh`` bool [lanes]: lanes that begin a document and forget theirs.
        """
        if state is not None:
            if "fresh" in batch:
                state = state.masked_fill(batch["fresh"][:, None, None], 0.0)
            state = state.transpose(0, 1).contiguous()  # [layers, lanes, hidden]
        hidden, state = self.gru(self.dropout(self.embedding(batch["tokens"])), state)  # [lanes, steps, hidden]
        hidden = self.dropout(hidden)
        if self.output is None:
            scores = nn.functional.linear(self.project(hidden), self.embedding.weight)  # [lanes, steps, tokens]
        else:
            scores = self.output(hidden)  # [lanes, steps, tokens]
        return scores, state.transpose(0, 1)  # [lanes, layers, hidden]
