"""Rows that stand again, in another fold or in the other file: the very same, or nearly."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.diagnosis.alike import alike_images, alike_texts, as_one
from pipeline.images.column import images_of
from pipeline.images.small import plain_images

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.core.schema import ColumnKind
    from pipeline.diagnosis.evidence import Evidence

CHANCE = 1e-6
"""Rows as a given one that chance may give in a table, for the row to be told by its values."""
NEVER = -100.0
"""Logarithm of how often chance gives it."""
LONG = 25
"""Characters from which two texts are not alike by chance."""
DIGITS = 3
"""Of numbers that count as near."""
MOST = 20_000_000
"""Values (rows times columns) up to which rows are compared with one column left out each."""

Sides: TypeAlias = "list[tuple[np.ndarray, np.ndarray]]"
"""Rows, of a fold or of the test file, and those that what answers them is trained on, bool [rows] each."""


def duplicates(evidence: Evidence) -> dict[str, Any]:
    """Rows that stand again though their values are so rare that chance would not give them twice. ``folds``: the
    share of validated rows that stand among those that their fold trains on; ``test``: of test rows that stand among
    the training rows; each {"exact", "near"}, near being all values but one, or but for how numbers are rounded, for a
    word of a text, for light and compression of an image."""
    import numpy as np
    import pandas as pd

    train, columns = evidence.train, list(evidence.schema.columns)
    parts = [train] if evidence.test is None else [train, evidence.test]
    names = [column.name for column in columns]
    rows = pd.concat([part[names] for part in parts], ignore_index=True)
    if not names or len(rows) < 2:
        return {}
    of_test = np.arange(len(rows)) >= len(train)
    none = np.zeros(of_test.sum(), dtype=bool)
    sides = [(np.concatenate([here, none]), np.concatenate([there, none])) for here, there in evidence.folds()]
    validated = np.any([here for here, _ in sides], axis=0)
    sides.append((of_test, ~of_test))
    kinds: dict[str, ColumnKind] = {column.name: column.kind for column in columns}
    exact = _again([_written(rows[name], kinds[name], near=False) for name in names], rows, kinds, sides, leave=False)
    near = _again([_written(rows[name], kinds[name], near=True) for name in names], rows, kinds, sides, leave=True)
    found = {}
    for what, mine in (("folds", validated), ("test", of_test)):
        if mine.any():
            found[what] = {
                "exact": float(exact[mine].mean()),
                "near": float((near | exact)[mine].mean()),
                "rows": int(mine.sum()),
            }
    return found


def _written(values: pd.Series, kind: ColumnKind, *, near: bool) -> np.ndarray:
    """A hash [rows] of each value. near: texts without case and marks, numbers of three digits, and texts and images
    that are nearly alike as one."""
    import numpy as np
    import pandas as pd

    if kind == "number":
        numbers = values.to_numpy(dtype=float)
        if near:
            with np.errstate(divide="ignore", invalid="ignore"):
                size = np.where(numbers != 0, 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))), 1.0)
            numbers = np.round(numbers * size) / size
        return pd.util.hash_array(np.where(numbers == 0, 0.0, numbers))
    if kind == "image":
        images = images_of(values)
        return as_one(images.digests(), alike_images(images)) if near else images.digests()
    texts = values.astype("object").where(values.notna(), "\0").astype(str)
    if near:
        plain = texts.str.casefold().str.replace(r"[\W_]+", "", regex=True)
        hashes = pd.util.hash_array(plain.to_numpy(dtype=object))
        return as_one(hashes, alike_texts(texts.tolist())) if kind == "text" else hashes
    return pd.util.hash_array(texts.to_numpy(dtype=object))


def _again(
    hashes: list[np.ndarray], rows: pd.DataFrame, kinds: dict[str, ColumnKind], sides: Sides, *, leave: bool
) -> np.ndarray:
    """Whether each row [rows] stands on its other side too. leave: also with any one column left out, of three and
    more."""
    import numpy as np

    rare = _rarities(hashes, rows, kinds)
    whole, of_all = np.add.reduce([_mixed(one, i) for i, one in enumerate(hashes)]), np.add.reduce(rare)
    again = np.zeros(len(rows), dtype=bool)
    left: list[int | None] = [None]
    if leave and len(hashes) >= 3 and len(rows) * len(hashes) <= MOST:
        # Rows that differ in what nearly every row has another one of (a name) are two rows.
        left += [i for i, one in enumerate(hashes) if len(np.unique(one)) <= len(rows) / 2]
    for column in left:
        key = whole if column is None else whole - _mixed(hashes[column], column)
        chance = of_all if column is None else of_all - rare[column]
        _stand_again(key, chance + np.log(len(rows)) < np.log(CHANCE), sides, again)
    return again


def _stand_again(key: np.ndarray, told: np.ndarray, sides: Sides, again: np.ndarray) -> None:
    """Mark in ``again`` the rows whose key stands on their other side."""
    import numpy as np

    rows = np.flatnonzero(told)
    _, group, counts = np.unique(key[rows], return_inverse=True, return_counts=True)
    rows, group = rows[counts[group] > 1], group[counts[group] > 1]
    if not len(rows):
        return
    for asked, known in sides:
        met = np.zeros(int(group.max()) + 1, dtype=bool)
        met[group[known[rows]]] = True
        again[rows[asked[rows] & met[group]]] = True


def _mixed(hashes: np.ndarray, column: int) -> np.ndarray:
    """The same value in another column is another one."""
    import numpy as np

    return (hashes ^ np.uint64(0x9E3779B97F4A7C15 * (column + 1) % 2**64)) * np.uint64(0xBF58476D1CE4E5B9)


def _rarities(hashes: list[np.ndarray], rows: pd.DataFrame, kinds: dict[str, ColumnKind]) -> list[np.ndarray]:
    """Of each column the logarithm [rows] of how often a row has such a value; never, of a long text and of an image
    that is not of one colour. A column that says the same as another one (a code and its name) makes no row rarer."""
    import numpy as np
    import pandas as pd

    rarities, known = [], set()
    for one, name in zip(hashes, rows, strict=True):
        group, levels = pd.factorize(one)
        counts = np.bincount(group)
        rarity = np.log(counts[group] / len(one))
        if kinds[str(name)] == "text":
            lengths = rows[name].astype("object").where(rows[name].notna(), "").astype(str).str.len().to_numpy()
            rarity = np.where(lengths >= LONG, NEVER, rarity)
        elif kinds[str(name)] == "image":
            rarity = np.where(plain_images(images_of(rows[name])), rarity, NEVER)
        same = (len(levels), zlib.crc32(group.tobytes()))
        rarities.append(np.zeros(len(one)) if same in known else rarity)
        known.add(same)
    return rarities
