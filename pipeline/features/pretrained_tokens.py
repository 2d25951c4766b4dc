"""Texts as tokens of a pretrained encoder, for a network that trains it on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.core.ragged import Ragged, smallest_type
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.tabular import Tabular
from pipeline.features.texts import read_texts
from pipeline.features.tokenized import refuse_longer
from pipeline.text.pretrained import CONFIG, TOKENIZER, Pieces, files_of, find_encoder

if TYPE_CHECKING:
    import pandas as pd

TOKENS = "pretrained_tokens"
CARRIED = (CONFIG, TOKENIZER)
"""What a saved model takes along; the weights are its own by then."""


@features.register(TOKENS)
@settings
class PretrainedTokens(FeatureSet):
    """A text column as ``pretrained_tokens``, ragged: what the encoder's own tokenizer makes of it, specials included
    (extra ``pretrained``). An index is the encoder's own and 1 more: 0 is padding, and none of a text's tokens is taken
    for it. With ``numbers`` also those, and categories.

    encoder: a folder that transformers saved, relative to the project or absolute; a name on the hub; or
        ``package:NAME``, an installed package that carries one. The model ``pretrained_encoder`` begins with its
        weights.
    maximum_length: tokens of a text, specials counted. longer: what becomes of longer ones: cut at their end, or
        refused.
    numbers: settings of ``tabular`` for the columns beside the text.
    """

    encoder: str
    column: str
    maximum_length: int = Field(default=128, ge=3)
    longer: Literal["cut", "refused"] = "cut"
    numbers: Tabular | None = None

    def __post_init__(self) -> None:
        if self.numbers and self.numbers.statistics != "training":
            raise ValueError("numbers does not take statistics: train_and_test")

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The encoder's files: what is fitted hangs on what stands in them."""
        return tuple(files_of(find_encoder(self.encoder)))

    @property
    def files(self) -> Mapping[str, Path]:  # type: ignore[override]
        folder = find_encoder(self.encoder, weights=False)
        return {name: folder / name for name in CARRIED}

    def reading(self, folder: Path) -> PretrainedTokens:
        from dataclasses import replace

        return replace(self, encoder=str(folder.absolute()))

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({TOKENS}) | (self.numbers.gives if self.numbers else frozenset())

    @property
    def by_row(self) -> bool:
        """Texts are cut by the encoder's own tokenizer, which learns nothing here."""
        return self.numbers is None

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> PretrainedTokensEncoder:
        """Raises UserError where there is no encoder of that name that may be read."""
        from pipeline.core.files import read_json

        read_texts(rows.iloc[:0], self.column, schema)
        config = read_json(find_encoder(self.encoder) / CONFIG)
        numbers = self.numbers.fit(rows, schema, seed).state() if self.numbers else None
        return PretrainedTokensEncoder(self, schema, {"config": config, "numbers": numbers})

    def restore(self, state: Mapping[str, Any], schema: Schema) -> PretrainedTokensEncoder:
        return PretrainedTokensEncoder(self, schema, state)

    def facts(self, encoder: Any, rows: pd.DataFrame) -> dict[str, float]:
        """How many texts are cut, and how many tokens there are; of pieces none to speak of is unknown."""
        lengths = encoder.pieces.lengths(read_texts(rows, self.column, encoder.schema))
        return {"tokens": sum(lengths), "cut": sum(length > self.maximum_length for length in lengths)}


class PretrainedTokensEncoder:
    """Made of its settings and its state alone; the tokenizer is read when it is first wanted."""

    def __init__(self, settings: PretrainedTokens, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings, self.schema, self._state = settings, schema, dict(state)
        self._numbers = settings.numbers.restore(state["numbers"], schema) if settings.numbers else None
        beside = self._numbers.spec if self._numbers else Spec()
        self.reads = [settings.column, *(self._numbers.reads if self._numbers else [])]
        self.spec = Spec(
            shapes={**beside.shapes, TOKENS: (settings.maximum_length,)},
            names=beside.names,
            sizes=beside.sizes,
            pretrained={TOKENS: {"encoder": settings.encoder, "config": state["config"]}},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    @cached_property
    def pieces(self) -> Pieces:
        return Pieces(find_encoder(self._settings.encoder, weights=False), self._settings.maximum_length)

    def indices(self, rows: pd.DataFrame) -> Ragged:
        own = self._settings
        texts = read_texts(rows, own.column, self.schema)
        if own.longer == "refused":
            refuse_longer(self.pieces.lengths(texts), own.maximum_length, own.column)
        lists = self.pieces.encode(texts)
        found = Ragged.from_lists(lists)
        shifted = (
            found.values.astype(smallest_type(0, max(self.pieces.count, int(found.values.max(initial=0)) + 1))) + 1
        )
        return Ragged(shifted, found.begins, found.ends)

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        encoded: Encoded = {TOKENS: self.indices(rows)}
        return encoded | self._numbers.encode(rows, training) if self._numbers else encoded
