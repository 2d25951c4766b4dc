"""Baselines: what an answer that learns nothing of any column would score on the same folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence

AS_IT_IS = " as it is"
FEW = 200
"""Validated rows of a fold by which one answer is chosen among texts, whose metrics take their time."""
LOOKED_AT = 5000
"""Targets at most among which the most typical one is looked for."""


def baseline(evidence: Evidence) -> dict[str, Any] | None:
    """``{"what", "folds": [score], "valid": their mean}`` of the constant answer that scores best, each learned from
    a fold's training rows. Of a text it may be the source as it is, and then ``constant`` is the same of the best
    constant answer; since metrics of texts take their time, both are chosen by ``FEW`` rows of each fold, and scored
    once. Of a language model, the constant is each token's share, whatever stands before it. None for targets and
    metrics that no such answer suits.
    """
    folds = sorted({*evidence.fold[evidence.fold >= 0].tolist()})
    found = {}
    for what, constant in _constants(evidence).items():
        try:
            found[what] = [_answers(evidence, k, constant) for k in folds]
        except (UserError, ValueError, ZeroDivisionError):
            continue  # numbers that have no logarithm
    if evidence.kind != "text":
        return _best(evidence, found)
    sides = [[what for what in found if what.endswith(AS_IT_IS) == copy] for copy in (True, False)]
    chosen = [_best(evidence, {what: found[what] for what in side}, FEW) for side in sides]
    copied, bare = (one and _best(evidence, {one["what"]: found[one["what"]]}) for one in chosen)
    if copied is None or (bare is not None and evidence.sign * (bare["valid"] - copied["valid"]) >= 0):
        return bare
    return {**copied, "constant": bare}


def _best(evidence: Evidence, found: dict[str, list[pd.DataFrame]], most: int | None = None) -> dict[str, Any] | None:
    """Of answers [rows of a fold] by what they are; by at most as many rows of each fold."""
    scored: list[dict[str, Any]] = []
    for what, answers in found.items():
        try:
            folds = [_score(evidence, one if most is None else one[:: -(-len(one) // most)]) for one in answers]
        except (UserError, ValueError, ZeroDivisionError):
            continue  # a metric that such an answer does not suit
        if all(score == score for score in folds):
            scored.append({"what": what, "folds": folds, "valid": fmean(folds)})
    return max(scored, key=lambda one: evidence.sign * one["valid"]) if scored else None


Constant = Callable[["pd.DataFrame", "Evidence"], dict[str, Any]]
"""Rows to learn from [rows, targets], with their places in the table, to the answer by column of predictions: the one
of all rows, or one of each row of the table."""


def _constants(evidence: Evidence) -> dict[str, Constant]:
    kind = evidence.kind
    if not evidence.competition.task.learns_target:
        return {"the share of each token": _unigram} if evidence.competition.task.of_tokens else {}
    if kind in ("number", "numbers"):
        return {"the mean": _mean, "the median": _median, "the mean of logarithms": _mean_of_logarithms}
    if kind == "class":
        return {"the share of each class": _shares}
    if kind == "classes":
        return {"the share of each class": _shares_of_several}
    if kind == "text":
        sources = [column.name for column in evidence.schema.columns if column.kind == "text"]
        copies = {f"{name}{AS_IT_IS}": partial(_copied, name) for name in sources}
        return {**copies, "the most common target": _most_common, "the most typical target": _most_typical}
    return {"the share of each label": _mean} if kind == "labels" else {}


def _answers(evidence: Evidence, k: int, constant: Constant) -> pd.DataFrame:
    """Of the rows that a fold validates, whose places are its index."""
    import numpy as np
    import pandas as pd

    rows = evidence.target
    frame = rows.to_frame() if rows.ndim == 1 else rows
    training = evidence.competition.split.training_rows(evidence.fold, k)
    places = np.flatnonzero(evidence.fold == k)
    answer = constant(frame[training], evidence)
    told = {name: np.broadcast_to(value, len(rows))[places] for name, value in answer.items()}
    return pd.DataFrame(told, index=places)


def _score(evidence: Evidence, answers: pd.DataFrame) -> float:
    target = evidence.target.iloc[answers.index].reset_index(drop=True)
    return float(evidence.competition.metric.score(target, answers.reset_index(drop=True)))


def _named(values: Any, evidence: Evidence) -> dict[str, float]:
    names = evidence.schema.targets or ("prediction",)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _mean(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    return _named(frame.astype(float).mean(), evidence)


def _median(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    return _named(frame.astype(float).median(), evidence)


def _mean_of_logarithms(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    import numpy as np

    values: np.ndarray = frame.to_numpy(dtype=float)
    if not (np.nan_to_num(values, nan=1.0) > 0).all():
        raise ValueError("logarithms need numbers above 0")
    return _named(np.exp(np.nanmean(np.log(values), axis=0)), evidence)


def _shares(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    counts = frame.iloc[:, 0].astype(str).value_counts(normalize=True)
    return {str(level): float(counts.get(str(level), 0.0)) for level in evidence.schema.classes}


def _shares_of_several(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    shares: dict[str, float] = {}
    for name, levels in zip(evidence.schema.targets, evidence.schema.target_classes, strict=True):
        counts = frame[name].value_counts(normalize=True)
        shares |= {class_column(name, level): float(counts.get(str(level), 0.0)) for level in levels}
    return shares


def _copied(name: str, frame: pd.DataFrame, evidence: Evidence) -> dict[str, Any]:
    return {"prediction": evidence.train[name].fillna("").astype(str).to_numpy(dtype=object)}


def _most_common(frame: pd.DataFrame, evidence: Evidence) -> dict[str, Any]:
    """Of equals the first one."""
    counts = Counter(frame.iloc[:, 0].dropna().astype(str))
    return {"prediction": max(counts, key=counts.__getitem__)}


def _most_typical(frame: pd.DataFrame, evidence: Evidence) -> dict[str, Any]:
    """The target that shares most with the others: by its words and pairs of words, or characters where nothing stands
    between words, the F1 of their shares in all targets, whose length is the mean one."""
    every = frame.iloc[:, 0].dropna().astype(str)
    texts = (every.sample(LOOKED_AT, random_state=0) if len(every) > LOOKED_AT else every).tolist()
    cut: Callable[[str], list[str]] = str.split if fmean(len(text.split()) for text in texts) >= 2 else list
    parts = {}
    for text in texts:
        tokens = cut(text)
        parts[text] = {*tokens, *pairwise(tokens)}
    counts = Counter(part for text in texts for part in parts[text])
    mean = fmean(len(parts[text]) for text in texts)
    return {
        "prediction": max(parts, key=lambda text: sum(counts[one] for one in parts[text]) / (len(parts[text]) + mean))
    }


def _unigram(frame: pd.DataFrame, evidence: Evidence) -> dict[str, Any]:
    """Each row's negative log-likelihood in nats, [rows of the table], by the counts of tokens in the rows to learn
    from, one more of each and of one never seen (Laplace). Tokens are what the target counts: words or characters,
    and each row's end."""
    from math import log

    texts = [column.name for column in evidence.schema.columns if column.kind == "text"]
    counted = evidence.target.to_numpy()
    written = evidence.train[texts[0]].fillna("").astype(str)
    for cut in (str.split, list):
        tokens = [[*cut(text), ""] for text in written]
        if [len(row) for row in tokens] == counted.tolist():
            break
    else:
        raise ValueError("the target counts neither words nor characters")
    counts = Counter(token for place in frame.index for token in tokens[place])
    total = counts.total() + len(counts) + 1
    return {"prediction": [sum(log(total / (counts[token] + 1)) for token in row) for row in tokens]}
