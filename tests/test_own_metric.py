"""A metric of one's own, from its file to the score of a fold and the edit that runs it again."""

from __future__ import annotations

import pandas as pd
import pytest
from projects import small_competition

from pipeline.core.files import read_json
from pipeline.core.types import FOLD, ROW

METRIC = "pipeline/metrics/own/mine.py"


def test_it_scores_the_folds_and_an_edit_runs_again(project):
    (project.root / METRIC).write_text("def score(t, p):\n    return (t - p['prediction']).abs().mean()\n")
    metric = {"name": "file", "path": METRIC, "higher_is_better": False}
    project.params(
        {
            "competitions": {"toy": small_competition(metric=metric)},
            "models": {"toy-ridge": {"competition": "toy", "features": "numbers", "model": "ridge"}},
        }
    )
    project.repro("train@toy")
    cv = project.data("toy", "cv", "toy-ridge")
    rows = pd.read_parquet(project.data("toy", "rows", "train.parquet"))
    predicted = pd.read_parquet(cv / "predictions.parquet").set_index(ROW)["prediction"]
    for fold in read_json(cv / "scores.json")["folds"]:
        mask = rows[FOLD] == fold["fold"]
        assert fold["valid"] == pytest.approx((rows["y"] - predicted)[mask].abs().mean(), rel=1e-9)

    (project.root / METRIC).write_text("def score(t, p):\n    return 3.0\n")
    project.repro("train@toy")
    assert read_json(cv / "scores.json")["valid"] == 3.0
