"""Networks that predict the next token of a text.

Each reads a whole window at once (``forward``), and goes on a token at a time from a state, lanes first (``start``,
``step``): what ``decoding/`` searches over.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.network import Network
from pipeline.models.layers.positions import positions
from pipeline.models.layers.recurrent import LockedDropout, Recurrent
from pipeline.models.layers.transformer import Block, TransformerDecoder, steps_before


class LanguageNetwork(Network):
    """What recurrent and attending ones have in common."""

    scores: Scores

    def undecayed(self) -> set[str]:
        """The tokens' vectors, unless they are the output layer's weights too, and those of learned positions."""
        vectors = {"embedding.weight", "positions.weight"}
        return {
            name for name, one in self.named_parameters() if name in vectors and one is not self.scores.output.weight
        }

    def start(self, lanes: int) -> Any:
        """The state before the first token of so many texts."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One token a lane, int64 [lanes] -> scores of the next [lanes, tokens], and the next state."""
        scores, state = self.read(tokens.unsqueeze(1), state)  # [lanes, 1, tokens]
        return scores[:, -1], state

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Some tokens of each lane, int64 [lanes, steps] -> scores [lanes, steps, tokens], and the next state."""
        raise NotImplementedError


class Scores(nn.Module):
    """A score for every token that may come next. tied: the embedding's weights, behind a layer that brings features
    to their width where it is another. bias: whether each token has one."""

    def __init__(self, features: int, embedding: nn.Embedding | None, tokens: int, bias: bool = True) -> None:
        super().__init__()
        width = features if embedding is None else embedding.embedding_dim
        self.project = nn.Identity() if width == features else nn.Linear(features, width)
        self.output = nn.Linear(width, tokens, bias)
        if embedding is not None:
            self.output.weight = embedding.weight
            if bias:
                nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.output(self.project(features))  # [lanes, steps, features] -> [lanes, steps, tokens]


class RecurrentLanguageNetwork(LanguageNetwork):
    """Embedding or one-hot, recurrent layers, scores (D2L 9.5, 10.2)."""

    def __init__(
        self, tokens: int, embedding: int | None, recurrent: Recurrent, dropout: float, locked: bool, tied: bool
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.embedding = None if embedding is None else nn.Embedding(tokens, embedding)
        if self.embedding is not None and embedding is not None:
            nn.init.normal_(self.embedding.weight, std=embedding**-0.5)
        self.recurrent = recurrent
        self.dropout = LockedDropout(dropout) if locked else Dropout(dropout)
        self.scores = Scores(recurrent.hidden_size, self.embedding if tied else None, tokens)

    def forward(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Scores [lanes, steps, tokens] and the next state.

        batch: ``tokens`` int64 [lanes, steps] and, where the state goes on from an earlier window, ``fresh`` bool
        [lanes]: lanes that begin a text and forget theirs.
        """
        if state is not None and "fresh" in batch:
            fresh = batch["fresh"][:, None, None]
            parts = tuple(part.masked_fill(fresh, 0.0) for part in (state if isinstance(state, tuple) else (state,)))
            state = parts if isinstance(state, tuple) else parts[0]
        return self.read(batch["tokens"], state)

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        if self.embedding is None:
            vectors = nn.functional.one_hot(tokens, self.tokens).float()  # [lanes, steps, tokens]
        else:
            vectors = self.dropout(self.embedding(tokens))  # [lanes, steps, embedding]
        hidden, state = self.recurrent(vectors, state)  # [lanes, steps, hidden]
        return self.scores(self.dropout(hidden)), state  # [lanes, steps, tokens]

    def start(self, lanes: int) -> Any:
        return None


class TransformerLanguageNetwork(LanguageNetwork):
    """Embedding and positions, decoder blocks without a memory, scores (D2L 11.9.3)."""

    def __init__(
        self, tokens: int, layers: int, block: Block, position: str, longest: int, dropout: float, tied: bool
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, block.width)
        nn.init.normal_(self.embedding.weight, std=block.width**-0.5)
        self.scale = block.width**0.5
        self.positions = positions(position, block.width, longest)
        self.longest = longest if position == "learned" else None
        self.dropout = Dropout(dropout)
        self.decoder = TransformerDecoder(layers, block, memory=False)
        self.scores = Scores(block.width, self.embedding if tied else None, tokens)

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """``tokens`` int64 [lanes, steps] -> scores [lanes, steps, tokens]; no window remembers another."""
        return self.read(batch["tokens"], self.start(len(batch["tokens"])))[0], None

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        vectors = self.embedding(tokens) * self.scale  # [lanes, steps, width]
        steps = self.dropout(self.positions(vectors, steps_before(state)))
        steps, state = self.decoder(steps, state)  # [lanes, steps, width], keys and values so far
        return self.scores(steps), state  # [lanes, steps, tokens]

    def start(self, lanes: int) -> Any:
        return self.decoder.start()
