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
from pipeline.stages.summaries import view
from pipeline.tracking.batches import allowed_key

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


@pytest.mark.parametrize("stage", [None, "check"])  # by hand, and as DVC runs it
@pytest.mark.parametrize("what", ["own_columns", "metric"])
def test_a_file_that_is_no_utf8_is_told_by_check(bench, what, stage, monkeypatch):
    place = METRIC if what == "metric" else METRIC.replace("metrics", "features")
    (bench.root / place).parent.mkdir(parents=True)
    (bench.root / place).write_bytes("# café\ndef score(t, p):\n    return 0.0\ncolumns = score\n".encode("latin-1"))
    said = {"metric": {"name": "file", "path": METRIC, "higher_is_better": True}, "own_columns": place}
    bench.competition[what] = said[what]
    bench.write()
    if stage is not None:
        monkeypatch.setenv("DVC_STAGE", stage)
    code, lines = bench.run("check")
    assert (code, len(lines)) == (2, 1) and "mine.py: is not UTF-8 text" in lines[0], lines


def test_the_prepared_comparison_names_its_scores_as_mlflow_has_them(bench):
    place = METRIC.replace("mine", "f1 (of 5)")
    (bench.root / place).parent.mkdir(parents=True)
    (bench.root / place).write_text("def score(t, p):\n    return 0.0\n")
    bench.competition["metric"] = {"name": "file", "path": place, "higher_is_better": True}
    bench.write()
    state = view(load_project().competition("toy")).state
    assert state["orderByKey"] == f"metrics.`{allowed_key('f1 (of 5)')}`"
    assert f"metrics.`{allowed_key('train_f1 (of 5)')}`" in state["selectedColumns"]
