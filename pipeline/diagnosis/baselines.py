"""Baselines: what an answer that looks at no column would score on the same folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence


def baseline(evidence: Evidence) -> dict[str, Any] | None:
    """``{"what", "folds": [score], "valid": their mean}`` of the constant answer that scores best, each learned from
    a fold's training rows; None for targets that no constant answers (texts). Of a language model, the constant is
    each token's share, whatever stands before it.
    """
    scored: list[dict[str, Any]] = []
    for what, constant in _constants(evidence).items():
        try:
            folds = [_score(evidence, k, constant) for k in sorted({*evidence.fold[evidence.fold >= 0].tolist()})]
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
    return {"the share of each label": _mean} if kind == "labels" else {}


def _score(evidence: Evidence, k: int, constant: Constant) -> float:
    import numpy as np
    import pandas as pd

    rows = evidence.target
    frame = rows.to_frame() if rows.ndim == 1 else rows
    training = evidence.competition.split.training_rows(evidence.fold, k)
    mask = evidence.fold == k
    answer = constant(frame[training], evidence)
    predictions = pd.DataFrame({name: np.broadcast_to(value, len(mask))[mask] for name, value in answer.items()})
    return float(evidence.competition.metric.score(rows[mask].reset_index(drop=True), predictions))


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
