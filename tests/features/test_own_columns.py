"""Columns of one's own: row by row, or refused; the same for training, test, new rows and the champion."""

from __future__ import annotations

import builtins
import json

import pandas as pd
import pytest
from bench import TEST

from pipeline.core.errors import UserError
from pipeline.features.own_columns import with_own_columns

PATH = "pipeline/features/own/mine.py"
ROWS = pd.DataFrame({"id": range(40), "fare": [(i * 7 % 11) + 0.5 for i in range(40)], "deck": list("abcd") * 10})
GOOD = """
import pandas as pd

def columns(rows):
    return pd.DataFrame({"double": rows["fare"] * 2, "place": rows["deck"].str.upper()})
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write the file; gives what makes rows of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("")

    def make(text: str, rows: pd.DataFrame = ROWS, target: str | None = None, keep: list[str] | None = None):
        place = tmp_path / PATH
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        targets = () if target is None else (target,)
        return with_own_columns(rows, PATH, targets, "train.csv", keep=keep or (), held=True)

    return make


def test_columns_are_added_and_known_ones_replaced(own):
    made = own(GOOD + "\nold = columns\ndef columns(rows):\n    return old(rows).assign(fare=rows['fare'] + 1)\n")
    assert list(made) == ["id", "fare", "deck", "double", "place"]
    assert made["double"].tolist() == (ROWS["fare"] * 2).tolist()
    assert made["fare"].tolist() == (ROWS["fare"] + 1).tolist() and made["place"].tolist() == list("ABCD") * 10


@pytest.mark.parametrize(
    "body",
    [
        "rows.assign(mean=rows.groupby('deck')['fare'].transform('mean'))",
        "pd.DataFrame({'mean': rows['fare'] - rows['fare'].mean()})",
        "pd.DataFrame({'mean': rows['fare'].rank()})",
        "pd.DataFrame({'mean': rows['fare'].shift(1)})",
        "pd.DataFrame({'mean': rows['deck'].map(rows['deck'].value_counts())})",
        "pd.DataFrame({'mean': range(len(rows))})",
        "pd.DataFrame({'mean': KEPT.setdefault('m', rows['fare'].mean()) + rows['fare']})",
        "pd.DataFrame({'mean': __import__('numpy').random.default_rng().normal(size=len(rows))})",
    ],
    ids=["group mean", "mean", "rank", "row above", "counts", "place", "kept between calls", "chance"],
)
def test_what_looks_at_other_rows_is_refused_with_the_row_that_shows_it(own, body):
    with pytest.raises(UserError, match=r"mine\.py: columns is not row by row: 'mean' of row \d+ of train\.csv is .* "):
        own(f"import pandas as pd\nKEPT = {{}}\ndef columns(rows):\n    return {body}\n")


@pytest.mark.parametrize(
    "kept",
    [
        "__import__('builtins').__dict__.setdefault('podium_kept', rows['fare'].mean())",
        "float(__import__('os').environ.setdefault('PODIUM_KEPT', str(rows['fare'].mean())))",
        "__import__('json').__dict__.setdefault('podium_kept', rows['fare'].mean())",
    ],
    ids=["builtins", "environment", "another module"],
)
def test_what_is_kept_elsewhere_in_the_process_is_seen_in_another(own, kept, monkeypatch):
    monkeypatch.setenv("PODIUM_KEPT", "0")
    monkeypatch.delenv("PODIUM_KEPT")  # so that it is taken out again
    with pytest.raises(UserError, match=r"not row by row: 'mean' of row \d+"):
        own(f"import pandas as pd\ndef columns(rows):\n    return pd.DataFrame({{'mean': rows['fare'] - {kept}}})\n")
    vars(json).pop("podium_kept", None), vars(builtins).pop("podium_kept", None)


def test_no_file_is_written_to_remember_rows_by(own):
    with pytest.raises(UserError, match=r"raised PermissionError: kept\.txt may not be written"):
        own("def columns(rows):\n    open('kept.txt', 'w').write('3')\n    return rows\n")


def test_the_target_is_not_shown(own):
    mean = "def columns(rows):\n    return rows.assign(m=rows.groupby('deck')['y'].transform('mean'))\n"
    with pytest.raises(UserError, match=r"raised KeyError: .*y.* \(that is the target, which it is not shown\)"):
        own(mean, ROWS.assign(y=1.0), "y")


def test_a_column_that_is_not_there_is_told_with_those_that_are(own):
    with pytest.raises(UserError, match=r"raised KeyError: 'Fare'; the rows have .*fare"):
        own("def columns(rows):\n    return rows[['fare']].assign(m=rows['Fare'])\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "needs a function columns"),
        ("def columns(rows):\n    return 3", "needs to return a DataFrame of as many rows as it is given, 40, got int"),
        ("def columns(rows):\n    return rows.iloc[1:]", "as it is given, 40, got 39 rows"),
        ("def columns(rows):\n    return rows.assign(a=[[1]] * len(rows))", "'a' needs numbers, texts"),
        ("def columns(rows):\n    return rows.nothing", "raised AttributeError: "),
        ("def columns(rows:\n", "cannot be loaded: SyntaxError"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        (
            "import pandas as pd\ndef columns(rows):\n    return pd.concat([rows['id'], rows['id']], axis=1)",
            "'id' twice",
        ),
        (
            "import pandas as pd\ndef columns(rows):\n    return pd.get_dummies(rows[['id']].astype('str'))",
            "for some rows",
        ),
    ],
)
def test_what_is_no_answer_is_one_line(own, text, told):
    with pytest.raises(UserError, match=r"^pipeline/features/own/mine\.py") as caught:
        own(text)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_from_add_to_new_rows_and_an_edit_makes_rows_anew(bench):
    place = bench.root / PATH
    place.parent.mkdir(parents=True)
    text = "import pandas as pd\n\ndef columns(rows):\n    return pd.DataFrame({'square': rows['size'] ** 2})\n"
    place.write_text(text)
    bench.competition["own_columns"] = PATH
    bench.write()
    for stage in ("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit"):
        code, lines = bench.run(stage, "toy")
        assert code == 0, lines
    rows = pd.read_parquet(bench.root / "data" / "toy" / "rows" / "train.parquet")
    assert rows["square"].tolist() == (rows["size"] ** 2).tolist()
    (bench.root / "new.csv").write_text(TEST)
    code, lines = bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")
    assert code == 0, lines
    submitted = (bench.root / "data" / "toy" / "submission.csv").read_text()
    assert (bench.root / "answers.csv").read_text() == submitted
    checked = bench.root / "data" / "checked" / "toy" / "preprocess.json"
    before = checked.read_text()
    facts = (bench.root / "data" / "toy" / "rows" / "facts.json").read_text()
    place.write_text(text.replace("** 2", "** 3"))
    assert bench.run("preprocess", "toy")[0] == 0
    assert checked.read_text() != before
    assert (bench.root / "data" / "toy" / "rows" / "facts.json").read_text() != facts


@pytest.mark.parametrize(
    ("value", "told"), [("mine.py", "needs a file in"), (f"{PATH}x", "needs a Python file"), (3, "")]
)
def test_a_file_elsewhere_is_refused_by_check(bench, value, told):
    bench.competition["own_columns"] = value
    bench.write()
    code, lines = bench.run("check")
    assert code == 2 and "own_columns" in lines[0] and told in lines[0]


def test_the_files_of_rows_are_not_opened_on_loading_either(own, tmp_path):
    ROWS.assign(y=1.0).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(UserError, match=r"mine\.py: cannot be loaded: PermissionError: train\.csv is a file of rows"):
        own("import pandas as pd\nT = pd.read_csv('train.csv')\ndef columns(rows):\n    return rows.assign(m=len(T))\n")


def test_the_gallerys_example_adds_what_it_says(tmp_path):
    rows = pd.DataFrame(
        {
            "name": ["Allen, Miss. Elisabeth", "Byles, Rev. Thomas", "Brown, Mr. Edward"],
            "cabin": ["B5", None, "C22 C26"],
            "sibsp": [0, 1, 0],
            "parch": [0, 2, 0],
            "fare": [10.0, 20.0, 30.0],
        }
    ).astype({"name": "str", "cabin": "str"})
    made = with_own_columns(rows, "pipeline/features/own/titanic.py", ("survived",), "train.csv", held=True)
    assert made["title"].tolist() == ["Miss", "other", "Mr"] and made["family"].tolist() == [1, 4, 1]
    assert made["fare_each"].tolist() == [10, 5, 30] and made["alone"].tolist() == [True, False, True]


def test_labels_of_rows_that_have_no_order_are_passed_over(own):
    text = "    return rows.assign(new=rows['fare']).set_axis(['a', *rows.index[1:]])\n"
    made = own(f"def columns(rows):\n{text}")
    assert made["new"].equals(made["fare"].rename("new"))


def test_the_id_stays_as_it_is(own, tmp_path):
    with pytest.raises(UserError, match="must leave 'id' as it is"):
        own("def columns(rows):\n    return rows.assign(id=rows['id'].astype('str') + 'x')\n", keep=["id"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("rows['fare'].convert_dtypes(dtype_backend='pyarrow')", "number"),
        ("rows['fare'].astype('Float64')", "number"),
        ("rows['deck'].astype('category')", "text"),
        ("pd.Timestamp('2020-01-01') + pd.to_timedelta(rows['id'], unit='D')", "date"),
        ("rows['fare'].astype('Float64') > 3", "truth"),
    ],
)
def test_columns_of_any_pandas_type_are_settled(own, values, expected):
    from pipeline.features.settling import settle

    made = own(f"import pandas as pd\ndef columns(rows):\n    return pd.DataFrame({{'new': {values}}})\n")
    found = settle(made[["new"]], None, id=None, target=None)
    kinds = {"number": {"new"}, "truth": {"new"}, "text": {"new"}, "date": {"new.day", "new.days"}}
    assert kinds[expected] <= {column.name for column in found.columns}


def test_the_files_of_rows_are_not_opened(own, tmp_path):
    ROWS.assign(y=1.0).to_csv(tmp_path / "train.csv", index=False)
    ROWS.to_csv(tmp_path / "decks.csv", index=False)
    leak = "import pandas as pd\ndef columns(rows):\n    t = pd.read_csv('{}')\n    return rows.assign(m=len(t))\n"
    with pytest.raises(UserError, match=r"train\.csv is a file of rows"):
        own(leak.format("train.csv"))
    assert own(leak.format("decks.csv"))["m"].tolist() == [40] * 40  # a table of one's own may be
    assert len(pd.read_csv(tmp_path / "train.csv")) == 40  # and afterwards all may
