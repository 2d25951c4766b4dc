"""Plain text as a language-model competition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.texts import text_source
from pipeline.core.errors import UserError
from pipeline.sources import sources

LINES = " no it was n't <unk> monday \n\n a b \x0c c \u2028 d\r\n last"


def fetched(tmp_path, files, **settings):
    (tmp_path / "texts").mkdir()
    for name, text in files.items():
        (tmp_path / "texts" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    source = sources.build({"name": "texts", "path": str(tmp_path / "texts"), **settings}, "source")
    source.fetch(tmp_path / "raw", "x")
    return {path.stem: pd.read_parquet(path) for path in (tmp_path / "raw").iterdir()}


def test_lines_are_rows_and_end_at_line_feeds_alone(tmp_path):
    train = fetched(tmp_path, {"input.txt": LINES})["train"]
    assert train["text"].tolist() == [" no it was n't <unk> monday ", "", " a b \x0c c \u2028 d", " last"]
    assert train["words"].tolist() == [7, 1, 5, 2]  # white space is what str.split takes for it; each end counts as one
    assert list(train) == ["id", "text", "words"]


def test_files_are_found_by_their_usual_names_and_the_test_rows_answers_are_apart(tmp_path):
    tables = fetched(
        tmp_path, {"ptb.train.txt": "a b\nc\n", "ptb.valid.txt": "b\n", "ptb.test.txt": "c d e\n", "readme.md": "x"}
    )
    assert set(tables) == {"train", "valid", "test", "solution", "sample_submission"}
    assert list(tables["test"]) == ["id", "text"] and tables["solution"]["words"].tolist() == [4]
    assert np.concatenate([tables[name]["id"] for name in ("train", "valid", "test")]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("name", "unit"), [("text", "words"), ("words", "words"), ("characters", "characters")])
def test_ids_of_a_sample_submission_by_the_name_of_another_column_are_refused(tmp_path, name, unit):
    files = {"input.txt": "a\n", "x.test.txt": "b\n", "sample_submission.csv": f"{name},nll\n7,0\n"}
    with pytest.raises(UserError, match=f"sample_submission.csv: its first column has the ids, .* '{name}' too"):
        fetched(tmp_path, files, unit=unit)


@pytest.mark.parametrize(("rows", "expected"), [("paragraph", ["a\nb", "c"]), ("file", ["a\nb\n\n \nc\n"])])
def test_paragraphs_and_whole_files(tmp_path, rows, expected):
    train = fetched(tmp_path, {"input.txt": "a\nb\n\n \nc\n"}, rows=rows, unit="characters")["train"]
    assert train["text"].tolist() == expected and train["characters"].tolist() == [len(one) + 1 for one in expected]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"input.txt": ""}, "input.txt: holds no text"),
        ({"input.txt": "\n \n\n"}, "input.txt: holds no text"),
        ({"a.train.txt": "x", "b.train.txt": "y"}, "could each be the train file"),
        ({"one.csv": "x"}, "no text to train on"),
        ({"input.txt": b"ok\n\x00\xff\xfe\x00\x80"}, "input.txt"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, files, words):
    with pytest.raises(UserError, match=words):
        fetched(tmp_path, files)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "input.txt line 2: not valid utf-8; set the source's encoding right"),
        ("UTF-8-sig", "input.txt line 2: not valid UTF-8-sig"),
        ("base64", "input.txt: no encoding 'base64' is known; use auto, utf-8"),
        ("undefined", "input.txt: not valid undefined"),
    ],
)
def test_an_encoding_that_the_text_is_not_in_is_told(tmp_path, encoding, told):
    with pytest.raises(UserError, match=told):
        fetched(tmp_path, {"input.txt": b"a\ncaf\xe9\n"}, encoding=encoding)


def test_marks_of_utf8_are_no_text(tmp_path):
    assert fetched(tmp_path, {"input.txt": b"\xef\xbb\xbfa\n"})["train"]["text"].tolist() == ["a"]


def test_a_text_taken_for_cp1252_is_told_with_its_first_odd_byte(tmp_path, capsys):
    train = fetched(tmp_path, {"input.txt": b"hello\n" * 40 + b"bad \xff byte\n"})["train"]
    assert train["text"].iloc[-1] == "bad ÿ byte"
    (told,) = capsys.readouterr().err.splitlines()
    assert "input.txt line 41: byte 0xff is not valid UTF-8" in told and "read as cp1252" in told


def test_files_of_one_name_in_two_folders_are_both_looked_at(tmp_path):
    files = {"train": "a/x.txt", "valid": "b/x.txt", "test": "../x.txt"}
    (tmp_path / "texts").mkdir()
    for name in files.values():
        (tmp_path / "texts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "texts" / name).write_text("a\n")
    source = sources.build({"name": "texts", "path": str(tmp_path / "texts"), **files}, "source")
    origin = source.origin()
    assert {name: path.resolve() for name, path in origin.items()} == {
        name: (tmp_path / "texts" / name).resolve() for name in files.values()
    }
    alone = sources.build({"name": "texts", "path": str(tmp_path / "x.txt")}, "source")
    assert alone.origin() == {"x.txt": tmp_path / "x.txt"}


def test_add_takes_a_folder_of_text_for_what_it_is(tmp_path):
    (tmp_path / "input.txt").write_text("First Citizen:\nBefore we proceed any further, hear me speak.\n")
    assert text_source(str(tmp_path))["unit"] == "characters"
    (tmp_path / "input.txt").write_text(" a <unk> b\n")
    assert text_source(str(tmp_path)) == {"name": "texts", "path": str(tmp_path), "rows": "line", "unit": "words"}
    assert text_source(str(tmp_path / "input.txt"))["unit"] == "words"
    assert text_source(str(tmp_path), "bits_per_character")["unit"] == "characters"
    (tmp_path / "train.csv").write_text("id,y\n1,2\n")
    assert text_source(str(tmp_path)) is None
