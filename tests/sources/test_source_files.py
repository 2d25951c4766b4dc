"""Source ``files``: folders and archives as they come, and what it says of bad ones."""

import gzip
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import Faults, UserError
from pipeline.sources import sources
from pipeline.sources.files import Files
from pipeline.sources.tables import read_table

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
TRAIN = b"id,x,y\n1,a,0\n2,NA,1\n"
TEST = b"id,x\n3,b\n"
SAMPLE = b"id,y\n3,0\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "in").mkdir()
    return tmp_path


def fetch(project, **settings):
    source = sources.build({"name": "files", "path": "in", **settings}, "competitions.c.source")
    source.fetch(project / "raw", "c")
    return {path.name: path.read_bytes() for path in sorted((project / "raw").iterdir())}


def write(folder, **files):
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)


def test_a_folder_with_the_usual_names(project):
    write(project / "in", train__csv=TRAIN, test__csv=TEST, gender_submission__csv=SAMPLE, notes__txt=b"x")
    assert fetch(project) == {"sample_submission.csv": SAMPLE, "test.csv": TEST, "train.csv": TRAIN}


def test_named_files_gz_zip_tsv_and_parquet(project):
    write(project / "in", old__csv__gz=gzip.compress(TRAIN), t__tsv=b"id\tx\n3\tb\n")
    pd.DataFrame({"id": [3], "y": [1]}).to_parquet(project / "in" / "answers.parquet")
    with zipfile.ZipFile(project / "in" / "sampleSubmission.csv.zip", "w") as archive:
        archive.writestr("sampleSubmission.csv", SAMPLE)
    found = fetch(project, train="old.csv.gz", test="t.tsv", solution="answers.parquet")
    assert list(found) == ["sample_submission.csv", "solution.parquet", "test.tsv", "train.csv"]
    assert found["train.csv"] == TRAIN and found["sample_submission.csv"] == SAMPLE


def test_tables_of_one_name_in_two_folders_are_both_looked_at(project):
    for year in ("2019", "2020"):
        (project / "in" / year).mkdir()
        write(project / "in" / year, rows__csv=TRAIN)
    (project / "rows.csv").write_bytes(TRAIN)
    names = {"train": "2019/rows.csv", "test": "2020/rows.csv", "extra": ["rows.csv"]}
    origin = sources.build({"name": "files", "path": "in", **names}, "s").origin()
    assert sorted(origin) == ["../rows.csv", "2019/rows.csv", "2020/rows.csv"]
    assert all(path.is_file() for path in origin.values())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("train.jsonl", "train.jsonl, which are not read here: pandas.read_json(..., lines=True).to_parquet"),
        ("train.feather", "pandas.read_feather(...).to_parquet(...)"),
        ("train.txt", "a table is named .csv or .tsv"),
    ],
)
def test_tables_that_are_not_read_are_told_with_what_makes_them_readable(project, name, told):
    (project / "in" / name).write_bytes(b"x")
    with pytest.raises(UserError, match="no train file in it") as error:
        fetch(project)
    assert told in str(error.value)


def test_what_stands_before_the_column_names_is_told(project, capsys):
    write(project / "in", train__csv=b"# made on Monday\n" + TRAIN, test__csv=b"sep=,\r\n" + TEST)
    assert fetch(project)["train.csv"] == b"# made on Monday\n" + TRAIN
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "which is passed over: '# made on Monday'" in told[0] and "'sep=,'" in told[1]


def test_another_encoding_is_written_as_utf8(project):
    write(project / "in", train__csv="id,y\n1,é\n".encode("cp1252"), test__csv=TEST)
    assert fetch(project, encoding="cp1252")["train.csv"].decode() == "id,y\n1,é\n"


def test_a_file_taken_for_cp1252_is_told_with_its_first_odd_byte(project, capsys):
    write(project / "in", train__csv=b"id,a,y\n1,x,1\n2,g\xffod,0\n", test__csv=b"id,a\n3,x\n")
    assert fetch(project)["train.csv"].decode() == "id,a,y\n1,x,1\n2,gÿod,0\n"
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("warning: in/train.csv line 3: byte 0xff is not valid UTF-8") and "cp1252" in told
    fetch(project, encoding="cp1252")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_with_a_folder_in_it(project, kind):
    write(project / "in", train__csv=TRAIN, test__csv=TEST)
    path = project / f"competition.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("train.csv", "test.csv"):
                archive.write(project / "in" / name, f"competition/{name}")
            archive.writestr("__MACOSX/competition/._train.csv", "litter")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(project / "in", "competition")
    assert fetch(project, path=path.name) == {"test.csv": TEST, "train.csv": TRAIN}


def test_arrays_are_brought_as_they_are(project):
    random = np.random.default_rng(0)
    np.savez(
        project / "in" / "train.npz", images=random.integers(0, 256, (5, 2, 3), dtype=np.uint8), labels=np.arange(5)
    )
    np.savez(project / "in" / "test.npz", images=random.integers(0, 256, (3, 2, 3), dtype=np.uint8))
    write(project / "in", sample_submission__csv=b"ImageId,Label\n1,0\n2,0\n3,0\n")
    found = fetch(project)
    assert list(found) == ["sample_submission.csv", "test.npz", "train.npz"]
    assert found["train.npz"] == (project / "in" / "train.npz").read_bytes()


