"""Bad input at the command line: one line that names file, column, row and rule; nothing written."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from pipeline.__main__ import main

ROOT = Path(__file__).parents[1]
TRAIN = "id,colour,size,y\n" + "".join(
    f"{i},{'red' if i % 3 else 'blue'},{i * 7 % 11},{i * 5 % 13 + 1}\n" for i in range(30)
)
TEST = "id,colour,size\n" + "".join(f"{i},red,{i % 5}\n" for i in range(30, 40))
SAMPLE = "id,y\n" + "".join(f"{i},1\n" for i in range(30, 40))


class Bench:
    """A project of one competition whose files lie in ``files/``."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        self.root, self.capsys, self.monkeypatch = root, capsys, monkeypatch
        self.files = {"train.csv": TRAIN, "test.csv": TEST, "sample_submission.csv": SAMPLE}
        self.competition = {
            "source": {"name": "files", "path": "files"},
            "columns": {"id": "id", "target": "y"},
            "task": {"name": "regression"},
            "metric": "rmse",
            "split": {"name": "shuffled", "folds": 3},
            "features": {"numbers": {"name": "tabular"}},
            "blend": "greedy",
            "submission": "values",
        }
        self.model = {"competition": "toy", "features": "numbers", "model": {"name": "ridge"}}

    def write(self) -> None:
        (self.root / "files").mkdir()
        for name, content in self.files.items():
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (self.root / "files" / name).write_bytes(data)
        params = {"competitions": {"toy": self.competition}, "models": {"toy-ridge": self.model}}
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit code, and the lines on stderr."""
        self.monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        self.capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        return code, self.capsys.readouterr().err.splitlines()

    def written(self) -> set[str]:
        """What lies under data/toy, hidden leftovers included."""
        return {path.name for path in (self.root / "data" / "toy").glob("*")}

    def fails(self, stage: str, words: list[str], before: set[str]) -> str:
        """The stage's only line on stderr, an error with these words; data/toy is as before."""
        code, lines = self.run(stage, "toy-ridge" if stage == "train" else "toy")
        assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), lines
        assert all(word in lines[0] for word in words), lines[0]
        assert str(self.root) not in lines[0]
        assert self.written() == before
        return lines[0]


@pytest.fixture
def bench(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path, capsys, monkeypatch)


def changed(row: int, column: int, value: str, table: str = TRAIN) -> str:
    """The table with one value replaced; the header is row 1."""
    lines = [line.split(",") for line in table.splitlines()]
    lines[row - 1][column] = value
    return "".join(",".join(line) + "\n" for line in lines)


def with_column(table: str, value: str, name: str) -> str:
    first, *rest = table.splitlines()
    return "".join(f"{line}\n" for line in [f"{first},{name}", *(f"{line},{value}" for line in rest)])


def without_column(table: str, column: int) -> str:
    return "".join(
        ",".join(value for i, value in enumerate(line.split(",")) if i != column) + "\n" for line in table.splitlines()
    )


