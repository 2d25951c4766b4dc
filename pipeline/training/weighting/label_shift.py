"""Weighting ``label_shift``: the shares of the classes in the test file, estimated and answered for (Lipton, Wang and
Smola 2018; Saerens, Latinne and Decaestecker 2002; Dive into Deep Learning 4.7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, Schema
from pipeline.core.weighting.base import BothFiles, Weighting
from pipeline.core.weighting.shares import STABLE, estimated
from pipeline.training.weighting import weightings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDS = 4
MOST = 5_000
"""Training rows that the classifier learns from."""
SURE = 0.05
"""How improbable by chance a difference of the answers must be to be taken for one of the classes' shares."""
STRENGTH = 0.1
"""Inverse penalty of the classifier. Its mistakes are counted, so that any will do."""


@weightings.register("label_shift")
@settings
class LabelShift(Weighting):
    """Classes count as their share in the test file is to that in the training file, by black-box shift estimation: of
    a logistic regression on indicators of the columns, how often it takes which class for which is counted out of fold,
    and solved for the shares that explain its answers for the test rows; where these are distributed as those out of
    fold are, as far as one can tell, the shares stay. Holds where classes are more or less frequent and rows of one
    class are alike in both files. Each fold estimates the shares by its own training rows.

    apply: to probabilities, multiplied by the ratio of the shares after a fit as ever; or to training, as weights of
        rows in the fit, for models too plain to do well on all classes at once.
    clip: the largest ratio, and 1 over it the smallest.
    """

    by_class: ClassVar[bool] = True

    apply: Literal["probabilities", "training"] = "probabilities"
    clip: float = Field(default=10.0, gt=1)

    @property
    def weighs(self) -> bool:
        return self.apply == "training"

    def learn(self, files: BothFiles, training: np.ndarray) -> Encoded:
        """``ratios`` and ``shares`` (of the training rows) float64 [classes]."""
        import numpy as np

        from pipeline.features.indicators import Indicators, sampled

        codes = classes_of(files)
        count = len(files.schema.classes)
        shares = np.bincount(codes[training], minlength=count) / len(training)
        if len(files.schema.columns) == 0 or (shares > 0).sum() < 2:
            raise UserError("fit.weights: label_shift needs columns to tell classes by, and rows of two of them")
        generator = np.random.default_rng(0)
        if len(training) > MOST:
            training = np.sort(generator.choice(training, MOST, replace=False))
        train, test = files.train.iloc[training].reset_index(drop=True), sampled(files.test, 1)
        told_by = Indicators(train, test, files.schema)
        if not told_by.blocks:
            raise UserError("fit.weights: all columns are constant, and tell no class from another; take it out")
        features = np.column_stack(list(told_by.blocks.values()))  # [train and test rows, features]
        of_train, of_test = features[: len(train)], features[len(train) :]
        label, fold = codes[training], np.empty(len(train), dtype=int)
        fold[np.lexsort((generator.random(len(train)), label))] = np.arange(len(train)) % FOLDS  # of each class a part
        told, asked = np.zeros((len(train), count)), np.zeros((len(test), count))
        for k in range(FOLDS):
            fitted = _fitted(of_train[fold != k], label[fold != k])
            told[fold == k] = _probabilities(fitted, of_train[fold == k], count)
            asked += _probabilities(fitted, of_test, count) / FOLDS
        there = np.bincount(label, minlength=count) > 0
        if alike(told[:, there], asked[:, there]):
            return {"ratios": np.ones(count), "shares": shares}
        joint = np.zeros((count, count))
        np.add.at(joint.T, label, told)  # [answer, class]
        mistakes = joint[np.ix_(there, there)]
        if np.linalg.cond(mistakes / len(train)) > STABLE * count:
            raise UserError(
                "fit.weights: a simple model does not tell the classes apart well enough to say what shares they have "
                "in the test file; take label_shift out"
            )
        ratios, found = np.ones(count), estimated(mistakes, asked.sum(axis=0)[there])
        ratios[there] = np.clip(found / shares[there], 1 / self.clip, self.clip)
        return {"ratios": ratios, "shares": shares}

    def weights(self, learned: Encoded, files: BothFiles) -> np.ndarray:
        of_row: np.ndarray = learned["ratios"][classes_of(files)]
        return of_row

    def ratios(self, learned: Encoded) -> np.ndarray | None:
        return None if self.weighs else learned["ratios"]

    def told(self, learned: Encoded, schema: Schema) -> Mapping[str, Any]:
        """The shares of the classes in the training rows, and what they are taken for in the test rows."""
        test = learned["ratios"] * learned["shares"]
        pairs = zip(learned["shares"].tolist(), (test / test.sum()).tolist(), strict=True)
        named = zip(map(str, schema.classes), pairs, strict=True)
        return {"classes": {level: {"train": train, "test": estimate} for level, (train, estimate) in named}}


def classes_of(files: BothFiles) -> np.ndarray:
    """Of each training row the place of its class in the schema, int64 [rows]."""
    places = {str(level): i for i, level in enumerate(files.schema.classes)}
    return files.train[files.schema.target].astype(str).map(places).to_numpy(dtype="int64")


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two samples of probabilities, [rows, classes] each, are of one mean as far as one can tell (Welch's test
    of each class, corrected for their number)."""
    import numpy as np
    from scipy.stats import ttest_ind

    chance = ttest_ind(first, second, axis=0, equal_var=False).pvalue  # [classes]
    return bool(np.nanmin(chance, initial=1.0) * first.shape[1] > SURE)


def corrected(predictions: pd.DataFrame, ratios: np.ndarray | None) -> pd.DataFrame:
    """Probabilities, a column a class, for other shares of the classes than they were learned from (Saerens et al.
    2002, equation 4). ratios: of the shares, [classes]; None: the same."""
    if ratios is None:
        return predictions
    moved = predictions * ratios
    return moved.div(moved.sum(axis=1), axis=0)


def _fitted(features: np.ndarray, label: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTH, max_iter=300).fit(features, label)


def _probabilities(fitted: Any, features: np.ndarray, count: int) -> np.ndarray:
    """[rows, classes], 0 of classes that the fit has not seen."""
    import numpy as np

    found = np.zeros((len(features), count))
    found[:, fitted.classes_] = fitted.predict_proba(features)
    return found
