"""Tables: the typing rule, what is fine, and one line for everything that is not."""

import bz2
import gzip
import lzma
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.core import paged
from pipeline.core.errors import UserError
from pipeline.sources import text_tables
from pipeline.sources.tables import find_table, read_table, write_table
from pipeline.sources.text_tables import arrow_buffer


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write bytes as train.csv and read them."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def write_and_read(content: bytes, name: str = "train.csv", **settings) -> pd.DataFrame:
        (tmp_path / name).write_bytes(content)
        return read_table(tmp_path / name, **settings)

    return write_and_read


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", "-2"], "int64", [1, -2]),
        (["1", ""], "float64", [1.0, np.nan]),
        (["1.5", "1e3", ".5", "2."], "float64", [1.5, 1000.0, 0.5, 2.0]),
        ([" 1", "2 "], "int64", [1, 2]),
        (["inf", "-1"], "float64", [np.inf, -1.0]),
        (["1e300", "2e-300"], "float64", [1e300, 2e-300]),
        (["", "NA"], "float64", [np.nan, np.nan]),
        (["None", "NA", "x"], "str", ["None", np.nan, "x"]),
        (["True", "False"], "str", ["True", "False"]),
        (["2020-01-02", "2020-01-03"], "str", ["2020-01-02", "2020-01-03"]),
        (["12:30", "13:00"], "str", ["12:30", "13:00"]),
        (["007", "008"], "str", ["007", "008"]),
        (["00.5", "1.5"], "str", ["00.5", "1.5"]),
        (["", "1.5", "-01"], "str", [np.nan, "1.5", "-01"]),
        (["0", "", "-0.5", "0.25", "-0"], "float64", [0.0, np.nan, -0.5, 0.25, -0.0]),
        ([*["1.5"] * 150, "x"], "str", [*["1.5"] * 150, "x"]),
        (["+49", "1.0"], "str", ["+49", "1.0"]),
        (["0x10", "2"], "str", ["0x10", "2"]),
        (["nan", "1"], "str", ["nan", "1"]),
        (["12345678901234567890", "1"], "str", ["12345678901234567890", "1"]),
        (["12345678901234567", ""], "str", ["12345678901234567", np.nan]),
        (["9007199254740993", "1"], "int64", [9007199254740993, 1]),
    ],
)
def test_a_column_is_typed_by_one_rule(read, values, dtype, expected):
    frame = read(("a,b\n" + "".join(f"{value},z\n" for value in values)).encode())
    assert str(frame["a"].dtype) == dtype
    pd.testing.assert_series_equal(frame["a"], pd.Series(expected, dtype=dtype, name="a"))


