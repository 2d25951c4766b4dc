"""``look``: the first rows as models will see them; and the table that ``add`` prints."""

from __future__ import annotations

import re

import pytest
import yaml
from bench import TEST, TRAIN

from pipeline.commands import add, look

PRICES = "id,colour,size,y\n" + "".join(
    f'{i},{"red" if i % 3 else "blue"},"{i % 7},5",{i * 5 % 13 + 1}\n' for i in range(30)
)


@pytest.fixture
def printed(bench, capsys):
    def run(*arguments: str) -> str:
        look.run("toy", *map(int, arguments))
        return capsys.readouterr().out

    return run


def test_rows_are_shown_typed_and_encoded_before_anything_has_run(bench, printed):
    bench.files |= {"train.csv": PRICES, "test.csv": TEST.replace(",0\n", ',"0,5"\n')}
    bench.write()
    told = printed("3")
    assert "toy: 30 training rows, 2 columns" in told
    assert "size    number    numbers written as text; numbers written 1.234,5" in told
    sizes = next(line for line in told.splitlines() if line.split()[:1] == ["size"] and "number" not in line)
    assert sizes.split() == ["size", "0.5", "1.5", "2.5"]
    assert any(line.split()[0] == "fold" for line in told.splitlines() if line.strip())
    assert "feature set numbers (tabular), the first row:" in told and "colour=blue=1" in told
    assert not (bench.root / "data").exists()


def test_a_declared_format_sets_a_doubtful_number_right(bench, printed):
    """What a reader makes numbers of by itself included, in all files and in the target."""
    bench.files = {name: text.replace(",5", ",1.500") for name, text in bench.files.items()}
    bench.competition["columns"]["formats"] = {"size": "1.234,5", "y": "1.234,5"}
    bench.write()
    told = printed("30")
    assert "size    number    as params.yaml says; numbers written 1.234,5" in told
    sizes, answers = (line.split() for line in told.splitlines() if line.startswith(("  size ", "  y ")))
    assert "1500" in sizes and "1500" in answers and "1.5" not in sizes + answers


def test_what_preprocess_wrote_is_shown(bench, printed):
    bench.write()
    before = printed()
    for stage in ("fetch", "preprocess"):
        assert bench.run(stage, "toy")[0] == 0
    (bench.root / "files" / "train.csv").unlink()
    assert printed() == before


def test_settings_edited_since_are_those_that_are_shown(bench, printed):
    """And it is told that what lies there is of others."""
    bench.write()
    bench.through("fetch", "preprocess")
    params = yaml.safe_load((bench.root / "params.yaml").read_text())
    params["competitions"]["toy"]["columns"]["types"] = {"size": "category"}
    params["competitions"]["toy"]["features"]["numbers"]["scale"] = "none"
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
    look.run("toy", 3)
    told = bench.capsys.readouterr()
    assert "warning: params.yaml was edited since toy was preprocessed" in told.err
    assert re.search(r"size +category +as params.yaml says", told.out)
    bench.through("preprocess")
    look.run("toy", 3)
    assert bench.capsys.readouterr() == (told.out, "")


TWEETS = "id,text,y\n" + "".join(f"{i},fire at the\xa0station number {i},{i % 3}\n" for i in range(60))


def test_texts_are_shown_cleaned_and_it_is_told_by_what(bench, printed, capsys):
    bench.files = {"train.csv": TWEETS}
    bench.competition |= {"features": {"numbers": {"name": "tfidf"}}, "clean": ["spaces", "case"]}
    bench.write()
    told = printed("3")
    assert "cleaned: text by spaces, case; clean names other steps" in told
    assert "\xa0" not in told and "fire at the stati…" in told
    assert "in this row: 'text: at' " in told, "terms are words, not their numbers"
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    assert "cleaned: text by mojibake, line_ends, control, spaces, invisible, normalization;" in capsys.readouterr().out
    assert "clean:" not in (bench.root / "params.yaml").read_text()


def test_tables_that_nobody_asked_for_are_told(bench, capsys):
    bench.files |= {"valid.csv": TRAIN.replace(",red,", ",blue,"), "items.csv": "a\n1\n", "more.csv": TRAIN}
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    told = " ".join(capsys.readouterr().out.split())
    assert "not used: items.csv, more.csv; source.test, source.sample_submission or source.extra name one" in told
    assert "guessed split = holdout: valid.csv lies beside the training file" in told
    assert "split: {name: holdout, rows: valid}" in (bench.root / "params.yaml").read_text()


def test_many_columns_of_a_kind_are_told_together(bench, capsys):
    names = [f"n{i}" for i in range(60)]
    head, *lines = TRAIN.splitlines()
    wide = [f"{head.rpartition(',')[0]},{','.join(names)},y"]
    for i, line in enumerate(lines):
        wide.append(f"{line.rpartition(',')[0]},{','.join(str(k % 9) for k in range(i, i + 60))},{i % 7}.5")
    bench.files["train.csv"] = "\n".join(wide) + "\n"
    head, *lines = TEST.splitlines()
    rows = [f"{head},{','.join(names)}", *(f"{line},{','.join(['3'] * 60)}" for line in lines)]
    bench.files["test.csv"] = "\n".join(rows) + "\n"
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    told = capsys.readouterr().out
    assert "n59 (61)" in told and "n30 " not in told
