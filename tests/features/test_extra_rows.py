"""Training rows from elsewhere: every fold trains on them, none is validated on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bench import TEST, TRAIN

from pipeline.core.files import read_json
from pipeline.core.types import FOLD, ROW
from pipeline.stages.project import load_project
from pipeline.training.data import TrainingData

EXTRA = "id,colour,size,y\n" + "".join(f"{i},blue,{i % 9},{100 + i}\n" for i in range(12))


@pytest.mark.parametrize("mark", [None, "elsewhere"])
def test_they_train_every_fold_and_validate_none(bench, mark, undrawn):
    bench.files["last_year.csv"] = EXTRA
    bench.competition["source"] |= {"extra": ["last_year.csv"]} | ({"mark": mark} if mark else {})
    bench.write()
    bench.through()
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")
    assert len(rows) == 42 and (rows[FOLD][30:] == -1).all() and (rows[FOLD][:30] >= 0).all()
    assert rows["y"][30:].tolist() == [100.0 + i for i in range(12)]
    if mark:
        assert rows[mark].tolist() == [0.0] * 30 + [1.0] * 12
    predicted = pd.read_parquet(bench.root / "data/toy/cv/toy-ridge/predictions.parquet")
    assert sorted(predicted[ROW]) == list(range(30))
    data = TrainingData(load_project().competition("toy"), "numbers")
    for k in data.folds:
        assert data.fold(k).train_target[-12:].tolist() == rows["y"][30:].tolist()
    assert len(data.fold(None).train_target) == 42
    (bench.root / "new.csv").write_text(TEST)
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")[0] == 0
    assert (bench.root / "answers.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()


def test_what_is_known_already_is_left_out_and_told(bench):
    known = "".join(f"{line}\n" for line in TRAIN.splitlines()[1:6])
    seen = "90,red,0,777\n"  # as the first test row, with an answer
    bench.files["last_year.csv"] = EXTRA + known + seen
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.write()
    told = bench.through("fetch", "preprocess")
    assert "warning: last_year.csv: 5 of its 18 rows are training rows already, and are left out" in told
    assert any("of its 18 rows are test rows, with their answer" in line for line in told)
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")
    assert len(rows) == 30 + 13
    assert read_json(bench.root / "data/toy/rows/facts.json")["extra_rows"] == 13


def test_rows_that_no_fold_validates_are_not_taken_for_them(bench):
    bench.files["last_year.csv"] = EXTRA
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.competition["columns"]["time"] = "id"
    bench.competition["split"] = {"name": "time_ordered", "folds": 2}
    bench.write()
    bench.through("fetch", "preprocess")
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")
    assert (rows[FOLD] == -1).sum() == 10 + 12
    assert read_json(bench.root / "data/toy/rows/facts.json")["extra_rows"] == 12


def test_an_edit_of_them_is_noticed(bench):
    bench.files["last_year.csv"] = EXTRA
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.write()
    bench.through("fetch", "preprocess")
    before = (bench.root / "data/checked/toy/fetch.json").read_text()
    (bench.root / "files/last_year.csv").write_text(EXTRA.replace("100", "200"))
    bench.through("fetch", "preprocess")
    assert (bench.root / "data/checked/toy/fetch.json").read_text() != before
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")
    assert np.isclose(rows["y"], 200).any()


HALVES = "id,colour,size,y\n" + "".join(f"{i},blue,{i % 9}.5,{100 + i}\n" for i in range(12))


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (HALVES.replace(",", ";").replace(".", ","), "column 'size': numbers written 1.234,5"),
        (HALVES.replace(",3.5,", ",NULL,"), "column 'size': 'NULL' taken for missing"),
        (HALVES.replace("\n", ",7\n").replace("y,7", "y,more"), "column 'more' is not in the training file"),
    ],
    ids=["decimal commas", "a mark", "a column more"],
)
def test_they_are_read_as_their_own_file_writes(bench, extra, told):
    bench.files["last_year.csv"] = extra
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.write()
    assert any(f"last_year.csv: {told}" in line for line in bench.through("fetch", "preprocess"))
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")[30:]
    expected = [np.nan if "NULL" in extra and i == 3 else i % 9 + 0.5 for i in range(12)]
    np.testing.assert_array_equal(rows["size"], expected)
    assert rows["y"].tolist() == [100.0 + i for i in range(12)] and "more" not in rows


def test_what_their_values_leave_open_goes_by_the_training_files_numbers(bench):
    bench.files["train.csv"] = TRAIN.replace(",red,", ",red,0.").replace(",blue,", ",blue,0.")
    bench.files["test.csv"] = TEST.replace(",red,", ",red,0.")
    bench.files["last_year.csv"] = "id;colour;size;y\n" + "".join(f"{i};red;0,{i + 100};{i}\n" for i in range(12))
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.write()
    bench.through("fetch", "preprocess")
    rows = pd.read_parquet(bench.root / "data/toy/rows/train.parquet")[30:]
    np.testing.assert_allclose(rows["size"], [(i + 100) / 1000 for i in range(12)])


def test_a_whole_column_of_a_mark_is_no_missing_number(bench):
    bench.files["last_year.csv"] = "id,colour,size,y\n" + "".join(f"{i},blue,x,{i}\n" for i in range(12))
    bench.competition["source"]["extra"] = ["last_year.csv"]
    bench.write()
    bench.through("fetch")
    bench.fails("preprocess", ["last_year.csv", "'size', row 2", "needs a number, got 'x'"], bench.written())


@pytest.mark.parametrize(
    ("extra", "source", "stage", "words"),
    [
        (None, {}, "fetch", ["no file 'last_year.csv'", "source.extra"]),
        (EXTRA.replace("size", "sise"), {}, "preprocess", ["'size' is missing", "add it", "did you mean 'sise'"]),
        (EXTRA.replace(",100", ",dear"), {}, "preprocess", ["last_year.csv", "row 2", "'dear'"]),
        (EXTRA.replace(",y\n", ",z\n"), {}, "preprocess", ["last_year.csv", "no column 'y'", "target"]),
        (EXTRA.replace(",y\n", ",Y\n"), {}, "preprocess", ["no column 'y'", "did you mean 'Y'"]),
        (EXTRA.replace(",105\n", ",\n"), {}, "preprocess", ["last_year.csv", "row 7", "needs a target"]),
        (EXTRA, {"mark": "size"}, "preprocess", ["train.csv", "'size'", "source.mark"]),
    ],
)
def test_what_does_not_fit_is_told_with_its_file(bench, extra, source, stage, words):
    bench.files["last_year.csv"] = extra
    bench.competition["source"] |= {"extra": ["last_year.csv"], **source}
    bench.write()
    if stage == "preprocess":
        bench.through("fetch")
    bench.fails(stage, words, bench.written())