def test_files_elsewhere_are_named_whole_and_told_by_their_place(project):
    """Absolute, or relative to the folder; a fault in one is told by where it lies."""
    write(project / "in", train__csv=TRAIN, test__csv=TEST)
    write(project, answers__csv=SAMPLE)
    assert fetch(project, solution=str(project / "answers.csv"))["solution.csv"] == SAMPLE
    write(project, answers__csv=b"id,id\n3,0\n")
    with pytest.raises(UserError, match=r"^answers\.csv line 1"):
        fetch(project, solution=str(project / "answers.csv"))


def test_files_beside_an_archive_are_looked_at_too(project):
    write(project, last__csv=TRAIN, answers__csv=SAMPLE)
    with zipfile.ZipFile(project / "c.zip", "w") as archive:
        archive.writestr("train.csv", TRAIN)
    settings = {"extra": ["last.csv", "within.csv"], "solution": str(project / "answers.csv")}
    source = sources.build({"name": "files", "path": "c.zip", **settings}, "competitions.c.source")
    assert set(source.origin().values()) == {project / name for name in ("c.zip", "last.csv", "answers.csv")}


def test_arrays_of_objects_are_not_loaded(project):
    np.savez(project / "in" / "train.npz", x=np.array([{"a": 1}], dtype=object))
    write(project / "in", test__csv=TEST)
    with pytest.raises(UserError, match=r"in/train\.npz: not plain arrays"):
        fetch(project)


@pytest.mark.parametrize(
    ("settings", "files", "message"),
    [
        ({"path": "nowhere"}, {}, "^nowhere: no such folder or archive; check the path of c's source$"),
        ({"path": "in/train.csv"}, {"train__csv": TRAIN}, r"in/train\.csv: neither a folder nor an archive"),
        ({}, {"test__csv": TEST}, "^in: no train file in it"),
        ({"train": "t.csv"}, {"test__csv": TEST}, r"^in: no file 't\.csv' in it, which source\.train names"),
        (
            {"train": "../train.npz"},
            {"../train__npz": b""},
            r"^in: arrays lie in the folder itself.*: bring '\.\./train\.npz'",
        ),
        ({}, {"train__csv": b"", "test__csv": TEST}, r"^in/train\.csv: the file is empty"),
        ({}, {"train__csv": TRAIN, "test__csv": b"id,x\n1\n"}, r"^in/test\.csv line 2: 1 values where"),
    ],
)
def test_faults(project, settings, files, message):
    write(project / "in", **files)
    with pytest.raises(UserError, match=message) as caught:
        fetch(project, **settings)
    assert "\n" not in str(caught.value) and str(project) not in str(caught.value)


def test_an_unsafe_archive_brings_nothing(project):
    with zipfile.ZipFile(project / "c.zip", "w") as archive:
        archive.writestr("train.csv", TRAIN)
        archive.writestr("../test.csv", TEST)
    with pytest.raises(UserError, match=r"^c\.zip: refused, nothing was unpacked: .* the name '\.\./test"):
        fetch(project, path="c.zip")
    assert sorted(path.name for path in project.iterdir()) == ["c.zip", "in"]


def test_unknown_keys_and_bad_values_are_told():
    with pytest.raises(Faults, match=r"source\.pth: unknown key; did you mean 'path'"):
        sources.build({"name": "files", "path": "x", "pth": 1}, "source")
    with pytest.raises(Faults, match=r"source\.missing"):
        sources.build({"name": "files", "path": "x", "missing": []}, "source")


def test_every_source_says_what_is_missing():
    for name, settings in {
        "files": {"path": "x"},
        "package": {"dataset": "ames"},
        "kaggle": {"competition": "titanic"},
        "synthetic": {"task": "linear"},
    }.items():
        assert sources.build({"name": name, **settings}, "source").missing == ("", "NA")
        assert sources.build({"name": name, **settings, "missing": ["?"]}, "source").missing == ("?",)


@pytest.mark.parametrize(
    ("competition", "shapes"),
    [
        ("house_prices", [(1460, 81), (1459, 80), (1459, 2)]),
        ("titanic", [(891, 12), (418, 11), (418, 2)]),
        ("disaster_tweets", [(7613, 5), (3263, 4), (3263, 2)]),
    ],
)
def test_real_competitions(project, competition, shapes):
    folder = DATA / competition
    if not (folder / "train.csv").is_file():
        pytest.skip(f"{competition} is not beside the project")
    fetch(project, path=str(folder))
    tables = {
        stem: read_table(project / "raw" / f"{stem}.csv", missing=("", "NA"))
        for stem in ("train", "test", "sample_submission")
    }
    assert [table.shape for table in tables.values()] == shapes
    assert (tables["test"].iloc[:, 0] == tables["sample_submission"].iloc[:, 0]).all()
    if competition == "house_prices":
        assert (tables["train"]["MasVnrType"] == "None").sum() == 864
        assert tables["train"]["MasVnrType"].isna().sum() == 8


def test_what_is_wrong_in_an_archive_is_told_by_the_archives_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "comp.zip", "w") as archive:
        archive.writestr("comp/train.csv", "id,x\n1,2\n3\n")
        archive.writestr("comp/test.csv", "id,x\n1,2\n")
    with pytest.raises(UserError, match=r"^comp\.zip/train\.csv line 3: 1 values where there are 2 columns"):
        Files(path="comp.zip").fetch(tmp_path / "raw", "toy")
    with pytest.raises(UserError, match=r"^\.\./elsewhere/data/ptb: no such folder or archive"):
        Files(path="../elsewhere/data/ptb").fetch(tmp_path / "raw", "toy")
