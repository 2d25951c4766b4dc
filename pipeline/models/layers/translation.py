"""Networks that turn a source text into a target text, token by token.

Each reads a whole known target at once (``forward``), and goes on a token at a time from a state, lanes first
(``start``, ``step``): what ``decoding/`` searches over. Sources and targets are padded at their ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.types import Batch
from pipeline.models.layers.language import Scores
from pipeline.models.layers.members import Dropout
from pipeline.models.layers.network import Network
from pipeline.models.layers.positions import positions
from pipeline.models.layers.transformer import Block, TransformerDecoder, TransformerEncoder, steps_before
from pipeline.text.reserved import PAD


class TranslationNetwork(Network):
    """What recurrent and attending ones have in common."""

    def forward(self, batch: Batch, state: None = None) -> tuple[Tensor, None]:
        """Scores [batch, steps, tokens] of what follows each token.

        batch: ``source`` int64 [batch, source steps], ``tokens`` int64 [batch, steps].
        """
        return self.read(batch["tokens"], self.start(batch))[0], None

    def start(self, batch: Batch) -> dict[str, Any]:
        """The state before the first token of each answer: the sources are read here, once."""
        raise NotImplementedError

    def step(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """One token a lane, int64 [lanes] -> scores of the next [lanes, tokens], and the next state."""
        scores, state = self.read(tokens.unsqueeze(1), state)  # [lanes, 1, tokens]
        return scores[:, -1], state

    def read(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Some tokens of each lane, int64 [lanes, steps] -> scores [lanes, steps, tokens], and the next state."""
        raise NotImplementedError

    @property
    def looking(self) -> nn.Module | None:
        """The layer by which targets look at sources; None: there is none."""
        return None

    @contextmanager
    def noting(self) -> Iterator[list[Tensor]]:
        """A mean over heads."""
        found: list[Tensor] = []
        if self.looking is None:
            yield found
            return

        def note(layer: nn.Module, given: tuple[Tensor, ...], _: Any) -> None:
            queries, keys, _, mask = given[:4]
            weights = layer.weights(queries, keys, mask)  # type: ignore[operator]
            # [batch, (heads,) steps, source steps] -> [batch, steps, source steps]
            found.append(weights if weights.ndim == 3 else weights.mean(1))

        hook = self.looking.register_forward_hook(note)
        try:
            yield found
        finally:
            hook.remove()

    @torch.inference_mode()
    def attention(self, batch: Batch) -> Tensor | None:
        """What each step of a known target looks at: [batch, steps, source steps]; None: it has no attention. Of a
        network that is not in training."""
        with self.noting() as found:
            self(batch)
        return torch.cat(found, dim=1) if found else None


class TransformerTranslator(TranslationNetwork):
    """Encoder blocks over the source, decoder blocks that attend to them, scores (Vaswani et al. 2017; D2L 11.7).

    source, target: how many tokens there are. tied: the output layer has the vectors of the target's tokens; ``joint``:
    these are the source's too.
    """

    def __init__(
        self,
        source: int,
        target: int,
        encoder_layers: int,
        decoder_layers: int,
        block: Block,
        position: str,
        longest: int,
        dropout: float,
        tied: bool,
        joint: bool,
    ) -> None:
        super().__init__()
        self.source = nn.Embedding(source, block.width)
        self.target = self.source if joint else nn.Embedding(target, block.width)
        for embedding in (self.source, self.target):
            nn.init.normal_(embedding.weight, std=block.width**-0.5)
        self.scale = block.width**0.5
        self.source_positions = positions(position, block.width, longest)
        self.target_positions = positions(position, block.width, longest)
        self.longest = longest if position == "learned" else None
        self.dropout = Dropout(dropout)
        self.encoder = TransformerEncoder(encoder_layers, block)
        self.decoder = TransformerDecoder(decoder_layers, block)
        self.scores = Scores(block.width, self.target if tied else None, target, bias=False)

    def start(self, batch: Batch) -> dict[str, Any]:
        mask: Tensor | None = batch["source"] != PAD  # [batch, source steps]
        vectors = self.source(batch["source"]) * self.scale  # [batch, source steps, width]
        if not self.training and mask is not None and bool(mask.all()):
            mask = None  # attention without one takes less time
        memory = self.encoder(self.dropout(self.source_positions(vectors)), mask)
        return self.decoder.start(memory, mask)

    def read(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        vectors = self.target(tokens) * self.scale  # [lanes, steps, width]
        steps = self.dropout(self.target_positions(vectors, steps_before(state)))
        steps, state = self.decoder(steps, state)  # [lanes, steps, width], keys and values so far
        return self.scores(steps), state  # [lanes, steps, tokens]

    @property
    def looking(self) -> nn.Module:
        """Of the last block, as it stands nearest to what is said."""
        return self.decoder.blocks[-1].memory_attention.attention  # type: ignore[union-attr, return-value]

    def undecayed(self) -> set[str]:
        """The tokens' vectors."""
        return {"source.weight", "target.weight"}
