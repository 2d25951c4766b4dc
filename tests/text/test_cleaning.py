"""Cleaning on its way through the stages: declared, settled once in the schema, told, the same for new rows."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

from pipeline.core.code import PACKAGE
from pipeline.core.errors import Faults
from pipeline.core.files import read_json
from pipeline.core.types import Schema
from pipeline.features import values
from pipeline.features.typed_rows import new_rows
from pipeline.reporting.cleaning import cleaning_table, share, shown
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import stage_files
from pipeline.text.cleaning import cleaning
from pipeline.text.cleaning.cleaning import Changes, clean_column, excerpt
from pipeline.text.cleaning.declared import DEFAULT, build_clean


def names(steps) -> list[str]:
    return [step.name for step in steps]


def test_clean_is_a_list_the_default_nothing_or_by_column():
    assert names(build_clean(None, "c").steps) == names(build_clean("default", "c").steps) == list(DEFAULT)
    assert build_clean("none", "c").steps == build_clean([], "c").steps == ()
    more = build_clean(["default", {"name": "urls", "mark": ""}], "c").steps
    assert names(more) == [*DEFAULT, "urls"] and more[-1].mark == ""
    some = build_clean({"fr": ["case"], "en": "none"}, "c")
    assert names(some.columns["fr"]) == ["case"] and some.columns["en"] == () and names(some.steps) == list(DEFAULT)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("defualt", ["c: needs a list of steps, 'default' or 'none', got 'defualt'"]),
        ({"name": "urls"}, ["c.name: needs a list of steps"]),
        (
            ["url", {"name": "repeats", "most": 0}],
            ["c[0].name: no cleaning step 'url'; did you mean 'urls'", "c[1].most"],
        ),
        ({"a": ["url"], "b": [3]}, ["c.a[0].name", "c.b[0]: needs a name"]),
        ([{"name": "case", "to": "upper"}], ["c[0].to: unknown key"]),
    ],
)
def test_every_fault_of_it_is_told(raw, told):
    with pytest.raises(Faults) as error:
        build_clean(raw, "c")
    assert len(error.value.faults) == len(told)
    assert all(fault.startswith(words) for fault, words in zip(error.value.faults, told)), error.value.faults


def test_a_column_is_cleaned_in_blocks_and_counted(monkeypatch):
    monkeypatch.setattr(cleaning, "BLOCK", 4)
    texts = pd.Series(
        ["a\xa0b", None, "a\xa0b", "\x01", "ok", "ok", "ok", "ok", "\x00c\xa0\u200bd", ""], dtype="str", name="t"
    )
    changes = Changes()
    cleaned = clean_column(texts, build_clean(None, "c").steps, changes)
    expected = pd.Series(["a b", None, "a b", "", "ok", "ok", "ok", "ok", "c d", ""], dtype="str", name="t")
    pd.testing.assert_series_equal(cleaned, expected)
    lines = {line["step"]: line for line in changes.to_json()}
    assert list(lines) == list(DEFAULT) and all(line["texts"] == 9 for line in lines.values())
    assert {step: line["changed"] for step, line in lines.items() if line["changed"]} == {
        "control": 2,
        "spaces": 3,
        "invisible": 1,
    }
    assert lines["spaces"]["examples"] == [["a\xa0b", "a b"], ["c\xa0\u200bd", "c \u200bd"]]
    clean_column(texts, build_clean(None, "c").steps, changes)  # another table
    assert next(iter(changes.to_json()))["texts"] == 18 and len(changes.to_json()) == len(DEFAULT)


def test_what_needs_no_cleaning_is_not_copied():
    texts = pd.Series(["a", None, "é"], dtype="str", name="t")
    assert clean_column(texts, build_clean(None, "c").steps) is texts
    assert len(clean_column(texts.iloc[:0], build_clean(None, "c").steps)) == 0


def test_an_example_is_short_and_shows_the_change():
    long = "x" * 500_000
    before, after = excerpt(f"{long}\xa0{long}", f"{long} {long}")
    assert len(before) < 60 and before.count("\xa0") == 1 and after == before.replace("\xa0", " ")
    assert excerpt("aab", "ab") == ("aab", "ab")
    assert all(len(side) <= cleaning.LONGEST + 2 for side in excerpt("A" * 999, "a" * 999))


def test_half_a_character_from_json_is_no_fault():
    raw = pd.Series(["a\ud800b", "\ud83d\ude00", None, "NA"], dtype=object)
    assert values.text(raw, ("NA",)).fillna("missing").tolist() == ["a\ufffdb", "😀", "missing", "missing"]


# Through the stages.

WORDS = (
    "storm over the\xa0bay",
    "my cat\u200b sleeps",
    "fire near caf\u00c3\u00a9 two",
    "I love this &amp; that",
    "\x07",
)


def tweets(rows: range, *columns: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for i in rows:
        row = {"id": i, "text": f"{WORDS[i % 5]}{i if i % 5 < 4 else ''}", "place": f"New\xa0York {i % 3}", "y": i % 2}
        writer.writerow([row[column] for column in columns])
    return out.getvalue()


@pytest.fixture
def tweeting(bench):
    bench.files = {
        "train.csv": tweets(range(60), "id", "text", "place", "y"),
        "test.csv": tweets(range(60, 80), "id", "text", "place"),
        "sample_submission.csv": tweets(range(60, 80), "id", "y"),
    }
    bench.competition |= {
        "columns": {"id": "id", "target": "y", "types": {"text": "text", "place": "category"}},
        "task": {"name": "classification"},
        "metric": "accuracy",
        "features": {"numbers": {"name": "tfidf"}},
        "submission": "classes",
    }
    bench.model["model"] = {"name": "logistic_regression"}
    return bench


def test_rows_are_cleaned_once_and_new_rows_the_same_way(tweeting):
    tweeting.competition["clean"] = ["default", "entities", {"name": "repeats", "most": 2}]
    tweeting.write()
    tweeting.through("fetch", "preprocess")
    data = tweeting.root / "data" / "toy"
    rows = pd.read_parquet(data / "rows" / "train.parquet")
    assert rows["text"].tolist()[:5] == [
        "storm over the bay0", "my cat sleeps1", "fire near café two2", "I love this & that3", "",
    ]  # fmt: skip
    assert rows["place"].tolist()[0] == "New\xa0York 0"  # a category is as it is
    schema = Schema.from_json(json.loads((data / "schema.json").read_text()))
    assert list(schema.clean) == ["text"] and schema.to_json() == Schema.from_json(schema.to_json()).to_json()
    assert schema.clean["text"][1] == {"name": "line_ends"} and schema.clean["text"][-1] == {
        "name": "repeats",
        "most": 2,
    }
    raw = pd.read_csv(tweeting.root / "files" / "test.csv", dtype="str", keep_default_na=False)
    test = pd.read_parquet(data / "rows" / "test.parquet")
    assert new_rows(schema, raw, "new")["text"].tolist() == test["text"].tolist()
    lines = {line["step"]: line for line in read_json(data / "rows" / "facts.json")["cleaning"]}
    assert lines["spaces"]["texts"] == 80
    untouched = {"line_ends", "normalization", "repeats"}
    assert {step: line["changed"] for step, line in lines.items()} == {
        step: 0 if step in untouched else 16 for step in (*DEFAULT, "entities", "repeats")
    }


def test_predict_cleans_as_the_stages_did_and_the_report_tells(tweeting):
    tweeting.write()
    tweeting.through("fetch", "preprocess", "train", "tune", "blend", "retrain", "submit", "report")
    page = (tweeting.root / "data" / "toy" / "report" / "index.html").read_text()
    assert '<h2 id="cleaning">' in page and "the⟨U+00A0⟩bay0" in page and "cat⟨U+200B⟩" in page
    plain = tweets(range(60, 80), "id", "text", "place")
    for old, new in (("the\xa0", "the "), ("\u200b", ""), ("\u00c3\u00a9", "\u00e9"), ("\x07", "")):
        plain = plain.replace(old, new)
    answers = []
    for name, text in (("odd.csv", tweeting.files["test.csv"]), ("plain.csv", plain)):
        (tweeting.root / name).write_text(text, encoding="utf-8")
        assert tweeting.run("predict", "toy", "--in", name, "--out", f"answer-{name}")[0] == 0
        answers.append((tweeting.root / f"answer-{name}").read_bytes())
    assert answers[0] == answers[1] == (tweeting.root / "data" / "toy" / "submission.csv").read_bytes()


def test_what_cleans_is_part_of_what_rows_are(tweeting):
    tweeting.write()
    digests = {}
    tweeting.through("fetch")
    for clean in (None, [*DEFAULT], [*DEFAULT, "urls"]):
        params = json.loads(
            json.dumps({"competitions": {"toy": tweeting.competition}, "models": {"m": tweeting.model}})
        )
        if clean is not None:
            params["competitions"]["toy"]["clean"] = clean
        (tweeting.root / "params.yaml").write_text(json.dumps(params))
        tweeting.through("preprocess")
        digests[str(clean)] = read_json(tweeting.root / "data" / "toy" / "rows" / "facts.json")["digest"]
    assert digests["None"] == digests[str([*DEFAULT])] and len(set(digests.values())) == 2


def test_an_edited_step_makes_the_rows_of_its_users_anew(tweeting):
    tweeting.competition["clean"] = ["case"]
    tweeting.write()
    used = {path.relative_to(PACKAGE).as_posix() for path in stage_files("preprocess", load_project(), "toy")}
    assert "text/cleaning/letters.py" in used and "text/cleaning/declared.py" in used
    assert not {"text/cleaning/mojibake.py", "text/cleaning/addresses.py", "text/cleaning/__init__.py"} & used


def test_a_target_of_texts_keeps_its_spelling_unless_it_is_named(bench):
    def lines(rows: range, *columns: str) -> str:
        said = {"id": str, "en": lambda i: f"Go\xa0{i} now please!", "fr": lambda i: f"Va\u202f{i} !"}
        return "".join(",".join(row) + "\n" for row in [columns, *([said[name](i) for name in columns] for i in rows)])

    bench.files = {"train.csv": lines(range(60), "id", "en", "fr")}
    bench.competition |= {
        "columns": {"id": "id", "target": "fr"},
        "task": {"name": "translation"},
        "metric": "bleu",
        "features": {"pairs": {"name": "pairs", "source": "en", "target": "fr"}},
        "blend": "best",
    }
    bench.model |= {"features": "pairs", "model": {"name": "seq2seq"}, "fit": {"epochs": 1}}
    bench.write()
    for clean, french in ((None, "Va\u202f0 !"), ({"fr": ["spaces", "case"]}, "va 0 !")):
        params = {"competitions": {"toy": {**bench.competition, "clean": clean}}, "models": {"toy-a": bench.model}}
        (bench.root / "params.yaml").write_text(json.dumps(params))
        bench.through("fetch", "preprocess")
        rows = pd.read_parquet(bench.root / "data" / "toy" / "rows" / "train.parquet")
        assert rows["en"][0] == "Go 0 now please!" and rows["fr"][0] == french
    params["competitions"]["toy"]["clean"] = {"id": ["spaces"]}
    (bench.root / "params.yaml").write_text(json.dumps(params))
    code, told = bench.run("preprocess", "toy")
    assert code == 2 and told[-1].startswith("error: train.csv: clean: no column 'id' of texts"), told


# In the report.


def test_the_report_shows_what_is_not_seen():
    assert shown("Cours\u202f!\u200b\n", "Cours !") == ("Cours⟨U+202F⟩!⟨U+200B⟩⟨U+000A⟩", "Cours !")
    assert shown("cafe\u0301", "café") == ("cafe⟨U+0301⟩", "café")
    assert shown("क्या\xa0", "क्या ") == ("क्या⟨U+00A0⟩", "क्या ")
    assert share(1, 3) == "33.3%" and share(1, 10**6) == "< 0.1%"
    line = {"column": "t", "step": "spaces", "texts": 1000, "changed": 0, "examples": []}
    assert cleaning_table([line]) == {"cleaning": [], "untouched": {"t": "spaces"}}
    assert cleaning_table([]) == {"cleaning": [], "untouched": {}}
