"""Bad files: one line that names file, column, row and rule; nothing written."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from bench import TEST, TRAIN, changed, with_column, without_column

AT_FETCH = {
    "missing file": ({"train.csv": None}, ["files", "no train file"]),
    "empty file": ({"train.csv": ""}, ["train.csv", "empty"]),
    "header alone": ({"test.csv": "id,colour,size\n"}, ["test.csv", "no rows"]),
    "column name twice": (
        {"train.csv": TRAIN.replace("colour,size", "size,size")},
        ["train.csv line 1", "'size'", "twice"],
    ),
    "unknown encoding": (
        {"train.csv": changed(5, 1, "\x81").encode("latin-1")},
        ["train.csv", "neither UTF-8, UTF-16 nor cp1252", "source.encoding", "--encoding"],
    ),
    "row too short": (
        {"train.csv": TRAIN.replace("4,red,6,8\n", "4,red,6\n")},
        ["train.csv line 6", "3 values", "'y'"],
    ),
    "row too long": ({"test.csv": TEST + "40,red,1,9\n"}, ["test.csv line 12", "4 values", "'size'", "'9'"]),
    "quote not closed": ({"train.csv": changed(9, 1, '"red')}, ["train.csv line 9", "quote"]),
    "no table": ({"train.csv": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x81"}, ["train.csv", "is no text", "picture"]),
    "damaged archive": ({"train.csv": None, "train.csv.zip": b"PK\x03\x04 and no more"}, ["train.csv.zip", "damaged"]),
}


AT_PREPROCESS = {
    "target not there": ({"train.csv": TRAIN.replace(",y\n", ",Y\n")}, {}, ["train.csv", "no column 'y'", "'Y'"]),
    "target in no row": (
        {"train.csv": with_column(without_column(TRAIN, 3), "", "y")},
        {},
        ["train.csv", "'y'", "every row"],
    ),
    "target in a row missing": ({"train.csv": changed(7, 3, "NA")}, {}, ["train.csv", "'y'", "row 7", "missing"]),
    "target not a number": (
        {"train.csv": changed(7, 3, "dear")},
        {},
        ["train.csv", "'y'", "row 7", "number", "'dear'"],
    ),
    "target NaN": ({"train.csv": changed(7, 3, "NaN")}, {}, ["train.csv", "'y'", "row 7", "finite", "'NaN'"]),
    "target infinite": ({"train.csv": changed(8, 3, "inf")}, {}, ["train.csv", "'y'", "row 8", "finite", "inf"]),
    "test column missing": ({"test.csv": without_column(TEST, 1)}, {}, ["test.csv", "'colour'", "missing"]),
    "id twice in test": ({"test.csv": changed(4, 0, "30", TEST)}, {}, ["test.csv", "'id'", "row 4", "'30'", "row 2"]),
    "id missing": ({"test.csv": changed(4, 0, "", TEST)}, {}, ["test.csv", "'id'", "row 4", "missing"]),
    "text among numbers in test": (
        {"test.csv": changed(4, 2, "big", TEST)},
        {},
        ["test.csv", "'size'", "row 4", "needs a number", "'big'"],
    ),
    "one class only": (
        {"train.csv": with_column(without_column(TRAIN, 3), "yes", "y")},
        {"task": {"name": "classification"}, "metric": "accuracy", "submission": "classes"},
        ["train.csv", "'y'", "two classes", "'yes'"],
    ),
    "fewer rows than folds": (
        {"train.csv": "".join(TRAIN.splitlines(keepends=True)[:3])},
        {},
        ["train.csv", "2 rows", "3 folds"],
    ),
    "fewer rows than folds, stratified": (
        {"train.csv": "".join(TRAIN.splitlines(keepends=True)[:3])},
        {
            "task": {"name": "classification"},
            "metric": "accuracy",
            "submission": "classes",
            "split": {"name": "stratified"},
        },
        ["train.csv", "2 rows", "5 folds"],
    ),
    "fewer groups than folds": (
        {},
        {"columns": {"id": "id", "target": "y", "group": "colour"}, "split": {"name": "grouped", "folds": 3}},
        ["train.csv", "'colour'", "2 groups", "3 folds"],
    ),
    "negative value under log": (
        {"train.csv": changed(6, 3, "-4")},
        {"task": {"name": "regression", "target": "log"}},
        ["train.csv", "y", "row 6", "log", "above 0", "-4"],
    ),
    "declared column not there": (
        {},
        {"columns": {"id": "id", "target": "y", "drop": ["color"]}},
        ["train.csv", "'color'", "did you mean 'colour'"],
    ),
    "declared date is none": (
        {},
        {"columns": {"id": "id", "target": "y", "types": {"colour": "date"}}},
        ["train.csv", "'colour'", "date", "'blue'"],
    ),
}


@pytest.mark.parametrize("case", AT_FETCH)
def test_fetch_refuses(bench, case):
    files, words = AT_FETCH[case]
    bench.files.update(files)
    bench.write()
    bench.fails("fetch", words, set())


@pytest.mark.parametrize("case", AT_PREPROCESS)
def test_preprocess_refuses(bench, case):
    files, changes, words = AT_PREPROCESS[case]
    bench.files.update(files)
    bench.competition.update(changes)
    if bench.competition["task"]["name"] == "classification":
        bench.model["model"] = {"name": "softmax"}
    bench.write()
    assert bench.run("fetch", "toy") == (0, [])
    bench.fails("preprocess", words, {"raw"})


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("train.csv", TRAIN)
        archive.writestr(name, TEST)
    return stream.getvalue()


def tarred(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, len(TEST) if kind == tarfile.REGTYPE else 0, "/etc/passwd"
        archive.addfile(entry, io.BytesIO(TEST.encode()))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("all.zip", zipped("../test.csv"), ["all.zip", "nothing was unpacked", "'../test.csv'"]),
        ("all.zip", zipped("/tmp/test.csv"), ["all.zip", "nothing was unpacked", "'/tmp/test.csv'"]),
        ("all.tar.gz", tarred("a/../../test.csv"), ["all.tar.gz", "nothing was unpacked", "test.csv"]),
        ("all.tar.gz", tarred("test.csv", tarfile.SYMTYPE), ["all.tar.gz", "nothing was unpacked", "link"]),
    ],
    ids=["zip up", "zip absolute", "tar up", "tar link"],
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(bench, file, content, words):
    bench.files[file] = content
    bench.competition["source"]["path"] = f"files/{file}"
    bench.write()
    bench.fails("fetch", words, set())
    assert {path.name for path in bench.root.iterdir()} <= {"files", "params.yaml", "data", ".podium"}


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"train.csv": b"\xef\xbb\xbf" + TRAIN.encode(), "test.csv": b"\xef\xbb\xbf" + TEST.encode()}, {}),
        ({"train.csv": TRAIN.replace("\n", "\r\n"), "test.csv": TEST.replace("\n", "\r\n")}, {}),
        ({"test.csv": "".join(",".join(line.split(",")[::-1]) + "\n" for line in TEST.splitlines())}, {}),
        ({"train.csv": with_column(TRAIN, "", "nothing"), "test.csv": with_column(TEST, "NA", "nothing")}, {}),
        ({"train.csv": changed(5, 1, "vert-foncé").encode("cp1252")}, {"encoding": "cp1252"}),
        ({"train.csv": None, "train.tsv": TRAIN.replace(",", "\t")}, {}),
    ],
    ids=["byte order mark", "CRLF", "columns in another order", "all-missing column", "declared encoding", "tabs"],
)
def test_what_is_fine_goes_through(bench, files, source):
    import pandas as pd

    bench.files.update(files)
    bench.competition["source"].update(source)
    bench.write()
    for stage in ("fetch", "preprocess"):
        assert bench.run(stage, "toy") == (0, [])
    assert bench.written() == {"raw", "rows", "features", "schema.json"}
    rows = pd.read_parquet(bench.root / "data" / "toy" / "rows" / "train.parquet")
    assert list(rows.columns)[:3] == ["id", "colour", "size"] and len(rows) == 30
    if source:
        assert rows["colour"][3] == "vert-foncé"
