"""Later files are read as the training file was: a column that is text there is text in them, whatever they hold."""

from __future__ import annotations

import pandas as pd
import pytest

CODES = ("1.10", "1.1", "2.0b", "1E3", "x7")
TRAIN = "id;area;code;y\n" + "".join(f"{i};{i % 7 + 1}.{i * 37 % 900 + 100},5;{CODES[i % 5]};{i}\n" for i in range(40))
HEAD = "id;area;code\n"
ALONE, BESIDE = "50;1.250;1.10\n", "51;2.345,5;2.0b\n"


@pytest.fixture
def toy(bench):
    bench.competition["columns"] = {"id": "id", "target": "y"}
    bench.files = {"train.csv": TRAIN, "test.csv": HEAD + ALONE + "52;3.125;1E3\n"}
    return bench


def test_numbers_and_levels_of_a_test_file_that_a_reader_would_take_for_others(toy):
    toy.write()
    toy.through("fetch", "preprocess")
    rows = pd.read_parquet(toy.root / "data/toy/rows/test.parquet")
    assert rows["area"].tolist() == [1250.0, 3125.0]
    assert rows["code"].tolist() == ["1.10", "1E3"]


def test_a_row_is_answered_alike_whatever_stands_beside_it(toy, undrawn):
    toy.write()
    toy.through()
    for name, text in (("one", ALONE), ("two", ALONE + BESIDE)):
        (toy.root / f"{name}.csv").write_text(HEAD + text)
        assert toy.run("predict", "toy", "--in", f"{name}.csv", "--out", f"{name}-out.csv")[0] == 0
    one, two = (pd.read_csv(toy.root / f"{name}-out.csv") for name in ("one", "two"))
    assert one["y"][0] == two["y"][0]


def test_so_it_is_in_rows_that_validate(toy):
    toy.files["valid.csv"] = "id;area;code;y\n60;1.250;1.10;3\n61;4.250;1.1;5\n"
    toy.competition["split"] = {"name": "holdout", "rows": "valid"}
    toy.write()
    toy.through("fetch", "preprocess")
    rows = pd.read_parquet(toy.root / "data/toy/rows/train.parquet")[-2:]
    assert rows["area"].tolist() == [1250.0, 4250.0]
    assert rows["code"].tolist() == ["1.10", "1.1"]


def test_add_reads_them_as_preprocess_does(toy, monkeypatch):
    from pipeline.commands.competition_files import CompetitionFiles
    from pipeline.stages.project import load_project

    toy.write()
    competition = load_project().competition("toy")
    with CompetitionFiles.of({"name": "files", "path": "files"}, "toy") as files:
        _, _, test = files.typed(competition)
    assert test is not None and test["area"].tolist() == [1250.0, 3125.0] and test["code"].tolist() == ["1.10", "1E3"]


def test_a_date_written_as_in_training_is_one_though_the_test_file_writes_another_way(toy):
    dates = "".join(f"{i};{13 + i % 15}/0{i % 9 + 1}/2020;{i}\n" for i in range(40))
    toy.files = {
        "train.csv": f"id;when;y\n{dates}",
        "test.csv": "id;when\n" + "".join(f"{50 + i};2020-0{i % 9 + 1}-1{i % 9}\n" for i in range(20)),
    }
    toy.write()
    toy.through("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit")
    for day in ("13/04/2020", "03/04/2020", "2020-04-03"):
        (toy.root / "new.csv").write_text(f"id;when\n90;{day}\n")
        assert toy.run("predict", "toy", "--in", "new.csv", "--out", f"{day[:2]}.csv") == (0, [])
    one, other = (pd.read_csv(toy.root / f"{name}.csv")["y"][0] for name in ("03", "20"))
    assert one == other
