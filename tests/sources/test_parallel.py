"""Parallel text as a competition of translation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.commands.parallel import describe, parallel_source
from pipeline.core.errors import UserError
from pipeline.sources import sources

EN = "A dog.\nTwo \u2028 cats \x0c\x85 here\r{x}\n\nNA\n4 birds"
DE = "Ein Hund.\nZwei \u2028 Katzen \x0c\x85 hier\r{x}\nleer\nNA\n4 V\u00f6gel\n"
SIDES = {"train.en": EN, "train.de": DE}


def folder_of(tmp_path: Path, files) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def fetched(tmp_path, files, **settings):
    folder = folder_of(tmp_path, files)
    source = sources.build({"name": "parallel", "path": str(folder), "source": "en", "target": "de", **settings}, "s")
    source.fetch(tmp_path / "raw", "x")
    return {path.stem: pd.read_parquet(path) for path in (tmp_path / "raw").iterdir()}


def test_lines_end_at_line_feeds_alone_and_pairs_with_an_empty_side_are_left_out(tmp_path, capsys):
    train = fetched(tmp_path, SIDES)["train"]
    assert list(train) == ["id", "en", "de"]
    assert train["en"].tolist() == ["A dog.", "Two \u2028 cats \x0c\x85 here\r{x}", "NA", "4 birds"]
    assert train["de"].tolist() == ["Ein Hund.", "Zwei \u2028 Katzen \x0c\x85 hier\r{x}", "NA", "4 Vögel"]
    assert "1 pairs with an empty side are left out" in capsys.readouterr().err


def test_files_are_found_by_their_usual_names_and_the_test_rows_answers_are_apart(tmp_path):
    beside = {
        "dev.lc.en": "a\n",
        "dev.lc.de": "b\n",
        "test_2016.en": "c\n\n",
        "test_2016.de": "d\ne\n",
        "README.md": "x",
    }
    tables = fetched(tmp_path, {**SIDES, **beside})
    assert set(tables) == {"train", "valid", "test", "solution", "sample_submission"}
    assert tables["test"].to_dict("list") == {"id": [5, 6], "en": ["c", ""]}
    assert tables["solution"]["de"].tolist() == ["d", "e"] and tables["valid"]["de"].tolist() == ["b"]
    assert tables["sample_submission"]["de"].tolist() == ["Ein Hund."] * 2


def test_indonesian_stands_beside_the_rows_numbers(tmp_path):
    files = {"train.en": "A dog.\n", "train.id": "Seekor anjing.\n", "test.en": "a\n", "test.id": "b\n"}
    tables = fetched(tmp_path, files, target="id")
    assert tables["train"].to_dict("list") == {"number": [0], "en": ["A dog."], "id": ["Seekor anjing."]}
    assert list(tables["test"]) == ["number", "en"] and list(tables["solution"]) == ["number", "id"]
    assert list(tables["sample_submission"]) == ["number", "id"]
    origin = parallel_source(str(tmp_path / "texts"), "id")
    columns = describe(origin, tables["train"], False, None)["competition"]["columns"]
    assert columns["id"] == "number" and columns["target"] == "id"


def test_files_of_one_name_in_two_folders_are_both_looked_at(tmp_path):
    folder = folder_of(tmp_path, {})
    for name in ("one/x.en", "one/x.de", "two/x.en", "two/x.de"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("a\n")
    settings = {"name": "parallel", "path": str(folder), "source": "en", "target": "de", "train": "one/x"}
    origin = sources.build({**settings, "valid": "two/x"}, "s").origin()
    assert list(origin) == ["one/x.en", "one/x.de", "two/x.en", "two/x.de"]
    assert all(path.is_file() for path in origin.values())


def test_unequal_files_are_told_with_where_they_come_apart(tmp_path):
    files = {"train.en": "A dog.\n4 birds\nA cat.\n", "train.de": "Ein Hund.\nEine Katze\n4 Vögel\nEine Maus.\n"}
    told = (
        r"train\.en has 3 and train\.de has 4; the first that differ in kind are those of line 2: '4 birds' and 'Eine K"
    )
    with pytest.raises(UserError, match=told):
        fetched(tmp_path, files)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [("a\n\nb\n", "c\nd\n", "line 2: '' and 'd'"), ("a\nb\n", "c\n", "line 2: 'b' and none")],
)
def test_where_kinds_differ(tmp_path, first, second, told):
    with pytest.raises(UserError, match=told):
        fetched(tmp_path, {"train.en": first, "train.de": second})


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"train.en": "a\n"}, "no file such as 'train.de'"),
        ({**SIDES, "test.de": "a\n"}, "no file such as 'test.en'"),
        ({**SIDES, "a.train.en": "a\n"}, "could each be the train file"),
        ({"train.en": "\n", "train.de": "a\n"}, "holds no text"),
    ],
)
def test_what_is_no_pair_of_files_is_refused(tmp_path, files, told):
    with pytest.raises(UserError, match=told):
        fetched(tmp_path, files)


def test_which_language_is_asked_for_is_the_one_that_the_test_lacks_or_what_is_said(tmp_path):
    folder = str(folder_of(tmp_path, {**SIDES, "test.en": "a\n"}))
    found = {"name": "parallel", "path": folder, "source": "en", "target": "de"}
    assert parallel_source(folder, None) == found == parallel_source(folder, "de")
    Path(folder, "test.de").write_text("b\n")
    assert parallel_source(folder, "en") == {**found, "source": "de", "target": "en"}
    with pytest.raises(UserError, match="give --target"):
        parallel_source(folder, None)
    with pytest.raises(UserError, match="no training file of 'fr'"):
        parallel_source(folder, "fr")
    Path(folder, "train.csv").write_text("id,en,de\n1,a,b\n")
    assert parallel_source(folder, None) is None


def test_an_ending_of_other_files_too_is_a_language_where_a_side_lacks_its_translation(tmp_path):
    folder = folder_of(tmp_path, {"train.en": "a\n", "train.pt": "b\n", "test.en": "c\n", "test.sh": "no text"})
    found = {"name": "parallel", "path": str(folder), "source": "en", "target": "pt"}
    assert parallel_source(str(folder), None) == found
    (folder / "train.de").write_text("d\n")
    assert parallel_source(str(folder), None) == {**found, "target": "de"}  # train.pt may be anything
    (folder / "train.en").unlink()
    (folder / "test.en").unlink()
    (folder / "test.de").write_text("c\n")
    assert parallel_source(str(folder), "pt") == {**found, "source": "de"}


@pytest.mark.parametrize("ending", ["pt", "ps", "sh", "english", "txt"])
def test_the_endings_that_are_named_are_languages(tmp_path, ending):
    files = {f"train.{ending}": "a\n", "train.de": "b\n", "train.fr": "x\n", "test.fr": "x\n", f"test.{ending}": "c\n"}
    tables = fetched(tmp_path, files, source=ending)
    assert tables["train"][ending].tolist() == ["a"] and tables["test"][ending].tolist() == ["c"]
    assert parallel_source(str(tmp_path / "texts"), ending)["target"] == ending


def test_the_split_follows_the_files():
    origin = {"name": "parallel", "path": "x", "source": "en", "target": "de"}
    train = pd.DataFrame({"en": ["a b"] * 30_000, "de": ["c d e"] * 30_000})
    described = describe(origin, train, True, None)
    assert described["competition"]["split"] == {"name": "holdout", "rows": "valid", "refit": False}
    assert described["words"] == 3
    assert describe(origin, train, False, None)["competition"]["split"]["name"] == "holdout"
    assert describe(origin, train[:99], False, "chrf")["competition"]["split"]["folds"] == 3
    blends = [describe(origin, train[:99], False, metric)["competition"]["blend"] for metric in (None, "perplexity")]
    assert blends == [{"name": "consensus"}, {"name": "ensemble"}]
