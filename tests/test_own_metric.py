"""A metric of one's own, from its file to the score of a fold and the edit that runs it again."""

from __future__ import annotations

import pandas as pd
import pytest
from in_process import through
from projects import ROOT, Project, small_competition

from pipeline.core import code
from pipeline.core.files import read_json
from pipeline.core.types import FOLD, ROW
from pipeline.stages import check
from pipeline.stages.project import load_project

RUN_ANEW = {f"{stage}.json" for stage in ("train", "tune", "blend", "retrain", "submit", "report")}
METRIC = "pipeline/metrics/own/mine.py"


def test_it_scores_the_folds_and_an_edit_runs_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, PYTHONPATH=str(ROOT))  # the folder of the metric is no package, and must hide none
    (tmp_path / METRIC).parent.mkdir(parents=True)
    (tmp_path / METRIC).write_text("def score(t, p):\n    return (t - p['prediction']).abs().mean()\n")
    metric = {"name": "file", "path": METRIC, "higher_is_better": False}
    project.params(
        {
            "competitions": {"toy": small_competition(metric=metric)},
            "models": {"toy-ridge": {"competition": "toy", "features": "numbers", "model": "ridge"}},
        }
    )
    through("toy", "train")
    cv, checked = project.data("toy", "cv", "toy-ridge"), project.data("checked", "toy")
    before = {file.name: file.read_bytes() for file in checked.iterdir()}
    rows = pd.read_parquet(project.data("toy", "rows", "train.parquet"))
    predicted = pd.read_parquet(cv / "predictions.parquet").set_index(ROW)["prediction"]
    for fold in read_json(cv / "scores.json")["folds"]:
        mask = rows[FOLD] == fold["fold"]
        assert fold["valid"] == pytest.approx((rows["y"] - predicted)[mask].abs().mean(), rel=1e-9)

    (tmp_path / METRIC).write_text("def score(t, p):\n    return 3.0\n")
    code.read_again()  # as each process does
    check.write(load_project())
    # By these DVC runs a stage anew.
    assert {name for name, text in before.items() if (checked / name).read_bytes() != text} == RUN_ANEW
    project.podium("train", "toy")
    assert read_json(cv / "scores.json")["valid"] == 3.0
