"""Text columns as a few numbers: truncated SVD of their TF-IDF (latent semantic analysis,
Deerwester et al. 1990)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.features.packed import pack, unpack
from pipeline.features.terms import Terms, WeightedTerms
from pipeline.features.texts import read_texts

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema

WEAKEST = 1e-5
"""Share of the first singular value below which a component is rounding alone."""


@settings
class Texts(Terms):
    """Components of text columns, beside the numbers.

    columns: which; all text columns where it is left out. components: numbers a column.
    """

    columns: tuple[str, ...] | None = None
    components: int = Field(default=16, ge=1)

    def fit(self, rows: pd.DataFrame, schema: Schema, scaled: bool, seed: int) -> list[TextComponents]:
        """One for each column. Raises UserError for a column that is not there.

        scaled: centre the components, and divide all of a column by the largest deviation among
        them: they keep their proportions, so that the weak ones, mostly noise, stay small.
        """
        names = schema.names("text") if self.columns is None else self.columns
        return [self._fit_column(name, read_texts(rows, name, schema), scaled, seed) for name in names]

    def _fit_column(self, name: str, texts: list[str], scaled: bool, seed: int) -> TextComponents:
        terms, weights = self.fit_terms(texts)  # [rows, terms]
        count = min(self.components, weights.shape[1])
        directions = np.zeros((0, weights.shape[1]), dtype="float32")
        if count:
            from sklearn.utils.extmath import randomized_svd

            _, strengths, found = randomized_svd(weights.astype("float32"), count, n_iter=5, random_state=seed)
            directions = found[strengths > WEAKEST * strengths[0]]  # [components, terms]
        center, spread = np.zeros(len(directions)), 1.0
        if scaled and len(directions):
            found = weights @ directions.T  # [rows, terms] -> [rows, components]
            center, spread = found.mean(axis=0), float(found.std(axis=0).max())
        return TextComponents(
            {
                "name": name,
                "terms": terms.state,
                "directions": pack(directions.astype("float32")),
                "center": center.tolist(),
                "spread": spread or 1.0,
            }
        )


class TextComponents:
    """The fitted components of one text column. ``state`` is plain JSON values."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state
        self.name: str = state["name"]
        self._terms = WeightedTerms(state["terms"])
        self._directions = unpack(state["directions"])  # [components, terms]
        self.count = len(self._directions)

    def output_names(self) -> list[str]:
        return [f"{self.name} component {k + 1}" for k in range(self.count)]

    def compute(self, rows: pd.DataFrame) -> np.ndarray:
        """float64 [rows, components]. A missing text has no terms."""
        column = rows[self.name]
        texts = ["" if missing else str(text) for text, missing in zip(column, column.isna())]
        found = self._terms.weights(texts) @ self._directions.T  # [rows, terms] -> [rows, components]
        return (found - np.array(self.state["center"])) / self.state["spread"]