def test_only_the_named_strings_are_missing(read):
    frame = read(b"a,b\n?,NA\nx,None\n", missing=("?",))
    assert frame["a"].isna().tolist() == [True, False]
    assert frame["b"].tolist() == ["NA", "None"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y\r\n",
        b"a,b\r1,x\r2,y\r",
        b'"a","b"\n"1","x"\n"2","y"\n',
        b"a,b\n\n1,x\n\n2,y",
    ],
    ids=["byte order mark and CRLF", "CR", "quoted", "blank lines, no last newline"],
)
def test_what_is_fine(read, content):
    pd.testing.assert_frame_equal(read(content), pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


def test_quotes_commas_and_newlines_in_values(read):
    frame = read(b'a,b\n1,"x, ""y""\nz"\n2,5" pipe\n')
    assert frame["b"].tolist() == ['x, "y"\nz', '5" pipe']


PLAIN = b"id,x\n1,2.5\n2,3.5\n"


@pytest.mark.parametrize(
    ("before", "mark", "names"),
    [
        (b"sep=;\r\n", b";", ["id", "x"]),
        (b'"sep=\t"\n', b"\t", ["id", "x"]),
        (b"sep=\\t\n", b"\t", ["id", "x"]),
        (b"\xef\xbb\xbfsep=|\n", b"|", ["id", "x"]),
        (b"# made on Monday\n", b",", ["id", "x"]),
        (b"# a, b, c\n\n# and, more\n", b",", ["id", "x"]),
        (b"sep=;\n# made by me\n", b";", ["id", "x"]),
        (b"#", b",", ["#id", "x"]),
        (b"# ", b",", ["# id", "x"]),
        (b"##source: here\n#", b",", ["#id", "x"]),
    ],
)
def test_what_stands_before_the_column_names_is_passed_over(read, before, mark, names):
    content = before + PLAIN.replace(b",", mark)
    frame = read(content)
    assert list(frame) == names and frame.to_numpy().tolist() == [[1, 2.5], [2, 3.5]]
    with pytest.raises(UserError, match=f"line {content.count(bytes([10])) + 1}: 3 values where there are 2"):
        read(content + mark.join([b"3", b"4", b"5"]) + b"\n")


@pytest.mark.parametrize(
    "content",
    [
        b"id,x\n1,2.5,\n2,3.5,\n",  # pandas' issue 14124
        b"id,x,\n1,2.5\n2,3.5\n",
        b"id,x,\n1,2.5,\n2,3.5,\n",
        b"id , x\n1,2.5\n2,3.5\n",
        b"id,x\n1,2.5\n2,3.5\n,\n,\n",  # as Excel saves rows that once held something
        b"\xef\xbb\xbf\xef\xbb\xbfid,x\n1,2.5\n2,3.5\n",
    ],
    ids=["after rows", "after names", "after both", "spaces in names", "empty rows at the end", "two marks"],
)
def test_delimiters_and_spaces_that_hold_nothing(read, content):
    pd.testing.assert_frame_equal(read(content), pd.DataFrame({"id": [1, 2], "x": [2.5, 3.5]}))


def test_delimiters_at_the_end_of_some_rows_alone_are_told(read):
    with pytest.raises(UserError, match="line 2: 3 values where there are 2 columns"):
        read(b"id,x\n1,2.5,\n2,3.5\n")
    with pytest.raises(UserError, match="line 4: 2 values where there are 3 columns"):
        read(b"id,x\n1,2.5,\n2,3.5,\n3,4\n")


def test_a_backslash_before_marks_in_values(read):
    """As some exports of databases have it; where the plain reading fits, a backslash is a letter."""
    frame = read(b'id,title,x\n1,Boot\\, das,2\n2,"a \\"big\\", one",3\n3,"5\\" pipe",4\n')
    assert frame["title"].tolist() == ["Boot, das", 'a "big", one', '5" pipe'] and frame["x"].tolist() == [2, 3, 4]
    assert read(b"id,path\n1,C:\\new\n2,D:\\\n")["path"].tolist() == ["C:\\new", "D:\\"]
    with pytest.raises(UserError, match="line 3: 1 values"):
        read(b"id,path\n1,C:\\new\n2\n")


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.csv.bz2", "train.csv.xz"])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_what_is_packed_is_told_by_its_content(read, name, pack):
    assert read(pack(PLAIN), name)["x"].tolist() == [2.5, 3.5]


def test_a_zip_by_any_name_with_a_table_by_any_name(read, tmp_path):
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("export", PLAIN)
    assert read((tmp_path / "made.zip").read_bytes())["x"].tolist() == [2.5, 3.5]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!DOCTYPE html>\n<html>Sign in, please</html>\n", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", "is a Git LFS pointer"),
        (b"PAR1\x15\x04PAR1", "is parquet; name it .parquet"),
        (b'{"id": 1}\n{"id": 2}\n', "is JSON"),
        (b"id  x  y\n 1  2  3\n 2  3  4\n", "its 3 columns are separated by spaces"),
        (b"id,x\n1,2\nid,x\n3,4\n", "row 3 holds the column names again"),
    ],
)
def test_what_is_no_table_is_told_as_what_it_is(read, content, told):
    with pytest.raises(UserError, match=f"train.csv: {told}"):
        read(content)


