"""The book's House Prices model (D2L 5.7): its features by pandas alone, its numbers by Podium."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Schema, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

DATA = Path(__file__).parents[3] / "shared" / "data" / "house_prices"
FOLDS = 5


def book_features():
    """D2L 5.7.4: numbers standardised over train and test together, missing ones 0, and
    indicators with missing as a level. float32 [training rows, 331], and the prices."""
    # keep_default_na: "None" is a level of MasVnrType, not a missing value.
    train, test = (pd.read_csv(DATA / f"{n}.csv", keep_default_na=False, na_values=["NA"]) for n in ("train", "test"))
    features = pd.concat([train.drop(columns=["Id", "SalePrice"]), test.drop(columns=["Id"])])
    numbers = features.select_dtypes("number").columns
    features[numbers] = features[numbers].apply(lambda column: (column - column.mean()) / column.std()).fillna(0)
    return pd.get_dummies(features, dummy_na=True).to_numpy(np.float32)[: len(train)], train["SalePrice"]


def log_rmse(prices, predictions):
    return float(np.sqrt(np.mean((np.log(np.maximum(predictions, 1)) - np.log(prices)) ** 2)))


@pytest.mark.skipif(not DATA.exists(), reason="needs the House Prices files")
def test_the_book_s_linear_model_gives_the_book_s_score():
    numbers, prices = book_features()
    assert numbers.shape == (1460, 331)
    learner = build_settings(
        learners.get("neural"), {"optimizer": "adam", "learning_rate": 5.0, "epochs": 100, "batch_size": 64}, "fit"
    )
    task = tasks.build("regression", "task")
    target = task.fit_target(prices, Schema(id="Id", target="SalePrice", columns=()))
    spec = Spec(shapes={"numbers": (331,)}, outputs=1)
    scores = []
    for fold, valid in enumerate(np.array_split(np.arange(len(prices)), FOLDS)):
        train = np.setdiff1d(np.arange(len(prices)), valid)
        encoded = {"numbers": numbers[train], "target": target.encode(prices.iloc[train])}
        fitted = learner.fit(FitJob(models.build("linear", "model"), task, spec, encoded, None, seed=fold))
        for rows in (train, valid):
            predictions = task.predictions(fitted.raw({"numbers": numbers[rows]}), target, spec)
            scores.append(log_rmse(prices.iloc[rows].to_numpy(), predictions["prediction"].to_numpy()))
    assert np.mean(scores[0::2]) == pytest.approx(0.165, abs=0.003)
    assert np.mean(scores[1::2]) == pytest.approx(0.170, abs=0.003)
