"""``add`` of folders of plain text."""

from __future__ import annotations

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
