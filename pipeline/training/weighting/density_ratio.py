"""Weighting ``density_ratio``: importance weights for covariate shift (Shimodaira 2000; Sugiyama, Krauledat and Müller
2007; Dive into Deep Learning 4.7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, Schema
from pipeline.core.weighting.base import BothFiles, Weighting
from pipeline.training.weighting import weightings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.features.indicators import Indicators

FOLDS = 4
STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""Inverse penalties of the classifier, the stiffest first; that of the least log loss out of fold is taken."""
BEYOND_CHANCE = 2.0
"""Standard errors that the classifier's mean log loss must lie below that of the files' numbers of rows."""
AT_ONCE = 20_000
"""Rows that are weighed at a time."""


@weightings.register("density_ratio")
@settings
class DensityRatio(Weighting):
    """How much more frequent rows like a training row are in the test file (Bickel et al. 2007): p / (1 - p) times the
    files' numbers of rows, p being the probability that a logistic regression on indicators of the columns gives it to
    be a test row. Each row's comes of a fit that did not see it; where no fit out of fold tells the files apart better
    than their numbers of rows do, by more than chance, all rows count alike.

    clip: no weight is above so many times the mean of all: few rows must not outvote all others.
    flattening: fits take the weights to this power: 1 is without bias, 0 is no weights, and between them fits are less
        at the mercy of few rows. Weighted scores take them as they are, and say which is best (Sugiyama et al. 2007).
    drop: columns that are not looked at, such as a date or a number that counts up: what tells files apart for certain
        leaves no rows alike.
    """

    clip: float = Field(default=10.0, gt=1)
    flattening: float = Field(default=1.0, gt=0, le=1)
    drop: tuple[str, ...] = ()

    def learn(self, files: BothFiles, training: np.ndarray) -> Encoded:
        """``weights`` float64 [training rows], ``auc`` [1] out of fold."""
        import numpy as np
        from sklearn.metrics import roc_auc_score

        from pipeline.features.indicators import Indicators, sampled

        schema = self._looked_at(files.schema)
        generator = np.random.default_rng(0)
        fold = generator.permutation(np.arange(len(files.train)) % FOLDS)  # [training rows]
        train, test = sampled(files.train.reset_index(drop=True), 0), sampled(files.test, 1)
        told_by = Indicators(train, test, schema)
        if not told_by.blocks:
            return {"weights": np.ones(len(files.train)), "auc": np.array([0.5])}
        features = np.column_stack(list(told_by.blocks.values()))  # [train and test rows, features]
        label = np.repeat([0, 1], [len(train), len(test)])
        of_row = np.concatenate([fold[train.index], generator.permutation(np.arange(len(test)) % FOLDS)])
        by_chance = _losses(np.full(len(label), np.log(len(test) / len(train))), label)
        best, gain, answers = None, np.zeros(len(label)), np.zeros(len(label))
        for strength in STRENGTHS:
            fits = [_classifier(strength).fit(features[of_row != k], label[of_row != k]) for k in range(FOLDS)]
            odds = np.empty(len(label))
            for k, fitted in enumerate(fits):
                odds[of_row == k] = fitted.decision_function(features[of_row == k])
            gained = by_chance - _losses(odds, label)
            if gained.mean() > gain.mean():
                best, gain, answers = fits, gained, odds
        auc = np.array([roc_auc_score(label, answers)])
        if best is None or gain.mean() < BEYOND_CHANCE * gain.std() / np.sqrt(len(gain)):
            return {"weights": np.ones(len(files.train)), "auc": auc}
        odds = _odds(best, told_by, files.train, fold)
        ratio = np.exp(odds - odds.max())  # its scale says nothing
        return {"weights": clipped(ratio, self.clip), "auc": auc}

    def _looked_at(self, schema: Schema) -> Schema:
        names = [column.name for column in schema.columns]
        for name in self.drop:
            if name not in names:
                hint = did_you_mean(name, names)
                raise UserError(f"fit.weights.drop: no column '{name}' that the feature set reads{hint}")
        return replace(schema, columns=tuple(column for column in schema.columns if column.name not in self.drop))

    def weights(self, learned: Encoded, files: BothFiles) -> np.ndarray:
        found: np.ndarray = learned["weights"]
        return found

    def flattened(self, weights: np.ndarray) -> np.ndarray:
        flat: np.ndarray = weights**self.flattening
        return flat

    def told(self, learned: Encoded, schema: Schema) -> Mapping[str, Any]:
        """How well the files are told apart out of fold, and as how many rows the weighted ones count."""
        from pipeline.core.weighting.importance import effective

        weights = learned["weights"]
        return {"auc": float(learned["auc"][0]), "effective": effective(weights), "largest": float(weights.max())}


def clipped(ratio: np.ndarray, most: float) -> np.ndarray:
    """Float64 [rows] of mean 1, the largest cut to one bound so that none is above ``most``. ratio: above 0, [rows]."""
    import numpy as np

    count = len(ratio)
    down = np.sort(ratio)[::-1]
    cut = np.arange(int(np.ceil(count / most)))  # how many are cut, less than a part of 1 / most
    left = ratio.sum() - np.append(0, np.cumsum(down))[cut]  # the sum of the others
    bound = left / (count / most - cut)  # so that it is ``most`` times the mean of all
    weights = np.minimum(ratio, bound[np.argmax(down[cut] <= bound)])
    even: np.ndarray = weights / weights.mean()
    return even


def _classifier(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300)


def _losses(odds: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Negative log-likelihoods [rows] of labels 0 and 1."""
    import numpy as np

    losses: np.ndarray = np.logaddexp(0.0, np.where(label == 1, -odds, odds))
    return losses


def _odds(fits: list[Any], told_by: Indicators, rows: pd.DataFrame, fold: np.ndarray) -> np.ndarray:
    """Log-odds of each training row to be a test row, by the fit that did not see it, float64 [rows]."""
    import numpy as np

    odds = np.empty(len(rows))
    for begin in range(0, len(rows), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        features, own = told_by.of(rows.iloc[part]), fold[part]
        of_each = np.stack([fitted.decision_function(features) for fitted in fits])  # [folds, rows]
        odds[part] = of_each[own, np.arange(len(own))]
    return odds
