"""Pseudo-labels: what a fold's models say of the test rows, for another model of the same fold to learn from.

A fold's labels come of models that never saw its validation rows, blended by weights that other folds' rows chose, so
that scores of what learns from them stay honest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.answering.ensembles import weighing_metric
from pipeline.answering.out_of_fold import guarded
from pipeline.core.class_columns import predictions_of
from pipeline.core.combination import Combination, Library
from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import whole_folder
from pipeline.core.paths import CompetitionPaths
from pipeline.core.sections import Pseudo
from pipeline.core.types import FOLD, ROW, WEIGHT, Schema
from pipeline.training.cross_validation import test_file
from pipeline.training.pseudo_rows import labels_file

if TYPE_CHECKING:
    import pandas as pd

SURE = 0.95
"""How probable an answer must be where it is not said."""


def write_pseudo_labels(
    competition: CompetitionConfig, schema: Schema, pseudo: Pseudo, models: Mapping[str, Path], folder: Path
) -> str:
    """Write the labels of every fold, and of all, into ``folder``; gives a line that tells how many there are.

    models: whose answers, each with its folder of out-of-fold and test predictions.
    Raises UserError where no test row has a sure answer.
    """
    import pandas as pd

    task, paths = competition.task, CompetitionPaths(competition.name)
    table = pd.read_parquet(paths.train_rows, columns=[*schema.target_names, FOLD])
    fold = table[FOLD].to_numpy()
    row, frames = guarded({name: pd.read_parquet(cv / "predictions.parquet") for name, cv in models.items()}, fold)
    target, codec = schema.target_of(table), task.fit_target(schema.target_of(table), schema)
    metric = weighing_metric(competition.metric, task)
    library = Library(frames, target.iloc[row].reset_index(drop=True), task, codec, metric)
    folds = range(int(fold.max()) + 1)
    answers = {k: [pd.read_parquet(test_file(cv, k)) for cv in models.values()] for k in folds}
    counts = []
    with whole_folder(folder) as aside:
        for k in (*folds, None):
            others = (fold[row] != k).nonzero()[0]
            combination = _combination(competition, library.take(others) if len(others) else None, len(models))
            if k is None:
                shares = [1 / len(folds)] * len(folds)
                of_model = [task.average(list(one), shares, codec) for one in zip(*answers.values(), strict=True)]
            else:
                of_model = answers[k]
            labels = _labels(combination.predict(of_model, task, codec), schema, pseudo.above or SURE)
            counts.append(len(labels))
            if pseudo.weight != 1:
                labels[WEIGHT] = pseudo.weight
            labels.to_parquet(labels_file(aside, k), index=False)
        if not max(counts):
            sure = f"{pseudo.above or SURE:g}"
            raise UserError(f"fit.pseudo: no answer for a test row is as probable as {sure}; lower fit.pseudo.above")
    tests, some = len(answers[0][0]), f"{min(counts)} to " if min(counts) < max(counts) else ""
    return f"{some}{max(counts)} of {tests} test rows a fold"


def _combination(competition: CompetitionConfig, library: Library | None, models: int) -> Combination:
    """Weights that rows of other folds choose; equal ones where there are none."""
    if models == 1 or library is None:
        return Combination([1 / models] * models)
    return competition.blend.fit(library)


def _labels(predictions: pd.DataFrame, schema: Schema, above: float) -> pd.DataFrame:
    """``ROW`` and the target of the rows that are answered surely enough."""
    import numpy as np
    import pandas as pd

    names = list(schema.target_names)
    if schema.target_kind == "class":
        probabilities = predictions[[str(one) for one in schema.classes]].to_numpy()  # [rows, classes]
        row = np.flatnonzero(probabilities.max(axis=1) >= above)
        best = probabilities[row].argmax(axis=1)
        values = pd.DataFrame({names[0]: pd.Series([schema.classes[i] for i in best], dtype=_dtype(schema))})
    elif schema.target_kind == "classes":
        sure = pd.DataFrame({name: _sure(predictions_of(predictions, name), above) for name in names})
        row = np.flatnonzero(sure.notna().any(axis=1))
        values = sure.iloc[row]
    elif schema.target_kind == "labels":
        probabilities = predictions[names].to_numpy()  # [rows, labels]
        known = np.where(probabilities >= above, 1.0, np.where(probabilities <= 1 - above, 0.0, np.nan))
        row = np.flatnonzero(~np.isnan(known).all(axis=1))
        values = pd.DataFrame(known[row], columns=names)
    else:
        row = np.arange(len(predictions))
        values = predictions[names if schema.targets else ["prediction"]].set_axis(names, axis=1)
    return pd.concat([pd.DataFrame({ROW: row}), values.reset_index(drop=True)], axis=1)


def _sure(probabilities: pd.DataFrame, above: float) -> pd.Series:
    """The class of the rows that are answered surely enough, missing of others."""
    return probabilities.idxmax(axis=1).where(probabilities.max(axis=1) >= above).astype("str")


def _dtype(schema: Schema) -> str | type:
    return "str" if isinstance(schema.classes[0], str) else type(schema.classes[0])
