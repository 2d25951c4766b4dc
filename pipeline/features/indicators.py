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


class Indicators:
    """What rows are told apart by: bins and levels that the rows of both files settle, whatever file a row is of.

    train, test: typed rows. schema: its columns are looked at.
    """

    def __init__(self, train: pd.DataFrame, test: pd.DataFrame, schema: Schema) -> None:
        import pandas as pd

        numbers = schema.names("number")
        bins = max(1, min(BINS, WIDEST // max(len(numbers), 1)))
        self._kinds: dict[str, _Kind] = {}
        self.blocks: dict[str, np.ndarray] = {}
        """Of the training rows, then the test rows: by column, float32 [rows, features], each feature's mean 0."""
        for column in schema.columns:
            values = pd.concat([train[column.name], test[column.name]], ignore_index=True)
            if column.kind == "number":
                kind: _Kind = _Bins(values, bins)
            elif column.kind == "category":
                kind = _Levels(values)
            else:
                kind = _Pixels() if column.kind == "image" else _Words()
            made = kind.made(values)
            kind.settle(made)
            if kind.kept.any():
                self._kinds[column.name] = kind
                self.blocks[column.name] = kind.scaled(made)

    def of(self, rows: pd.DataFrame) -> np.ndarray:
        """Of any rows: float32 [rows, features], column after column."""
        import numpy as np

        return np.column_stack([kind.scaled(kind.made(rows[name])) for name, kind in self._kinds.items()])


def indicators(train: pd.DataFrame, test: pd.DataFrame, schema: Schema) -> dict[str, np.ndarray]:
    """By column, float32 [training and test rows, features], made of both alike."""
    return Indicators(train, test, schema).blocks


class _Kind:
    """Of one column: how its values become features, of which the constant ones are left out."""

    kept: np.ndarray
    centre: np.ndarray

    def made(self, values: pd.Series) -> np.ndarray:
        """[rows, features], constant ones too."""
        raise NotImplementedError

    def settle(self, made: np.ndarray) -> None:
        """By all rows, which features are kept and what is taken off them."""
        self.kept = (made != made[:1]).any(axis=0)
        self.centre = made[:, self.kept].mean(axis=0)

    def scaled(self, made: np.ndarray) -> np.ndarray:
        import numpy as np

        return (made[:, self.kept] - self.centre).astype(np.float32)


class _Bins(_Kind):
    """Indicators of quantiles, of values where they are few, and of missing ones; of one bin the rank."""

    def __init__(self, values: pd.Series, bins: int) -> None:
        import numpy as np

        numbers = values.to_numpy(dtype=float)
        self.known = np.sort(numbers[~np.isnan(numbers)])
        self.ranks = bins == 1 and len(self.known) > 0  # of hundreds of columns each has its rank alone
        cuts = np.linspace(0, 1, bins + 1)[1:-1]
        self.edges = np.unique(np.quantile(self.known, cuts)) if len(self.known) and bins > 1 else np.empty(0)

    def made(self, values: pd.Series) -> np.ndarray:
        import numpy as np

        numbers = values.to_numpy(dtype=float)
        missing = np.isnan(numbers)
        if self.ranks:
            sides = [np.searchsorted(self.known, numbers, side=side) for side in ("left", "right")]
            return np.where(missing, 1.0, np.add(*sides) / (2 * len(self.known)))[:, None]
        place = np.where(missing, len(self.edges) + 1, np.searchsorted(self.edges, numbers, side="right"))
        return np.eye(len(self.edges) + 2)[place]  # [rows, bins and missing]


class _Levels(_Kind):
    """Indicators of the most frequent levels, of missing values, and of all other levels."""

    def __init__(self, values: pd.Series) -> None:
        self.frequent = sorted(_texts(values).value_counts().index[:LEVELS].tolist())

    def made(self, values: pd.Series) -> np.ndarray:
        import numpy as np

        places = {level: i for i, level in enumerate(self.frequent)}
        place = _texts(values).map(places).fillna(len(self.frequent)).to_numpy(dtype=int)
        return np.eye(len(self.frequent) + 1)[place]  # [rows, levels and the others]


def _texts(values: pd.Series) -> pd.Series:
    return values.astype("object").where(values.notna(), "\0missing").astype(str)


class _Words(_Kind):
    """Which hashed words a text has, its number of words in bins."""

    lengths: _Bins | None = None

    def made(self, values: pd.Series) -> np.ndarray:
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
        counts = pd.Series([len(words) for words in texts], dtype=float)
        self.lengths = self.lengths or _Bins(counts, BINS)
        return np.column_stack([found, self.lengths.made(counts)])


class _Pixels(_Kind):
    """Small images and their traits, each of one spread."""

    spread: np.ndarray

    def made(self, values: pd.Series) -> np.ndarray:
        import numpy as np

        images = images_of(values)
        small = small_images(images, SIDE).reshape(len(images), -1)  # [rows, pixels and channels]
        return np.column_stack([small, *image_traits(images).values()])

    def settle(self, made: np.ndarray) -> None:
        spread = made.std(axis=0)
        self.kept, self.spread = spread > 0, spread[spread > 0]
        self.centre = made[:, self.kept].mean(axis=0)

    def scaled(self, made: np.ndarray) -> np.ndarray:
        import numpy as np

        return ((made[:, self.kept] - self.centre) * (SPREAD / self.spread)).astype(np.float32)
