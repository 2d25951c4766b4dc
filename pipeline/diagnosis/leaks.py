"""What gives the target away, or lets a validation row be known beforehand."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence

PIECES = 50
"""Quantiles of a number whose target is averaged."""
CHANCE = 1e-6
"""Rows as a given one that chance may give in a table, for the row to be told by its values."""
LONG = 25
"""Characters from which two texts are not alike by chance."""
DIGITS = 3
"""Of numbers that count as near."""
MOST = 20_000_000
"""Values (rows times columns) up to which rows are compared with one column left out each."""


def unexplained(evidence: Evidence) -> dict[str, float]:
    """By column, the part of the target's variance, or of the errors that a constant answer makes, that this column
    alone leaves out of fold; of texts, which no bin holds, none. The best of several targets."""
    targets = evidence.target
    frames = [targets[name] for name in targets] if targets.ndim > 1 else [targets]
    if evidence.kind == "text":
        return {}
    found: dict[str, float] = {}
    for target in frames:
        for column in evidence.schema.columns:
            if column.kind != "text":
                left = _left_over(evidence.train[column.name], target, column.kind, evidence)
                found[column.name] = min(found.get(column.name, 1.0), left)
    return found


def _left_over(values: pd.Series, target: pd.Series, kind: str, evidence: Evidence) -> float:
    import numpy as np

    known = target.notna().to_numpy()
    values, target, fold = values[known], target[known], evidence.fold[known] % 5
    place = _pieces(values) if kind == "number" else values.astype(str).where(values.notna(), "\0").factorize()[0]
    if evidence.kind in ("number", "numbers"):
        truth = target.to_numpy(dtype=float)
        told = _by_others(place, fold, truth[:, None])[:, 0]
        spread = float(np.square(truth - truth.mean()).mean())
        left = float(np.square(truth - told).mean()) / spread if spread else 1.0
        if kind == "number" and values.nunique() > PIECES:
            from pipeline.diagnosis.order import trend

            there = values.notna().to_numpy()
            if there.mean() > 0.99:
                left = min(left, 1 - trend(truth[there], values[there].to_numpy(dtype=float))["rho"] ** 2)
        return left
    codes = target.astype(str).factorize(sort=True)[0]
    classes = np.eye(codes.max() + 1)[codes]
    told = _by_others(place, fold, classes).argmax(axis=1)
    wrong = 1 - classes.mean(axis=0).max()
    return float((told != codes).mean() / wrong) if wrong else 1.0


def _pieces(values: pd.Series) -> np.ndarray:
    """Which quantile, or value where they are few, each is in; the last one for missing ones."""
    import numpy as np

    numbers = values.to_numpy(dtype=float)
    there = ~np.isnan(numbers)
    if not there.any():
        return np.zeros(len(numbers), dtype=int)
    distinct = np.unique(numbers[there])
    edges = distinct[1:]
    if len(distinct) > PIECES:
        edges = np.unique(np.quantile(numbers[there], np.linspace(0, 1, PIECES + 1)[1:-1]))
    return np.where(there, np.searchsorted(edges, numbers, side="right"), len(edges) + 1)


def _by_others(place: np.ndarray, fold: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean [rows, targets] of the rows of the same place in other folds; of all others where there are none."""
    import numpy as np

    told = np.empty_like(truth)
    places = int(place.max()) + 1
    for k in np.unique(fold):
        here, there = fold == k, fold != k
        if not there.any():
            there = here
        counts = np.bincount(place[there], minlength=places)
        sums = np.stack([np.bincount(place[there], one, minlength=places) for one in truth[there].T], axis=1)
        means = (sums + truth[there].mean(axis=0) * 1e-3) / (counts + 1e-3)[:, None]
        told[here] = means[place[here]]
    return told


def duplicates(evidence: Evidence) -> dict[str, Any]:
    """Rows that stand again though their values are so rare that chance would not give them twice. ``folds``: the
    share of validated rows that stand in another fold too; ``test``: of test rows that stand among the training rows;
    each {"exact", "near"}, near being all values but one, or but for how they are written and rounded."""
    import numpy as np
    import pandas as pd

    train, columns = evidence.train, list(evidence.schema.columns)
    parts = [train] if evidence.test is None else [train, evidence.test]
    names = [column.name for column in columns]
    rows = pd.concat([part[names] for part in parts], ignore_index=True)
    if not names or len(rows) < 2:
        return {}
    of_test = np.arange(len(rows)) >= len(train)
    place = np.where(of_test, -2, np.concatenate([evidence.fold, np.full(of_test.sum(), -2)]))
    kinds: dict[str, str] = {column.name: column.kind for column in columns}
    exact = _again([_written(rows[name], kinds[name], near=False) for name in names], rows, kinds, place, leave=False)
    near = _again([_written(rows[name], kinds[name], near=True) for name in names], rows, kinds, place, leave=True)
    found = {}
    for what, mine in (("folds", place >= 0), ("test", of_test)):
        if mine.any():
            key = 0 if what == "folds" else 1
            found[what] = {
                "exact": float(exact[key][mine].mean()),
                "near": float((near[key] | exact[key])[mine].mean()),
                "rows": int(mine.sum()),
            }
    return found


