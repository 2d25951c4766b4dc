"""Models compared where there is one fold: by parts of its rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel
from sklearn.metrics import root_mean_squared_error

from pipeline.diagnosis.comparison import compared
from pipeline.diagnosis.diagnose import blend_interval
from pipeline.metrics import metrics


def evidence(*errors: float, rows: int = 200) -> SimpleNamespace:
    """A holdout of as many rows behind 100 others, and a model for each size of its errors."""
    random = np.random.default_rng(0)
    target, metric = pd.Series(random.normal(size=100 + rows)), metrics.build("rmse", "metric")
    models = []
    for number, error in enumerate(errors):
        told = pd.DataFrame({"prediction": target[100:] + error * random.normal(size=rows)}).reset_index(drop=True)
        score = metric.score(target[100:].reset_index(drop=True), told)
        one = {"name": f"m{number}", "rows": np.arange(100, 100 + rows), "predictions": told, "valid": [score]}
        models.append(SimpleNamespace(**one, scores={"valid": score}))
    return SimpleNamespace(
        sign=-1,
        target=target,
        baseline=None,
        blend={"folds": []},
        models={one.name: one for one in models},
        ranked=sorted(models, key=lambda one: one.scores["valid"]),
        competition=SimpleNamespace(metric=metric),
    )


def test_on_one_fold_a_clear_lead_is_told_from_none():
    known = evidence(1.0, 1.01, 2.0)
    found = compared(known)
    best = known.models[found["best"]]
    assert "m2" not in found["tied"] and len(found["tied"]) == 1
    parts = np.array_split(np.random.RandomState(0).permutation(200), 10)
    truth = known.target[100:].to_numpy()
    for name, told in found["others"].items():
        scores = [
            [root_mean_squared_error(truth[some], model.predictions["prediction"].to_numpy()[some]) for some in parts]
            for model in (known.models[name], best)
        ]
        assert np.isclose(told["p"], ttest_rel(*scores).pvalue)
        assert told["interval"][0] < np.mean(np.subtract(*scores)) < told["interval"][1]


def test_a_score_is_not_promised_beyond_a_perfect_one_nor_below_the_worst():
    def told(metric, *folds):
        known = SimpleNamespace(metric=metrics.build(metric, "metric"))
        return blend_interval(SimpleNamespace(blend={"folds": list(folds)}, competition=known))

    low, high = told("accuracy", 0.9938, 0.9854, 0.9916)
    assert 0.97 < low < 0.98 and high == 1.0
    assert told("rmse", 0.1, 2.0, 0.3)[0] == 0.0 and told("rmse", 0.1, 2.0, 0.3)[1] > 2.0
    assert told("r2", 0.5, 0.51, 0.52)[1] < 1.0
    for metric in ("bleu", "accuracy", "bleu_chrf", "f1"):
        assert told(metric, 0.1, 0.6, 0.2)[0] == 0.0
    assert told("r2", 0.1, 0.6, 0.2)[0] < told("ter", 0.1, 0.6, 0.2)[0] == 0.0
    assert -1.0 < told("matthews", 0.1, 0.6, 0.2)[0] < 0.0
    assert told("kappa", -0.9, -0.4, -0.8)[0] == -1.0


def test_few_rows_or_equal_answers_tell_nothing():
    assert compared(evidence(1.0, 2.0, rows=12))["tied"] == ["m1"]
    same = evidence(1.0, 1.0)
    same.models["m1"].predictions = same.models["m0"].predictions
    assert [one["p"] for one in compared(same)["others"].values()] == [1.0]
