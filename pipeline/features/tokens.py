"""Texts as sequences of token indices, with numbers and categories beside them where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core.columns import draw_of
from pipeline.core.ragged import Ragged
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, Encoder, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.tabular import Tabular
from pipeline.features.texts import read_texts
from pipeline.features.tokenized import Tokenized, refuse_longer
from pipeline.text.tokenizers.base import FittedTokenizer

if TYPE_CHECKING:
    import pandas as pd

RESERVED_INDICES = 2
"""Padding and unknown."""
PLAIN_WORDS = {"name": "words", "lower": True, "joins": False}


@features.register("tokens")
@settings
class Tokens(Tokenized):
    """A text column as ``tokens``, ragged; 0 is padding, 1 an unknown token. With ``numbers`` also those, and
    categories.

    tokenizer, vocabulary: see ``Tokenized``.
    maximum_length: tokens of a text. longer: what becomes of longer ones: cut at their end, or refused.
    numbers: settings of ``tabular`` for the columns beside the text.
    """

    maximum_length: int = Field(default=512, ge=1)
    longer: Literal["cut", "refused"] = "cut"
    numbers: Tabular | None = None

    def __post_init__(self) -> None:
        if self.numbers and self.numbers.statistics != "training":
            raise ValueError("numbers does not take statistics: train_and_test; vocabulary is of them too")
        if self.numbers and self.numbers.reads_target and self.vocabulary != "fold":
            raise ValueError(
                f"numbers reads the target, and vocabulary: {self.vocabulary} is of rows without theirs; "
                "use vocabulary: fold"
            )

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"tokens"}) | (self.numbers.gives if self.numbers else frozenset())

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TokensEncoder:
        """Raises UserError for a text that is longer than it may be, where those are refused."""
        fitted = self.tokenizer.fit(read_texts(rows, self.column, schema), seed, RESERVED_INDICES)
        numbers = self.numbers.fit(rows, schema, seed).state() if self.numbers else None
        return TokensEncoder(self, schema, {"tokenizer": fitted.state(), "numbers": numbers})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TokensEncoder:
        return TokensEncoder(self, schema, state)

    def facts(self, encoder: Encoder, rows: pd.DataFrame) -> dict[str, float]:
        """Of rows that it did not learn from: tokens, the share of unknown ones, and how many texts are cut."""
        if not isinstance(encoder, TokensEncoder):
            raise TypeError(f"not an encoder of tokens: {encoder!r}")
        whole = encoder.tokenizer.encode(read_texts(rows, self.column, encoder.schema))
        unknown = encoder.tokenizer.vocabulary.unknown_share(whole)
        cut = int((whole.lengths > self.maximum_length).sum())
        return {"tokens": int(whole.lengths.sum()), "unknown": unknown, "cut": cut}


class TokensEncoder:
    """Made of its settings and its state alone."""

    def __init__(self, settings: Tokens, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings, self.schema, self._state = settings, schema, dict(state)
        self.tokenizer: FittedTokenizer = settings.tokenizer.restore(state["tokenizer"])
        self._numbers = settings.numbers.restore(state["numbers"], schema) if settings.numbers else None
        beside = self._numbers.spec if self._numbers else Spec()
        vocabulary = self.tokenizer.vocabulary
        self.reads = [settings.column, *(self._numbers.reads if self._numbers else [])]
        self.spec = Spec(
            shapes={**beside.shapes, "tokens": (settings.maximum_length,)},
            names=beside.names,
            sizes={**beside.sizes, "tokens": len(vocabulary)},
            vocabularies={"tokens": vocabulary.tokens},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        texts = read_texts(rows, self._settings.column, self.schema)
        whole = self._shortened(self.tokenizer.encode(texts))
        encoded: Encoded = {"tokens": whole.compact()}
        if training is not None and self._settings.tokenizer.by_chance:
            for draw in range(self.tokenizer.draws):
                drawn = self._cut(self.tokenizer.encode(texts, sampling_seed=draw))
                encoded[draw_of("tokens", draw)] = drawn.compact()
        return encoded | self._numbers.encode(rows, training) if self._numbers else encoded

    def _shortened(self, tokens: Ragged) -> Ragged:
        if self._settings.longer == "refused":
            refuse_longer(tokens.lengths, self._settings.maximum_length, self._settings.column)
        return self._cut(tokens)

    def _cut(self, tokens: Ragged) -> Ragged:
        most = self._settings.maximum_length
        return Ragged(tokens.values, tokens.begins, np.minimum(tokens.ends, tokens.begins + most))
