"""Small features of texts and images, for tests that know numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.schema import ColumnKind
from pipeline.images.column import images_of
from pipeline.images.small import image_traits

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def traits(values: pd.Series, kind: ColumnKind) -> dict[str, np.ndarray]:
    """By what they say, each float64 [rows]; of texts NaN where one is missing. None of other kinds."""
    if kind == "image":
        return image_traits(images_of(values))
    return _of_texts(values) if kind == "text" else {}


def _of_texts(values: pd.Series) -> dict[str, np.ndarray]:
    """How long a text is, how long its words are, and how much of it is capitals, digits and other marks."""
    import numpy as np

    there = values.notna().to_numpy()
    texts = values.astype("object").where(there, "").astype(str)
    letters = texts.str.len().to_numpy(dtype=float)
    words = texts.map(lambda text: len(text.split())).to_numpy(dtype=float)
    counts = {
        "capitals": texts.str.count(r"[A-Z]"),
        "digits": texts.str.count(r"\d"),
        "marks": texts.str.count(r"[^\w\s]"),
    }
    shares = {what: count.to_numpy(dtype=float) / np.maximum(letters, 1) for what, count in counts.items()}
    found = {"words": words, "letters a word": letters / np.maximum(words, 1), **shares}
    return {what: np.where(there, one, np.nan) for what, one in found.items()}
