"""``generate`` on a small competition that went through the stages."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import in_process
import pytest

LINES = [
    f"{who} {what} the {thing}." for who in ("I", "we") for what in ("see", "eat") for thing in ("fig", "egg", "été")
]

CHARACTERS = {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters"}}
FIT = {"learning_rate": 1e-2, "epochs": 4, "batch_size": 4}


def declared() -> dict:
    competition = {
        "source": {"name": "texts", "path": "files", "unit": "characters"},
        "columns": {"id": "id", "target": "characters", "types": {"text": "text"}},
        "task": {"name": "language_model"},
        "metric": "perplexity",
        "split": {"name": "holdout", "rows": "last", "part": 0.2},
        "features": {"characters": CHARACTERS, "words": {**CHARACTERS, "tokenizer": {"name": "words"}}},
        "blend": "equal",
        "submission": "values",
    }
    n_gram = {"name": "n_gram", "order": 6}
    gru = {"name": "recurrent_language_model", "cell": "gru", "hidden": 16, "embedding": 8}
    joined = {**FIT, "sampling": {"name": "sequential", "steps": 16, "joined": True}}
    transformer = {"name": "transformer_language_model", "width": 16, "layers": 1, "heads": 2}
    transformer |= {"positions": "learned", "longest": 40}
    parts = {
        "toy-n-gram": {"features": "characters", "model": n_gram},
        "toy-gru": {"features": "characters", "model": gru, "fit": joined},
        "toy-transformer": {"features": "characters", "model": transformer, "fit": FIT},
        "toy-words": {"features": "words", "model": n_gram},
    }
    models = {name: {"competition": "toy", **part} for name, part in parts.items()}
    # One job after another, so that torch is not loaded by each of them.
    return {"competitions": {"toy": competition}, "models": models, "execution": {"executor": "serial"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Its folder, not to be written to."""
    root = tmp_path_factory.mktemp("toy")
    (root / "files").mkdir()
    (root / "files" / "input.txt").write_text("".join(f"{line}\n" for line in LINES * 5), encoding="utf-8")
    return in_process.trained(root, declared())


@pytest.fixture
def toy(trained, commands, monkeypatch):
    monkeypatch.chdir(trained)
    return partial(commands, "generate", "toy")


def test_an_n_gram_goes_on_as_the_texts_do(toy):
    code, text, told = toy("--model", "toy-n-gram", "--prefix", "we see the é", "--temperature", "0")
    assert (code, text, told) == (0, "we see the été.\n", [])
    one = toy("--model", "toy-n-gram", "--prefix", "", "--seed", "4")[1]
    assert one.removesuffix("\n") in LINES and one == toy("--model", "toy-n-gram", "--seed", "4")[1]
    several = toy("--model", "toy-n-gram", "--samples", "5", "--seed", "4")[1].split("\n---\n")
    assert len(several) == 5 and f"{several[0]}\n" == one and len(set(several)) > 1


def test_where_nothing_follows_it_is_said(toy):
    code, text, told = toy("--model", "toy-n-gram", "--prefix", "we see the fig.", "--temperature", "0")
    assert (code, text) == (0, "we see the fig.\n")
    (line,) = told
    assert line.startswith("warning: nothing follows: the model ends the text right there, as texts ended in training")


def test_words_bring_their_spaces_along(toy):
    greedy = ("--model", "toy-words", "--temperature", "0", "--prefix")
    for prefix in ("we  see the", "we  see the "):  # as it was given, its spaces too
        assert toy(*greedy, prefix, "--length", "1")[1].startswith("we  see the e")


def test_joined_rows_go_on_and_a_prefix_may_have_several(toy):
    code, text, told = toy("--model", "toy-gru", "--prefix", "I see the fig.\nwe", "--length", "120")
    assert (code, told) == (0, [])
    assert text.startswith("I see the fig.\nwe") and text.count("\n") > 3
    assert len(text) == len("I see the fig.\nwe") + 120 + 1  # a line's end is a token too


def test_the_blend_goes_on_where_its_models_share_their_tokens_and_else_the_best(toy, trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    path, asked = Path("data/toy/blend.json"), ("--prefix", "we eat the f", "--temperature", "0", "--length", "4")
    blend = json.loads(path.read_text())

    def weigh(**weights: float) -> None:
        path.unlink()  # which may be linked
        named = {f"toy-{name.replace('_', '-')}": weight for name, weight in weights.items()}
        path.write_text(json.dumps({**blend, "weights": named}))

    weigh(gru=0.3, n_gram=0.7, words=0.0)
    assert toy(*asked) == (0, "we eat the fig.\n\n", [])  # joined, so the line's end is one of the four
    weigh(gru=0.2, n_gram=0.5, words=0.3)
    told = "warning: toy-n-gram goes on alone: not all models have its tokens (toy-words)"
    assert toy(*asked) == (0, "we eat the fig.\n", [told])


def test_unknown_tokens_are_told_and_the_text_keeps_them(toy):
    code, text, told = toy("--model", "toy-n-gram", "--prefix", "Ξ ζζ we", "--length", "3")
    assert code == 0 and text.startswith("Ξ ζζ we")
    assert told == ["warning: --prefix: 3 of its tokens stand for what training never saw: 'Ξ', 'ζ'"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "toy-gro"], "no model 'toy-gro'; did you mean 'toy-gru'?"),
        (["--length", "0"], "--length: needs a number from 1 on, got 0"),
        (["--samples", "-1"], "--samples: needs a number from 1 on, got -1"),
        (["--top-p", "1.5"], "generate.top_p: input should be less than or equal to 1, got 1.5"),
        (["--temperature", "nan"], "temperature"),
        (["--model", "toy-transformer", "--prefix", "we", "--length", "39"], "at most 38 tokens can follow"),
        (["--prefix", "a\udcff"], "--prefix: needs text in the terminal's encoding"),
    ],
)
def test_faults_are_told_in_one_line(toy, arguments, words):
    code, text, told = toy(*arguments)
    assert code == 2 and text == "" and len(told) == 1 and told[0].startswith("error: ") and words in told[0]


def test_as_many_as_learned_positions_allow(toy):
    assert toy("--model", "toy-transformer", "--prefix", "we", "--length", "38")[0] == 0


def test_other_tasks_are_refused(bench):
    bench.write()
    code, lines = bench.run("generate", "toy")
    assert code == 2 and len(lines) == 1 and "the task of 'toy' is regression" in lines[0]