AT_FETCH = {
    "missing file": ({"test.csv": None}, ["files", "no test file"]),
    "empty file": ({"train.csv": ""}, ["train.csv", "empty"]),
    "header alone": ({"test.csv": "id,colour,size\n"}, ["test.csv", "no rows"]),
    "column name twice": (
        {"train.csv": TRAIN.replace("colour,size", "size,size")},
        ["train.csv line 1", "'size'", "twice"],
    ),
    "wrong encoding": (
        {"train.csv": changed(5, 1, "vert-foncé").encode("cp1252")},
        ["train.csv line 5", "'colour'", "UTF-8", "encoding"],
    ),
    "UTF-16": ({"train.csv": TRAIN.encode("utf-16")}, ["train.csv", "UTF-16", "encoding"]),
    "row too short": (
        {"train.csv": TRAIN.replace("4,red,6,8\n", "4,red,6\n")},
        ["train.csv line 6", "3 values", "'y'"],
    ),
    "row too long": ({"test.csv": TEST + "40,red,1,9\n"}, ["test.csv line 12", "4 values", "'size'", "'9'"]),
    "quote not closed": ({"train.csv": changed(9, 1, '"red')}, ["train.csv line 9", "quote"]),
    "semicolons": ({"train.csv": TRAIN.replace(",", ";")}, ["train.csv line 1", "semicolons", ".tsv"]),
    "tabs in a .csv": ({"train.csv": TRAIN.replace(",", "\t")}, ["train.csv line 1", "tabs", ".tsv"]),
    "no table": ({"train.csv": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}, ["train.csv"]),
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
    "test column extra": (
        {"test.csv": with_column(TEST, "1", "extra")},
        {},
        ["test.csv", "'extra'", "not in train.csv"],
    ),
    "id twice": ({"train.csv": changed(9, 0, "3")}, {}, ["train.csv", "'id'", "row 9", "'3'", "row 5"]),
    "id twice in test": ({"test.csv": changed(4, 0, "30", TEST)}, {}, ["test.csv", "'id'", "row 4", "'30'", "row 2"]),
    "id missing": ({"test.csv": changed(4, 0, "", TEST)}, {}, ["test.csv", "'id'", "row 4", "missing"]),
    "id in both files": (
        {"test.csv": changed(4, 0, "17", TEST)},
        {},
        ["test.csv", "'id'", "row 4", "'17'", "train.csv"],
    ),
    "text among numbers in test": (
        {"test.csv": changed(4, 2, "big", TEST)},
        {},
        ["test.csv", "'size'", "row 4", "finite number", "'big'"],
    ),
    "infinite feature": ({"train.csv": changed(6, 2, "inf")}, {}, ["train.csv", "'size'", "row 6", "finite", "inf"]),
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

IN_PARAMS = {
    "unknown metric": ({"metric": "rsme"}, ["competitions.toy.metric.name", "'rsme'", "did you mean 'rmse'"]),
    "unknown key": ({"spilt": {}}, ["competitions.toy.spilt", "unknown key", "did you mean 'split'"]),
    "unknown setting": (
        {"split": {"name": "shuffled", "fold": 3}},
        ["competitions.toy.split.fold", "did you mean 'folds'"],
    ),
    "metric of another task": (
        {"metric": "accuracy"},
        ["competitions.toy.metric", "'accuracy'", "'regression'", "suits"],
    ),
    "value out of range": ({"split": {"name": "shuffled", "folds": 1}}, ["competitions.toy.split.folds", "2", "got 1"]),
    "true for a number": (
        {"split": {"name": "shuffled", "seed": True}},
        ["competitions.toy.split.seed", "number", "got True"],
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


@pytest.mark.parametrize("case", IN_PARAMS)
def test_params_are_refused_before_any_stage_works(bench, case):
    changes, words = IN_PARAMS[case]
    bench.competition.update(changes)
    bench.write()
    for stage in ("fetch", "train"):
        bench.fails(stage, words, set())


def test_an_unknown_model_and_a_model_of_another_task_are_refused(bench):
    bench.model["model"] = {"name": "rigde"}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.model.name", "'rigde'", "did you mean 'ridge'"], set())
    params = yaml.safe_load((bench.root / "params.yaml").read_text())
    params["models"]["toy-ridge"]["model"] = {"name": "softmax"}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
    bench.fails("train", ["models.toy-ridge.model", "'softmax'", "'regression'"], set())


def test_class_weights_without_classes_are_refused(bench):
    bench.model["model"] = {"name": "extra_trees", "class_weights": "balanced"}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.model.class_weights", "'regression'", "take it out"], set())


def test_a_network_too_large_for_the_memory_is_told_in_a_line(bench):
    bench.model |= {"model": {"name": "mlp", "hidden": [10**15]}, "fit": {"epochs": 1}}
    bench.write()
    assert [bench.run(stage, "toy") for stage in ("fetch", "preprocess")] == [(0, [])] * 2
    code, lines = bench.run("train", "toy-ridge")
    assert code == 2 and len(lines) == 1 and "not enough memory" in lines[0] and "smaller model" in lines[0], lines
    assert not (bench.root / "data" / "toy" / "models" / "toy-ridge" / "cv").exists()


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "../../etc"], ["lower-case letters", "'../../etc'"]),
        (["fetch", "a; touch P"], ["lower-case letters", "'a; touch P'"]),
        (["train", "$(touch P)"], ["lower-case letters"]),
        (["fetch", "toi"], ["no competition 'toi'", "did you mean 'toy'"]),
        (["train", "toy-rigde"], ["no model 'toy-rigde'", "did you mean 'toy-ridge'"]),
        (["preprocess", "toy"], ["train"]),
        (["train", "toy-ridge"], ["dvc repro"]),
        (["blend", "toy"], ["dvc repro"]),
        (["submit", "toy"], ["dvc repro"]),
        (["report", "toy"], ["dvc repro"]),
        (["score", "toy"], []),
        (["leaderboard", "toy"], ["dvc repro"]),
        (["predict", "toy", "--in", "files/test.csv", "--out", "p.csv"], ["dvc repro"]),
        (["kaggle", "submit", "toy"], ["toy", "kaggle"]),
    ],
)
def test_a_command_that_cannot_work_says_so_in_one_line(bench, arguments, words):
    bench.write()
    code, lines = bench.run(*arguments)
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), lines
    assert all(word in lines[0] for word in words), lines[0]
    assert not bench.written() and not (bench.root / "P").exists() and not (bench.root / "p.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "toy"], ["--in"]),
        (["score"], ["Missing argument", "NAME"]),
        (["nosuch"], ["nosuch"]),
        (["add", "x", "--minutes", "no"], ["--minutes", "number"]),
    ],
)
def test_a_wrong_command_line_ends_with_2(bench, arguments, words):
    bench.write()
    code, lines = bench.run(*arguments)
    assert code == 2 and all(word in "\n".join(lines) for word in words), lines
    assert not any("Traceback" in line for line in lines)


def test_every_fault_of_params_is_told_at_once_a_line_each(bench):
    bench.competition |= {"metric": "rsme", "spilt": 3}
    bench.model["model"] = {"name": "ridge", "alhpa": 1}
    bench.write()
    code, lines = bench.run("check")
    assert code == 2 and len(lines) == 3 and all(line.startswith("error: ") for line in lines), lines


@pytest.mark.parametrize(
    ("files", "changes", "stage", "words"),
    [
        ({"test.csv": None}, {}, "fetch", ["no test file"]),
        ({"train.csv": TRAIN.replace(",", ";")}, {}, "fetch", ["semicolons"]),
        ({"train.csv": changed(7, 3, "dear")}, {}, "preprocess", ["train.csv", "row 7"]),
    ],
)
def test_the_real_command_line(bench, files, changes, stage, words):
    bench.files.update(files)
    bench.competition.update(changes)
    bench.write()
    if stage != "fetch":
        assert bench.run("fetch", "toy") == (0, [])
    before = bench.written()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", stage, "toy"],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=bench.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"error: .*\n", done.stderr) and all(word in done.stderr for word in words), done.stderr
    assert bench.written() == before