def test_the_index_that_pandas_keeps_in_the_metadata_of_parquet(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5]}, index=pd.RangeIndex(7, 9, name="id"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["id"].tolist() == [7, 8]
    frame.rename_axis(None).to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet")) == ["x"]


def test_a_row_that_begins_with_a_hash_is_none_of_them(read):
    assert read(b"colour,x\n#ff0000,1\n#00ff00,2\n")["colour"].tolist() == ["#ff0000", "#00ff00"]
    assert list(read(b"#colour,name\nred,Al\nblue,Bo\n")) == ["#colour", "name"]


def test_a_value_longer_than_the_csv_module_takes_and_a_block(read):
    text = "word, " * 1_000_000
    assert read(f'a,b\n1,"{text}"\n'.encode())["b"].tolist() == [text]


def test_an_unnamed_column_gets_the_name_that_pandas_gives_it(read):
    assert list(read(b",b,\n0,1,2\n").columns) == ["Unnamed: 0", "b", "Unnamed: 2"]


def test_tsv_gz_zip_and_other_encodings(read, tmp_path):
    expected = pd.DataFrame({"a": [1], "b": ["é,x"]})
    pd.testing.assert_frame_equal(read("a\tb\n1\té,x\n".encode(), "t.tsv"), expected)
    csv = 'a,b\n1,"é,x"\n'
    pd.testing.assert_frame_equal(read(gzip.compress(csv.encode()), "t.csv.gz"), expected)
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("t.csv", csv)
        archive.writestr("__MACOSX/._t.csv", "litter")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv.zip"), expected)
    pd.testing.assert_frame_equal(read(csv.encode("cp1252"), "c.csv", encoding="cp1252"), expected)
    pd.testing.assert_frame_equal(read(csv.encode("utf-16"), "u.csv", encoding="utf-16"), expected)


def test_parquet_follows_the_same_rule(tmp_path):
    frame = pd.DataFrame(
        {
            "small": np.array([1, 2], dtype="uint8"),
            "half": np.array([1, np.nan], dtype="float32"),
            "flag": [True, False],
            "level": pd.Categorical(["None", "NA"]),
            "day": pd.to_datetime(["2020-01-02", None]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert [str(dtype) for dtype in read.dtypes] == ["int64", "float64", "str", "str", "str"]
    assert read["flag"].tolist() == ["True", "False"]
    assert read["level"].isna().tolist() == [False, True]
    assert read["day"][0].startswith("2020-01-02")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "dictionary"])
def test_a_text_of_parquet_that_is_no_utf8_is_told_with_its_column_and_row(tmp_path, monkeypatch, kind, large):
    monkeypatch.setattr(paged, "LARGE", 1 if large else 1 << 40)
    raw = pa.array([b"fine", None, b"caf\xe9"], pa.large_binary() if kind == "large_string" else pa.binary())
    if kind != "binary":
        raw = pa.Array.from_buffers(pa.large_string() if kind == "large_string" else pa.string(), 3, raw.buffers())
    words = raw.dictionary_encode() if kind == "dictionary" else raw
    pa.parquet.write_table(pa.table({"id": [1, 2, 3], "words": words}), tmp_path / "t.parquet")
    told = r"^t\.parquet column 'words', row 3 of 3: byte 0xe9 is not valid UTF-8"
    for text in ((), ("words",)):
        with pytest.raises(UserError, match=told) as caught:
            read_table(tmp_path / "t.parquet", name="t.parquet", text=text)
        assert "\n" not in str(caught.value)


FAULTS = {
    "no bytes": (b"", "train.csv: the file is empty"),
    "blank lines only": (b"\n\n", "the file is empty"),
    "names only": (b"a,b\n", "has column names and no rows"),
    "names only, no newline": (b"a,b", "has column names and no rows"),
    "row too long": (b"a,b\n1,2\n1,2,3\n", "train.csv line 3: 3 values where there are 2 columns"),
    "row too short": (b"a,b\n1,2\n3\n", "line 3: 1 values where there are 2 columns (column 'b'"),
    "ragged after a value of two lines": (b'a,b\n"1\n1",2\n3\n', "line 4: 1 values"),
    "names twice": (b"a,b,a\n1,2,3\n", "line 1: the column name 'a' stands twice (columns 1 and 3)"),
    "encoding": (
        b"a,b\n1,x\n2,caf\xe9\n",
        "line 3 column 'b': byte 0xe9 is not valid UTF-8; set the source's encoding",
    ),
    "encoding of a name": (b"a,caf\xe9\n1,x\n", "line 1: byte 0xe9 is not valid UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "set the source's encoding to utf-16"),
    "NUL": (b"a,b\n1,x\x00y\n", "line 2: holds a NUL byte"),
    "quote never closed": (b'a,b\n1,x\n2,"y\n3,z\n', "line 3: a quote is opened and never closed"),
    "quote never closed, last value": (b'a,b\n1,"x\n', "line 2: a quote is opened and never closed"),
    "two lost quotes run rows together": (b'a,b\n1,"x\n2,"y\n3,z\n', "line 2: badly quoted"),
    "quote in the names": (b'"a,b\n1,2\n', "line 1: a quote is opened and never closed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_file_line_and_rule(read, fault, tmp_path):
    content, message = FAULTS[fault]
    with pytest.raises(UserError) as caught:
        read(content)
    text = str(caught.value)
    assert message in text
    assert text.startswith("train.csv") and "\n" not in text and str(tmp_path) not in text


def test_faults_of_the_file_itself(read, tmp_path):
    with pytest.raises(UserError, match=r"^none\.csv: no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"'t\.xlsx' is no table to read here"):
        read(b"PK", "t.xlsx")
    with pytest.raises(UserError, match="not a whole parquet file"):
        read(b"PAR1 cut", "t.parquet")
    with pytest.raises(UserError, match="archive is damaged"):
        read(gzip.compress(b"a,b\n1,2\n" * 100)[:-20], "t.csv.gz")
    for encoding in ("klingon", "hex"):
        with pytest.raises(UserError, match=f"no encoding '{encoding}'"):
            read(b"a\n1\n", encoding=encoding)
    with pytest.raises(UserError, match="line 2: not valid utf-16-le"):
        read("a,b\n1,é\n".encode(), "u.csv", encoding="utf-16-le")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.csv").write_bytes(b"")
    with pytest.raises(UserError, match=r"^elsewhere/x\.csv: the file is empty"):
        read_table(tmp_path / "elsewhere" / "x.csv")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_what_is_written_is_what_is_read(tmp_path, suffix):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=50),
            "whole": random.integers(-(2**60), 2**60, 50),
            "text": random.choice(["a", "b,c", 'd"e', "f\ng", "h\ri", "j\tk", " l ", "é"], 50),
            "gaps": [None if i % 3 else "x" for i in range(50)],
        }
    )
    frame["gaps"] = frame["gaps"].astype("str")
    write_table(frame, tmp_path / f"t{suffix}", missing="NA")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"t{suffix}"), frame)
    first = (tmp_path / f"t{suffix}").read_bytes()
    write_table(frame, tmp_path / f"t{suffix}", missing="NA")
    assert (tmp_path / f"t{suffix}").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [f"t{suffix}"]


def test_an_unknown_suffix_is_not_written(tmp_path):
    with pytest.raises(UserError, match=r"written as \.csv, \.tsv or \.parquet, got '\.xlsx'"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


def test_numbers_agree_with_pandas_own_exact_reader(tmp_path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(500, 4)) * 10.0 ** random.integers(-20, 20, (500, 4))).rename(columns=str)
    frame.to_csv(tmp_path / "t.csv", index=False)
    expected = pd.read_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), expected, check_exact=True)


def test_find_table(tmp_path):
    assert find_table(tmp_path, "train") is None
    (tmp_path / "train.csv.zip").touch()
    assert find_table(tmp_path, "train") == tmp_path / "train.csv.zip"
    (tmp_path / "train.csv").touch()
    assert find_table(tmp_path, "train") == tmp_path / "train.csv"


def test_the_reading_threads_hold_nothing_of_the_interpreters(read, monkeypatch):
    held = sys.getrefcount(data := bytes(8000))
    buffer = arrow_buffer(data)
    assert sys.getrefcount(data) == held and buffer.to_pybytes() == data
    made, given, reader = [], [], pa.BufferReader
    monkeypatch.setattr(text_tables, "arrow_buffer", lambda content: made.append(arrow_buffer(content)) or made[-1])
    monkeypatch.setattr(pa, "BufferReader", lambda source: given.append(source) or reader(source))
    assert read(b"a,b\n1,2\n")["b"].tolist() == [2]
    assert len(given) == 1 and given[0] is made[0]
