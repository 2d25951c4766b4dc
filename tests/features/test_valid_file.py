"""A file of rows that validate: nothing trains on them before the last fits."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from bench import TRAIN

from pipeline.core.types import FOLD, ROW
from pipeline.stages.project import load_project
from pipeline.training.data import TrainingData

VALID = "id,colour,size,y\n" + "".join(f"{i},red,{20 + i},{i % 5 + 2}\n" for i in range(8))
"""Its ids begin again."""


def test_its_rows_are_the_one_fold_and_train_at_last(bench, undrawn):
    bench.files["Valid.csv"] = VALID
    bench.competition["split"] = {"name": "holdout", "rows": "valid"}
    bench.write()
    bench.through()
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")
    assert rows[FOLD].tolist() == [-1] * 30 + [0] * 8
    assert rows["y"][30:].tolist() == [i % 5 + 2 for i in range(8)]
    predicted = pd.read_parquet(bench.root / "data/toy/cv/toy-ridge/predictions.parquet")
    assert predicted[ROW].tolist() == list(range(30, 38)) and set(predicted[FOLD]) == {0}
    data = TrainingData(load_project().competition("toy"), "numbers")
    assert len(data.fold(0).train_target) == 30 and len(data.fold(None).train_target) == 38
    assert "One fold validated everything" in (bench.root / "data/toy/report/index.html").read_text()


def test_without_refit_the_models_that_were_validated_answer(bench, undrawn):
    bench.files["Valid.csv"] = VALID
    bench.competition["split"] = {"name": "holdout", "rows": "valid", "refit": False}
    bench.write()
    bench.through()
    data = bench.root / "data/toy"
    fold, final = (data / place / "members/0" for place in ("cv/toy-ridge", "final/toy-ridge"))
    files = {path.relative_to(fold) for path in fold.rglob("*") if path.is_file()}
    assert files and all((fold / file).read_bytes() == (final / file).read_bytes() for file in files)
    assert (data / "submission.csv").exists()
    assert "the models of the submission neither" in (data / "report/index.html").read_text()
    refused = {**bench.model, "retrain": {"mode": "all_rows"}}
    text = yaml.safe_dump({"competitions": {"toy": bench.competition}, "models": {"toy-ridge": refused}})
    (bench.root / "params.yaml").write_text(text)
    assert "keeps the rows that validate out of the last fits" in bench.run("check")[1][-1]


def test_what_both_files_hold_is_told_and_another_split_leaves_it_out(bench):
    bench.files["valid.csv"] = VALID + "".join(f"{line}\n" for line in TRAIN.splitlines()[1:4])
    bench.competition["split"] = {"name": "holdout", "rows": "valid"}
    bench.write()
    told = bench.through("fetch", "preprocess")
    assert "warning: valid.csv: 3 of its 11 rows are training rows too, so its score flatters" in told
    bench.competition["split"] = {"name": "shuffled", "folds": 3}
    (bench.root / "params.yaml").write_text(
        (bench.root / "params.yaml")
        .read_text()
        .replace("name: holdout\n      rows: valid", "name: shuffled\n      folds: 3")
    )
    bench.through("preprocess")
    assert len(pd.read_parquet(bench.root / "data/toy/rows/train.parquet")) == 30


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        (None, "split holdout with rows: valid needs a file valid.csv or the like beside it"),
        ("id,colour,size\n1,red,2\n", "no column 'y', the target"),
        ("id,colour,size,y\n1,red,2,\n", "needs a target, got a missing value"),
    ],
)
def test_a_file_that_cannot_validate_is_refused(bench, valid, words):
    bench.files["valid.csv"] = valid
    bench.competition["split"] = {"name": "holdout", "rows": "valid"}
    bench.write()
    bench.through("fetch")
    code, lines = bench.run("preprocess", "toy")
    assert code == 2 and words in lines[-1]