def _written(values: pd.Series, kind: str, *, near: bool) -> np.ndarray:
    """A hash [rows] of each value. near: texts without case and marks, numbers of three digits."""
    import numpy as np
    import pandas as pd

    if kind == "number":
        numbers = values.to_numpy(dtype=float)
        if near:
            with np.errstate(divide="ignore", invalid="ignore"):
                size = np.where(numbers != 0, 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))), 1.0)
            numbers = np.round(numbers * size) / size
        return pd.util.hash_array(np.where(numbers == 0, 0.0, numbers))
    texts = values.astype("object").where(values.notna(), "\0").astype(str)
    if near:
        texts = texts.str.casefold().str.replace(r"[\W_]+", "", regex=True)
    return pd.util.hash_array(texts.to_numpy(dtype=object))


def _again(
    hashes: list[np.ndarray], rows: pd.DataFrame, kinds: dict[str, str], place: np.ndarray, *, leave: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row [rows] stands in another fold, and whether it stands among the training rows, it being no such
    row itself. leave: also with any one column left out, of three and more."""
    import numpy as np

    rare = _rarities(hashes, rows, kinds)
    whole, of_all = np.add.reduce([_mixed(one, i) for i, one in enumerate(hashes)]), np.add.reduce(rare)
    elsewhere, in_train = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    left: list[int | None] = [None]
    if leave and len(hashes) >= 3 and len(rows) * len(hashes) <= MOST:
        # Rows that differ in what nearly every row has another one of (a name) are two rows.
        left += [i for i, one in enumerate(hashes) if len(np.unique(one)) <= len(rows) / 2]
    for column in left:
        key = whole if column is None else whole - _mixed(hashes[column], column)
        chance = of_all if column is None else of_all - rare[column]
        _stand_again(key, chance + np.log(len(rows)) < np.log(CHANCE), place, elsewhere, in_train)
    return elsewhere, in_train


def _stand_again(
    key: np.ndarray, told: np.ndarray, place: np.ndarray, elsewhere: np.ndarray, in_train: np.ndarray
) -> None:
    """Mark rows whose key stands in another fold (``elsewhere``), or in any training row (``in_train``)."""
    import numpy as np

    rows = np.flatnonzero(told)
    _, group, counts = np.unique(key[rows], return_inverse=True, return_counts=True)
    rows, group = rows[counts[group] > 1], group[counts[group] > 1]
    if not len(rows):
        return
    groups, at = int(group.max()) + 1, place[rows]
    training = at != -2
    low, high = np.full(groups, np.iinfo(np.int64).max), np.full(groups, -3)
    np.minimum.at(low, group[training], at[training])
    np.maximum.at(high, group[training], at[training])
    spread = (low < high)[group]
    elsewhere[rows[training & spread]] = True
    in_train[rows[~training & (high > -3)[group]]] = True


def _mixed(hashes: np.ndarray, column: int) -> np.ndarray:
    """The same value in another column is another one."""
    import numpy as np

    return (hashes ^ np.uint64(0x9E3779B97F4A7C15 * (column + 1) % 2**64)) * np.uint64(0xBF58476D1CE4E5B9)


def _rarities(hashes: list[np.ndarray], rows: pd.DataFrame, kinds: dict[str, str]) -> list[np.ndarray]:
    """Of each column the logarithm [rows] of how often a row has such a value; never, of a long text. A column that
    says the same as another one (a code and its name) makes no row rarer."""
    import numpy as np
    import pandas as pd

    rarities, known = [], set()
    for one, name in zip(hashes, rows, strict=True):
        group, levels = pd.factorize(one)
        counts = np.bincount(group)
        rarity = np.log(counts[group] / len(one))
        if kinds[str(name)] == "text":
            lengths = rows[name].astype("object").where(rows[name].notna(), "").astype(str).str.len().to_numpy()
            rarity = np.where(lengths >= LONG, -100.0, rarity)
        same = (len(levels), zlib.crc32(group.tobytes()))
        rarities.append(np.zeros(len(one)) if same in known else rarity)
        known.add(same)
    return rarities


def groups(evidence: Evidence) -> dict[str, dict[str, float]]:
    """By column whose values stand for things with several rows: the share of validated rows whose thing other folds
    train on (``folds``), and of test rows whose thing is among the training rows (``test``)."""
    import numpy as np

    if evidence.test is None:
        return {}
    found = {}
    names = [*evidence.schema.names("category", "number"), *evidence.schema.keep]
    validated = evidence.fold >= 0
    for name in dict.fromkeys(names):
        if name not in evidence.train or name not in evidence.test:
            continue
        train, test = evidence.train[name], evidence.test[name]
        counts = train.value_counts()
        if len(counts) < 20 or not 2 <= counts.median() <= len(train) / 20 or not len(test.dropna()):
            continue
        folds_of = train.groupby(train).transform(_folds_that_train(evidence.fold, train))
        inside = folds_of.to_numpy(dtype=float)[validated & train.notna().to_numpy()]
        known = test.dropna().isin(counts.index)
        found[name] = {"folds": float(np.nanmean(inside)), "test": float(known.mean()), "values": float(len(counts))}
    return found


def _folds_that_train(fold: np.ndarray, values: pd.Series) -> Callable[[pd.Series], Any]:
    import pandas as pd

    places = pd.Series(fold, index=values.index)
    return lambda part: float(places[part.index].nunique() > 1)
