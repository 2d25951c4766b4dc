"""Texts and categories as a bag of weighted terms, for linear models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged, smallest_type
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.categories import Levels
from pipeline.features.tabular import Tabular
from pipeline.features.terms import Terms, WeightedTerms
from pipeline.features.texts import read_texts
from pipeline.text.reserved import PAD, RESERVED

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse


def _without_categories(raw: Any) -> Any:
    """``categories: none`` unless it is given."""
    return {"categories": "none", **raw} if isinstance(raw, Mapping) else raw


@features.register("tfidf")
@settings
class Tfidf(Terms, FeatureSet):
    """TF-IDF of text columns, with a term for each level of category columns, weight 1 (missing is a
    level of its own).

    Gives ``tokens`` (from 1) and ``weights`` (float32), ragged and of the same lengths: a sparse matrix row by row.
    With ``numbers`` also those.

    columns: text columns, each with terms of its own; all of them where it is left out.
    categories: whether category columns are read. rare: their levels seen fewer times than this are one.
    numbers: settings of ``tabular`` for the number columns, which are left out without; categories
        are terms unless it says otherwise.
    maximum_length: of a row with more terms, the heaviest are kept.
    """

    columns: tuple[str, ...] | None = None
    categories: bool = True
    rare: int = Field(default=0, ge=0)
    numbers: Annotated[Tabular | None, BeforeValidator(_without_categories)] = None
    maximum_length: int = Field(default=2048, ge=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.numbers and (self.numbers.statistics != "training" or "categories" in self.numbers.gives):
            raise ValueError("numbers takes neither statistics: train_and_test nor native categories")

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"tokens", "weights"} | ({"numbers"} if self.numbers else set()))

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TfidfEncoder:
        """Raises UserError where there is no column to read, or none of a name given."""
        names = schema.names("text") if self.columns is None else list(self.columns)
        categories = [name for name in schema.names("category") if self.categories and name not in names]
        if not names and not categories:
            raise UserError("features: tfidf needs a text or category column, and the schema has neither")
        texts, counts = [], np.zeros(len(rows), dtype=np.int64)
        for name in names:
            terms, weights = self.fit_terms(read_texts(rows, name, schema))
            texts.append({"name": name, "terms": terms.state})
            counts += np.diff(weights.indptr)  # terms in each row
        levels = [Levels.fit(name, rows[name], self.rare).state for name in categories]
        richest = int(counts.max(initial=0)) + len(levels)
        length = max(1, min(richest, self.maximum_length))  # says how much memory rows take; a new one may be richer
        state: dict[str, Any] = {"texts": texts, "levels": levels, "length": length, "numbers": None}
        if self.numbers and self.numbers.finds(schema):
            state["numbers"] = self.numbers.fit(rows, schema, seed).state()
        return TfidfEncoder(self, schema, state)

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TfidfEncoder:
        return TfidfEncoder(self, schema, state)


class TfidfEncoder:
    """Made of its settings and its state alone."""

    def __init__(self, settings: Tfidf, schema: Schema, state: Mapping[str, Any]) -> None:
        self._schema, self._settings = schema, settings
        self._state = dict(state)
        self._texts = {one["name"]: WeightedTerms(one["terms"]) for one in state["texts"]}
        self._levels = [Levels(one) for one in state["levels"]]
        vocabulary = [f"{name}: {term}" for name, one in self._texts.items() for term in one.terms]
        vocabulary += [name for one in self._levels for name in one.output_names()]
        length = state["length"]
        shapes: dict[str, tuple[int, ...]] = {"tokens": (length,), "weights": (length,)}
        names: dict[str, list[str]] = {}
        self._numbers = None
        if settings.numbers:
            names["numbers"] = []
            if state["numbers"]:
                self._numbers = settings.numbers.restore(state["numbers"], schema)
                names["numbers"] = self._numbers.spec.names["numbers"]
            shapes["numbers"] = (len(names["numbers"]),)
        self.reads = [*self._texts, *(one.name for one in self._levels)]
        self.reads += self._numbers.reads if self._numbers else []
        self.spec = Spec(
            shapes=shapes,
            names=names,
            sizes={"tokens": len(vocabulary) + 1},
            vocabularies={"tokens": [RESERVED[PAD], *vocabulary]},
        )

    def state(self) -> dict[str, Any]:
        return self._state

    def matrix(self, rows: pd.DataFrame) -> scipy.sparse.csr_matrix:
        """float64 [rows, terms], terms as in the vocabulary without the padding."""
        from scipy.sparse import hstack

        blocks = [one.weights(read_texts(rows, name, self._schema)) for name, one in self._texts.items()]
        blocks += [_indicators(one.codes(rows[one.name]), one.size) for one in self._levels]
        return hstack(blocks, format="csr")

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        """Typed rows -> ``tokens`` and ``weights``, ragged and of the same lengths (and ``numbers``)."""
        matrix, length = self.matrix(rows), self._settings.maximum_length
        counts = np.diff(matrix.indptr)  # [rows]
        token, weight = matrix.indices + 1, matrix.data
        if counts.max(initial=0) > length:
            row = np.repeat(np.arange(len(rows)), counts)  # [terms of all rows]
            heaviest = np.lexsort((token, -weight, row))
            at = np.arange(len(row)) - np.repeat(matrix.indptr[:-1], counts)  # place of each term in its row
            kept = heaviest[at < length]
            token, weight, counts = token[kept], weight[kept], np.minimum(counts, length)
        kind = smallest_type(0, self.spec.sizes["tokens"])
        encoded: Encoded = {
            "tokens": Ragged.from_lengths(token.astype(kind), counts.astype(np.int64)),
            "weights": Ragged.from_lengths(weight.astype(np.float32), counts.astype(np.int64)),
        }
        if self._numbers:
            encoded |= self._numbers.encode(rows, training)
        elif "numbers" in self.spec.shapes:
            encoded["numbers"] = np.zeros((len(rows), 0), dtype=np.float32)
        return encoded


def _indicators(codes: np.ndarray, size: int) -> scipy.sparse.csr_matrix:
    """int32 [rows], -1 for unseen levels -> float64 [rows, size]."""
    from scipy.sparse import csr_matrix

    seen = np.flatnonzero(codes >= 0)
    return csr_matrix((np.ones(len(seen)), (seen, codes[seen])), shape=(len(codes), size))
