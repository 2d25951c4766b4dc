"""Columns that tell the target: how little of it is left to explain beside one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.schema import PROBABLE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.core.schema import ColumnKind
    from pipeline.diagnosis.evidence import Evidence

PIECES = 50
"""Quantiles of a number whose target is averaged."""
RARE, VOCABULARY = 5, 5000
"""Texts that a word stands in at least, and the most frequent words of these, to be looked at."""
SIDE = 8
"""Height and width, in pixels, of the images whose pixels are looked at."""


def unexplained(evidence: Evidence) -> dict[str, float]:
    """By column, the part of the target's variance, or of the errors that a constant answer makes, that this column
    alone leaves out of fold: by its bins or levels, an image by its best pixel, a text by one word a class. The best of
    several targets. Of a target that is a text: the part of the rows in which the column is another one; nothing of one
    that only counts."""
    if evidence.kind == "count":
        return {}
    targets = evidence.target
    frames = [targets[name] for name in targets] if targets.ndim > 1 else [targets]
    if evidence.kind == "text":
        target, names = targets.str.strip(), [one.name for one in evidence.schema.columns if one.kind == "text"]
        return {name: float((evidence.train[name].str.strip() != target).mean()) for name in names}
    found: dict[str, float] = {}
    for column in evidence.schema.columns:
        parts = _parts(evidence.train[column.name], column.kind)
        for target in frames:
            left = [_left_over(part, target, column.kind, evidence) for part in parts]
            found[column.name] = min([found.get(column.name, 1.0), *left])
    return found


def _parts(values: pd.Series, kind: ColumnKind) -> list[pd.Series]:
    """What is looked at by itself; of an image, pixels."""
    import pandas as pd

    if kind != "image":
        return [values]
    from pipeline.features.indicators import sampled
    from pipeline.images.column import images_of
    from pipeline.images.small import small_images

    some = sampled(values, 0)
    pixels = small_images(images_of(some), SIDE).reshape(len(some), -1)  # [rows, pixels]
    return [pd.Series(one, index=some.index) for one in pixels.T]


def _left_over(values: pd.Series, target: pd.Series, kind: ColumnKind, evidence: Evidence) -> float:
    import numpy as np

    known = target.loc[values.index].notna().to_numpy()
    values = values[known]
    target, fold = target.loc[values.index], evidence.fold[values.index] % 5
    if kind == "text":
        return _by_words(values, target, fold) if evidence.kind in PROBABLE else 1.0
    kind = "number" if kind == "image" else kind
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


def _by_words(values: pd.Series, target: pd.Series, fold: np.ndarray) -> float:
    """Mistakes where each class is told by the one word, chosen in other folds, that stands in most of its texts and in
    fewest others, as part of a constant answer's mistakes."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer

    codes, levels = target.astype(str).factorize(sort=True)
    truth = np.eye(len(levels))[codes]  # [rows, classes]
    constant = 1 - truth.mean(axis=0).max()
    found = CountVectorizer(token_pattern=r"\S+", binary=True, min_df=min(RARE, len(values)), max_features=VOCABULARY)
    texts = values.astype("object").where(values.notna(), "").astype(str)
    if not constant or not texts.str.strip().any():
        return 1.0
    try:
        has = found.fit_transform(texts).tocsr()  # [rows, words]
    except ValueError:
        return 1.0  # no word stands in so many texts
    wrong = 0
    for k in np.unique(fold):
        here, there = fold == k, fold != k
        inside = has[there].T @ truth[there]  # [words, classes]
        telling = (2 * inside - inside.sum(axis=1, keepdims=True)).argmax(axis=0)  # [classes]
        sure = inside[telling, range(len(levels))] / np.maximum(inside[telling].sum(axis=1), 1)
        told = has[here][:, telling].toarray() * sure  # [rows, classes]
        usual = truth[there].sum(axis=0).argmax()
        wrong += int((np.where(told.any(axis=1), told.argmax(axis=1), usual) != codes[here]).sum())
    return wrong / len(codes) / constant
