"""What a holdout looks at besides: groups and times, declared in params.yaml or found by ``add``."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from pipeline.core.types import FOLD


def grouped(of: str, column: str = "house") -> str:
    """Training rows in groups whose names begin so."""
    return f"id,{column},size,y\n" + "".join(f"{i},{of}{i // 5},{i * 7 % 11},{i * 5 % 13 + 1}\n" for i in range(100))


def asked(column: str = "house") -> str:
    return f"id,{column},size\n" + "".join(f"{i},9{i // 5},{i % 5}\n" for i in range(200, 240))


def folds(bench) -> pd.DataFrame:
    bench.through("fetch", "preprocess")
    return pd.read_parquet(bench.root / "data/toy/rows/train.parquet")


@pytest.mark.parametrize("rows", ["random", "last", "valid"])
def test_groups_are_whole_and_no_feature(rows, bench):
    bench.files = {"train.csv": grouped("h"), "test.csv": asked(), "valid.csv": grouped("v")}
    bench.competition["columns"]["group"] = "house"
    bench.competition["split"] = {"name": "holdout", "rows": rows}
    bench.write()
    table = folds(bench)
    assert (table[FOLD] == 0).any() and (table[FOLD] == -1).any()
    if rows != "last":
        assert (table.groupby("house")[FOLD].nunique() == 1).all()


def test_the_last_rows_are_those_of_the_last_times(bench):
    bench.files = {"train.csv": grouped("20", "when"), "test.csv": asked("when")}
    bench.competition["columns"]["time"] = "when"
    bench.competition["split"] = {"name": "holdout", "rows": "last"}
    bench.write()
    table = folds(bench)
    assert table["when"][table[FOLD] == 0].min() > table["when"][table[FOLD] == -1].max()


@pytest.mark.parametrize(
    ("split", "columns", "told"),
    [
        ({"rows": "random"}, {"time": "house"}, "columns.time: the split 'holdout' does not use it"),
        ({"rows": "last", "seed": 3}, {}, "seed is of random rows, and rows is last"),
        ({"rows": "valid", "part": 0.3}, {}, "part is of rows of the training file, and rows is valid"),
    ],
)
def test_what_it_does_not_look_at_is_refused(split, columns, told, bench):
    bench.competition["columns"].update(columns)
    bench.competition["split"] = {"name": "holdout", **split}
    bench.write()
    code, lines = bench.run("check")
    assert code == 2 and told in lines[0]


def test_two_ways_to_keep_rows_together_are_one_too_many(bench):
    bench.files = {"train.csv": grouped("h"), "test.csv": asked()}
    bench.competition["columns"]["group"] = "house"
    bench.competition["split"] = {"name": "holdout", "alike": "size"}
    bench.write()
    bench.through("fetch")
    bench.fails("preprocess", ["alike ('size') and columns.group ('house') both say which"], bench.written())


def test_add_takes_a_file_that_validates_beside_groups(bench):
    name = "patient_id"
    bench.files = {"train.csv": grouped("h", name), "test.csv": asked(name), "valid.csv": grouped("v", name)}
    bench.write()
    (bench.root / "params.yaml").unlink()
    code, lines = bench.run("add", "sick", "--from", "files", "--target", "y")
    assert code == 0, lines
    found = yaml.safe_load((bench.root / "params.yaml").read_text())["competitions"]["sick"]
    assert found["split"] == {"name": "holdout", "rows": "valid"} and found["columns"]["group"] == "patient_id"
