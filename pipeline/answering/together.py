"""Translators that share their tokens, answering together: at each step of one search the mean of their
probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.core.paths import ModelPaths
from pipeline.core.types import FOLD, Encoded, Metric, Schema, Task
from pipeline.decoding.base import Hypothesis
from pipeline.decoding.steps import Mixture
from pipeline.training.device import reproducible
from pipeline.training.examples import Examples
from pipeline.training.network import FittedNetwork
from pipeline.training.predictor import Predictor
from pipeline.training.searching import searched

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def share(predictors: Sequence[Predictor]) -> bool:
    """Whether all are networks that read the same texts as the same tokens, and write the same ones."""
    first = predictors[0]
    return all(
        isinstance(one.fitted, FittedNetwork)
        and one.task.search is not None
        and one.features == first.features
        and one.encoder.state() == first.encoder.state()
        for one in predictors
    )


def predict_together(predictors: Sequence[Predictor], rows: pd.DataFrame) -> pd.DataFrame:
    """Typed rows to predictions, all predictors weighed alike. They must ``share`` their tokens."""
    first = predictors[0]
    raw = search_together(predictors, first.encoder.encode(rows), first.task)
    return first.task.predictions(raw, first.target, first.spec)


def search_together(predictors: Sequence[Predictor], inputs: Encoded, task: Task) -> list[list[Hypothesis]]:
    """Of each row what the task's search finds, as the first predictor's encoder has it."""
    if not share(predictors):
        raise ValueError("these predictors do not share their tokens")
    device = predictors[0].fitted.device  # type: ignore[attr-defined]
    steps = Mixture([one.fitted.steps() for one in predictors], [1.0] * len(predictors))
    with reproducible(device):
        return searched(steps, task, Examples(inputs, device))


def joint_frames(
    competition: str,
    schema: Schema,
    rows: pd.DataFrame,
    row: np.ndarray,
    alone: Mapping[str, pd.DataFrame],
    scores: Mapping[str, float],
    metric: Metric,
    most: int,
) -> dict[tuple[str, ...], pd.DataFrame]:
    """Out-of-fold predictions of models together: the best one that shares its tokens with others and the best of
    these, two, three and more of them. Each fold's rows are answered by that fold's own networks.

    rows: all typed training rows; row: int64 [predicted rows], those that are predicted, whose order the frames have.
    alone, scores: each model's own predictions of these rows, and their score. most: models together.
    """
    import pandas as pd

    order = sorted(scores, key=lambda name: -scores[name] if metric.higher_is_better else scores[name])
    folds = rows[FOLD].iloc[row]
    members = {
        name: {k: Predictor.load(ModelPaths(competition, name).tuned / "members" / str(k)) for k in folds.unique()}
        for name in order
    }
    first = members[order[0]]
    chosen = [order[0]]
    for leader in order:
        first = members[leader]
        chosen = [name for name in order if all(share([first[k], members[name][k]]) for k in first)]
        if len(chosen) > 1:
            chosen = [leader, *(name for name in chosen if name != leader)][:most]
            break
    asked = rows.drop(columns=list(schema.target_names)).iloc[row].reset_index(drop=True)
    found = {}
    for count in range(2, len(chosen) + 1):
        some = tuple(chosen[:count])
        parts = []
        for k in first:
            mine = asked[folds.to_numpy() == k]
            told = predict_together([members[name][k] for name in some], mine.reset_index(drop=True))
            parts.append(told.set_index(mine.index))
        told = pd.concat(parts).sort_index(kind="stable")
        found[some] = told.assign(**first[min(first)].task.target_logs_together([alone[name] for name in some]))
    return found
