"""``translate`` on a small competition that went through the stages."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import in_process
import pytest
from words import competition, write_files

from pipeline.core.files import read_json


def declared() -> dict:
    fit = {"epochs": 20, "learning_rate": 0.02, "batch_size": 8}
    models = {
        "words-gru": {"name": "seq2seq", "hidden": 32, "embedding": 16, "dropout": 0.0},
        "words-none": {"name": "seq2seq", "hidden": 4, "embedding": 4, "attention": "none"},
    }
    models = {
        key: {
            "competition": "words",
            "features": "pairs",
            "model": one,
            "fit": {**fit, "epochs": 20 if key == "words-gru" else 1},
            "retrain": {"always": True},
        }
        for key, one in models.items()
    }
    return {
        "competitions": {"words": competition(blend="consensus")},
        "models": models,
        "execution": {"executor": "serial"},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Its folder, not to be written to."""
    root = tmp_path_factory.mktemp("words")
    write_files(root)
    return in_process.trained(root, declared())


@pytest.fixture
def words(trained, commands, monkeypatch):
    monkeypatch.chdir(trained)
    return partial(commands, "translate", "words")


def test_the_best_translations_with_their_scores_and_what_they_looked_at(words):
    code, out, told = words("a red cat", "--n-best", "2")
    assert (code, told) == (0, [])
    lines = out.splitlines()
    assert lines[0] == "a red cat" and lines[1].endswith("un rouge chat")
    scores = [float(line.split()[0]) for line in lines[1:3]]
    assert scores[0] > scores[1]
    assert lines[4].split() == ["a", "red", "cat", "<eos>"]
    rows = [line.split() for line in lines[5:9]]
    assert [row[0] for row in rows] == ["un", "rouge", "chat", "<eos>"]
    assert all(abs(sum(map(int, row[1:])) - 100) <= 4 for row in rows)  # rounded to whole percent
    assert words("a red cat", "--no-attention")[1].strip().count("\n") == 3


def test_a_long_source_is_shown_in_blocks_that_fit(words):
    out = words(" ".join(["a red cat"] * 9))[1]
    assert max(map(len, out.splitlines()[5:])) <= 80
    heads = re.findall(r"^ +(?:(?:a|red|cat|<eos>) *)+$", out, re.MULTILINE)
    assert len(heads) == 2 and " ".join(heads).split() == [*["a", "red", "cat"] * 9, "<eos>"]


def test_lines_of_stdin_are_translated_each_in_its_place(words):
    code, out, told = words("--plain", stdin="big dog\n\na cat\n")
    assert (code, told) == (0, [])
    assert out.splitlines()[1] == "" and out.count("\n") == 3
    assert words("--plain", "big dog")[1] == out.splitlines()[0] + "\n"


def test_lines_end_at_a_line_feed_alone(words):
    texts = ["a\u2028cat", "a\x85cat", "a\rcat", "a cat"]
    code, out, _ = words("--plain", stdin="\n".join(texts) + "\r\n")
    assert code == 0 and out.count("\n") == 4 and out.endswith(words("--plain", "a cat")[1])


def test_a_model_without_attention_shows_none(words):
    code, out, told = words("--model", "words-none", "a cat", "--n-best", "1")
    assert (code, told) == (0, []) and len(out.strip().splitlines()) == 2


def test_what_is_not_known_and_what_is_cut_is_told(words):
    code, _, told = words("zebra yak", "--plain")
    assert code == 0 and told == ["warning: 2 of the 2 tokens of 'zebra yak' stand for what training never saw"]
    code, _, told = words("a cat " * 100, "--plain")
    assert code == 0 and re.match("warning: only 128 of the 200 tokens of 'a cat a cat .*' are read", told[0])


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["a cat", "--model", "words-gry"], "", "--model: 'words' has no model 'words-gry'; did you mean 'words-gru'"),
        (["a cat", "--n-best", "0"], "", "--n-best: needs a number from 1 to 1000, got 0"),
        (["a cat", "--n-best", "1001"], "", "--n-best: needs a number from 1 to 1000, got 1001"),
        ([], "", "translate: needs texts, as arguments or on stdin"),
        ([" "], "", "translate: needs texts"),
        (["\udce9t\udce9"], "", "text: needs text in the terminal's encoding"),
    ],
)
def test_faults_are_told_in_a_line(words, arguments, stdin, message):
    code, out, told = words(*arguments, stdin=stdin)
    assert (code, out) == (2, "") and len(told) == 1 and message in told[0]


def test_the_report_shows_sentences_attention_the_interval_and_how_it_was_counted(trained, monkeypatch, undrawn):
    monkeypatch.chdir(trained)
    from pipeline.stages import report
    from pipeline.stages.project import load_project

    look = read_json(trained / "data/words/tuned/words-gru/look.json")
    assert look[0] == "attention" and look[1]["target"][-1] == "<eos>"
    assert all(abs(sum(row) - 1) < 0.01 for row in look[1]["weights"])
    assert not (trained / "data/words/tuned/words-none/look.json").exists()
    report.run(load_project(), "words")
    page = (trained / "data/words/report/index.html").read_text(encoding="utf-8")
    assert "chrf by nrefs:1|case:mixed" in page and "in 95% of draws" in page
    assert "Perplexity of the references, of each token that a model writes: gru " in page
    assert "furthest from" in page and "nearest to" in page and "tokens said looked at" in page
