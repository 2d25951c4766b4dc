"""``add`` of folders of plain text."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml

LINES = "".join(f" the {animal} saw a <unk> {number} \n" for animal in ("cat", "dog", "cow") for number in range(30))


@pytest.fixture
def add(bench):
    """Adds a folder of these files as ``toy``: the competition, its models, and what was told."""
    (bench.root / "texts").mkdir()

    def added(files: dict[str, str], *options: str) -> tuple[dict, dict, list[str]]:
        for name, text in files.items():
            Path("texts", name).write_text(text, encoding="utf-8")
        code, told = bench.run("add", "toy", "--from", "texts", *options)
        assert code == 0, told
        written = yaml.safe_load(Path("params.yaml").read_text())
        return written["competitions"]["toy"], written["models"], told

    return added


def test_words_are_cut_by_spaces_and_counted_by_characters_where_the_metric_asks(add):
    competition, _, _ = add({"input.txt": LINES}, "--metric", "bits_per_character")
    assert competition["source"]["unit"] == competition["columns"]["target"] == "characters"
    assert {body["tokenizer"]["name"] for body in competition["features"].values()} == {"white_space"}
    assert competition["split"] == {"name": "holdout", "rows": "last", "part": 0.1}


def test_the_papers_files_keep_their_validation_rows_out_of_all_fits(add):
    files = {"ptb.train.txt": LINES, "ptb.valid.txt": " a dog \n", "ptb.test.txt": " a cat \n"}
    competition, models, _ = add(files)
    assert competition["split"] == {"name": "holdout", "rows": "valid", "refit": False}
    assert competition["metric"] == "perplexity" and competition["columns"]["target"] == "words"
    assert not any("retrain" in body for body in models.values())


def test_a_validation_file_that_is_the_training_file_is_told(add):
    _, _, told = add({"train.txt": LINES, "valid.txt": LINES})
    assert any("90 of its 90 rows are training rows too, so its score flatters" in line for line in told)


def test_paragraphs_are_rows_where_their_lines_are_cut_at_a_width(add):
    prose = [" ".join(f"word{(i * k) % 97}" * (k % 3 + 1) for k in range(5, 40)) for i in range(1, 40)]
    competition, _, _ = add({"input.txt": "\n\n".join(textwrap.fill(one, 72) for one in prose) + "\n"})
    assert competition["source"]["rows"] == "paragraph"
    assert "cut at a width" in competition["guessed"]["source.rows"]


@pytest.mark.parametrize(
    "text",
    [
        "\n\n".join(
            f"FIRST {i}:\nWho comes so late?\nIt is a voice that nobody has heard in all these years."
            for i in range(40)
        ),
        "\n".join(
            f"a line of its own, the {i}th, which ends where it is said" + " and on" * (i % 5) for i in range(90)
        ),
    ],
    ids=["verse", "lines"],
)
def test_lines_are_rows_where_they_end_by_themselves(add, text):
    competition, _, _ = add({"input.txt": text})
    assert competition["source"]["rows"] == "line" and "a row is a line" in competition["guessed"]["source.rows"]


@pytest.mark.parametrize(
    "text", ["".join(f"{i * i}\n" for i in range(60)), "one\n\n" * 40], ids=["digits", "empty lines"]
)
def test_lines_of_digits_and_empty_lines_are_rows(add, text):
    competition, models, _ = add({"input.txt": text})
    assert competition["task"]["name"] == "language_model" and "toy-n-gram" in models
