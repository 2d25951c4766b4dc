"""Rows as indicators of bins, levels and words, and small images: what simple models tell two files, or classes, apart
by. None of it looks at which file a row is of."""

from __future__ import annotations

import zlib
from math import prod
from typing import TYPE_CHECKING, Any

from pipeline.core.types import Schema
from pipeline.images.column import images_of, is_images
from pipeline.images.small import image_traits, small_images

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAMPLE, BYTES = 20_000, 1 << 30
"""Rows of each file at most, and pixels."""
BINS, LEVELS, WORDS, WIDEST = 8, 30, 256, 800
"""Of a number, of a column of categories, of a column of texts, and of all together."""
SIDE, SPREAD = 8, 0.3
"""Height and width of small images, in pixels, and how far apart these are made to lie, as indicators do."""


def sampled(rows: Any, seed: int) -> Any:
    """At most ``SAMPLE`` of them, fewer of large images, in their order. rows: a table, or a column."""
    import numpy as np

    columns = [rows] if rows.ndim == 1 else [rows[name] for name in rows]
    pixels = sum(prod(images_of(one).shape_of_one) for one in columns if is_images(one))
    most = min(SAMPLE, BYTES // pixels) if pixels else SAMPLE
    if len(rows) <= most:
        return rows
    return rows.iloc[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def indicators(train: pd.DataFrame, test: pd.DataFrame, schema: Schema) -> dict[str, np.ndarray]:
    """By column, float32 [training and test rows, features], made of both alike."""
    import numpy as np
    import pandas as pd

    numbers = schema.names("number")
    bins = max(1, min(BINS, WIDEST // max(len(numbers), 1)))
    blocks = {}
    for column in schema.columns:
        values = pd.concat([train[column.name], test[column.name]], ignore_index=True)
        if column.kind == "number":
            block = _binned(values, bins)
        elif column.kind == "category":
            block = _levels(values)
        elif column.kind == "image":
            block = _pixels(values)
        else:
            block = _words(values)
        if block.shape[1]:
            blocks[column.name] = (block - block.mean(axis=0)).astype(np.float32)
    return blocks


def _binned(values: pd.Series, bins: int) -> np.ndarray:
    """Indicators of quantiles, of values where they are few, and of missing ones."""
    import numpy as np

    numbers = values.to_numpy(dtype=float)
    known = numbers[~np.isnan(numbers)]
    cuts = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(known, cuts)) if len(known) and bins > 1 else np.empty(0)
    place = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right"))
    indicators = np.eye(len(edges) + 2)[place]  # [rows, bins and missing]
    if bins == 1 and len(known):  # of hundreds of columns each has its rank alone
        ranks = np.argsort(np.argsort(numbers, kind="stable"), kind="stable") / len(numbers)
        return np.column_stack([ranks])
    return indicators[:, indicators.any(axis=0) & ~indicators.all(axis=0)]


def _levels(values: pd.Series) -> np.ndarray:
    """Indicators of the most frequent levels, of missing values, and of all other levels."""
    import numpy as np

    texts = values.astype("object").where(values.notna(), "\0missing").astype(str)
    frequent = texts.value_counts().index[:LEVELS].tolist()
    place = texts.map({level: i for i, level in enumerate(sorted(frequent))}).fillna(len(frequent)).to_numpy(dtype=int)
    indicators = np.eye(len(frequent) + 1)[place]  # [rows, levels and the others]
    return indicators[:, indicators.any(axis=0) & ~indicators.all(axis=0)]


def _words(values: pd.Series) -> np.ndarray:
    """Which hashed words a text has, its number of words in bins."""
    import numpy as np
    import pandas as pd

    texts = [str(text).casefold().split() for text in values.astype("object").where(values.notna(), "")]
    kept: dict[str, int] = {}
    found = np.zeros((len(texts), WORDS), dtype=np.float32)
    for row, words in enumerate(texts):
        for word in words:
            if word not in kept:
                kept[word] = zlib.crc32(word.encode("utf-8", "surrogatepass")) % WORDS
            found[row, kept[word]] = 1
    lengths = _binned(pd.Series([len(words) for words in texts], dtype=float), BINS)
    return np.column_stack([found[:, found.any(axis=0)], lengths])


def _pixels(values: pd.Series) -> np.ndarray:
    """Small images and their traits, each of one spread."""
    import numpy as np

    images = images_of(values)
    small = small_images(images, SIDE).reshape(len(images), -1)  # [rows, pixels and channels]
    told = np.column_stack([small, *image_traits(images).values()])
    spread = told.std(axis=0)
    return told[:, spread > 0] * (SPREAD / spread[spread > 0])
