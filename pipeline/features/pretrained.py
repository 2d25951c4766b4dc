"""Texts as vectors of a pretrained encoder, which learns nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.tabular import Tabular
from pipeline.features.texts import read_texts
from pipeline.features.tokenized import refuse_longer
from pipeline.text.pretrained import CONFIG, files_of, find_encoder, width_of

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.features.embeddings import Embeddings


@features.register("pretrained")
@settings
class Pretrained(FeatureSet):
    """Text columns through a pretrained encoder with frozen weights (extra ``pretrained``; Devlin et al. 2019).

    Gives ``numbers`` float32 [rows, columns * width], the vectors of each text column side by side, and after them
    what ``numbers`` gives. Nothing is learned of the rows: all folds share one pass over the distinct texts.

    encoder: a folder that transformers saved, relative to the project or absolute; a name on the hub; or
        ``package:NAME``, an installed package that carries one.
    columns: text columns; all of them where it is left out.
    pooling: mean of a text's steps, or the first step (``cls``).
    maximum_length: pieces of a text, the encoder's specials counted. longer: what becomes of longer ones: cut at their
        end, or refused. batch_size: texts at once.
    numbers: settings of ``tabular`` for the other columns, which are left out without.
    """

    encoder: str
    columns: tuple[str, ...] | None = None
    pooling: Literal["mean", "cls"] = "mean"
    maximum_length: int = Field(default=128, ge=3)
    longer: Literal["cut", "refused"] = "cut"
    batch_size: int = Field(default=32, ge=1)
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
        return {file.name: file for file in files_of(find_encoder(self.encoder))}

    def reading(self, folder: Path) -> Pretrained:
        return replace(self, encoder=str(folder.absolute()))

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"numbers"}) | (self.numbers.gives if self.numbers else frozenset())

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> PretrainedEncoder:
        """Raises UserError where there is no text column, or no encoder of that name that may be read."""
        from pipeline.core.files import read_json

        names = schema.names("text") if self.columns is None else list(self.columns)
        if not names:
            raise UserError("features: pretrained needs a text column, and the schema has none")
        for name in names:
            read_texts(rows.iloc[:0], name, schema)
        config = read_json(find_encoder(self.encoder) / CONFIG)
        width = width_of(config)
        state: dict[str, Any] = {"columns": names, "width": width, "numbers": None}
        if self.numbers:
            state["numbers"] = self.numbers.fit(rows, schema, seed).state()
        return PretrainedEncoder(self, schema, state)

    def restore(self, state: Mapping[str, Any], schema: Schema) -> PretrainedEncoder:
        return PretrainedEncoder(self, schema, state)

    def facts(self, encoder: Any, rows: pd.DataFrame) -> dict[str, float]:
        """How many texts are cut, and how many pieces there are."""
        lengths = [length for found in encoder.lengths(rows).values() for length in found]
        return {"tokens": sum(lengths), "cut": sum(length > self.maximum_length for length in lengths)}


class PretrainedEncoder:
    """Made of its settings and its state alone; the encoder's weights are read when they are first wanted."""

    def __init__(self, settings: Pretrained, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings, self._schema, self._state = settings, schema, dict(state)
        self._others = settings.numbers.restore(state["numbers"], schema) if settings.numbers else None
        columns, width = state["columns"], state["width"]
        names = [f"{column} {i}" for column in columns for i in range(width)]
        self.reads: list[str] = list(columns)
        if self._others is None:
            self.spec = Spec(shapes={"numbers": (len(names),)}, names={"numbers": names})
        else:
            other = self._others.spec
            self.reads += [name for name in self._others.reads if name not in self.reads]
            names += other.names["numbers"]
            self.spec = replace(
                other,
                shapes={**other.shapes, "numbers": (len(names),)},
                names={**other.names, "numbers": names},
            )

    def state(self) -> dict[str, Any]:
        return self._state

    @cached_property
    def _embeddings(self) -> Embeddings:
        from pipeline.features.embeddings import Embeddings

        own = self._settings
        return Embeddings(find_encoder(own.encoder), own.pooling, own.maximum_length, own.batch_size)

    def lengths(self, rows: pd.DataFrame) -> dict[str, list[int]]:
        """Pieces of each whole text, by column."""
        pieces = self._embeddings.pieces
        return {name: pieces.lengths(read_texts(rows, name, self._schema)) for name in self._state["columns"]}

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        """Typed rows -> ``numbers`` float32 [rows, columns * width + others]."""
        if self._settings.longer == "refused":
            for name, lengths in self.lengths(rows).items():
                refuse_longer(lengths, self._settings.maximum_length, name)
        blocks = [
            self._embeddings.encode(read_texts(rows, name, self._schema), self._state["width"])
            for name in self._state["columns"]
        ]
        encoded = self._others.encode(rows, training) if self._others is not None else {}
        if "numbers" in encoded:
            blocks.append(encoded["numbers"].astype(np.float32))
        return {**encoded, "numbers": np.concatenate(blocks, axis=1)}
