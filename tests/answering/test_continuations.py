"""Submissions of texts: what each test row goes on with."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from pipeline.answering.continuations import Continuing
from pipeline.answering.generation import Generator
from pipeline.core.errors import Faults
from pipeline.core.ragged import Ragged
from pipeline.decoding import searches
from pipeline.models.estimators.n_gram import NGramSteps
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.counts import count
from pipeline.text.tokenizers import tokenizers

LINES = [f"{who} {what} the {thing}." for who in ("I", "we") for what in ("see", "eat") for thing in ("fig", "egg")]
PREFIXES = ["we ", "I eat", "we ", "", "we see the fig", "?we "]


def goes_on(tokenizer: str, longest: int | None = None) -> Generator:
    fitted = tokenizers.build({"name": tokenizer}, "t").fit(LINES, 0, 4)
    marked = fitted.encode(LINES)
    counts = count(Ragged(marked.values, marked.begins, marked.ends), len(fitted.vocabulary), 6)
    steps = NGramSteps(estimators.build("kneser_ney", "e").fit(counts, fitted.vocabulary))
    steps.longest = longest
    return Generator(["n-gram"], steps, fitted, (), joined=True)


def continuing(search="sampling", length=30, seed=0) -> Continuing:
    return Continuing(length, searches.build(search, "s"), seed)


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bytes"])
def test_a_continuation_hangs_on_its_prefix_alone_and_on_which_of_the_same_it_is(tokenizer):
    found, told = goes_on(tokenizer), []
    texts = continuing().texts(found, PREFIXES, told.append)
    for place in (1, 3, 4):
        assert continuing().texts(found, [PREFIXES[place]], told.append) == [texts[place]]
    many = continuing().texts(found, ["we "] * 20, told.append)
    assert (texts[0], texts[2]) == (many[0], many[1]) and len(set(many)) > 4
    assert continuing(seed=1).texts(found, ["we "] * 20, told.append) != many


def test_the_most_probable_continuation_is_what_the_texts_say():
    texts = continuing("greedy").texts(goes_on("characters"), PREFIXES, lambda told: None)
    assert PREFIXES[1] + texts[1] in LINES and texts[4] == "."
    assert all("\n" not in text for text in texts)  # a row's end is its end
    words = continuing("greedy").texts(goes_on("words"), ["we eat"], lambda told: None)[0]
    assert "we eat" + words in LINES


def test_it_ends_after_its_length_and_unknown_tokens_are_told():
    told = []
    texts = continuing(length=3).texts(goes_on("characters"), ["w", "ζζ"], told.append)
    assert [len(text) for text in texts] == [3, 3]
    assert told == ["2 tokens of the rows to go on from stand for what training never saw"]


def test_a_prefix_that_is_longer_than_the_positions_is_read_from_its_end():
    whole = continuing("greedy", 5).texts(goes_on("characters"), ["we see the fig" * 9 + "we eat"], lambda told: None)
    assert continuing("greedy", 5).texts(goes_on("characters", 30), ["?" * 99 + "we eat"], lambda told: None) == whole


def declared(**submission) -> dict:
    competition = {
        "source": {"name": "texts", "path": "files", "unit": "characters"},
        "columns": {"id": "row", "target": "characters", "types": {"text": "text"}},
        "task": {"name": "language_model"},
        "metric": "perplexity",
        "split": {"name": "holdout", "rows": "last", "part": 0.2},
        "features": {
            "characters": {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters"}},
        },
        "blend": "mixture",
        "submission": {"format": "continuations", "length": 20, "seed": 3, **submission},
    }
    models = {
        f"toy-{order}": {
            "competition": "toy",
            "features": "characters",
            "model": {"name": "n_gram", "order": order},
        }
        for order in (2, 6)
    }
    return {"competitions": {"toy": competition}, "models": models, "execution": {"executor": "serial"}}


SAMPLE = "row,said\nb7,abc\n007,\na1,x\n"


def test_through_all_stages_and_for_new_rows(bench, undrawn):
    bench.write()
    for file in (bench.root / "files").iterdir():
        file.unlink()
    (bench.root / "files/input.txt").write_text("".join(f"{line}\n" for line in LINES * 5))
    (bench.root / "files/test.txt").write_text("we \n\nI eat the\n")
    (bench.root / "files/sample_submission.csv").write_text(SAMPLE)
    (bench.root / "params.yaml").write_text(yaml.safe_dump(declared(), sort_keys=False))
    bench.through()
    read = {"dtype": str, "keep_default_na": False}
    submission = pd.read_csv(bench.root / "data/toy/submission.csv", **read)
    assert list(submission) == ["row", "said"] and submission["row"].tolist() == ["b7", "007", "a1"]
    assert all(0 < len(text) <= 20 for text in submission["said"])
    assert submission["said"][2].startswith((" fig", " egg"))
    own = pd.read_csv(bench.root / "data/toy/final/toy-6/submission.csv", **read)
    assert own["row"].tolist() == submission["row"].tolist()
    (bench.root / "new.csv").write_text('row,text\n1,"I eat the"\n')
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "new-said.csv") == (0, [])
    assert pd.read_csv(bench.root / "new-said.csv", **read)["said"].tolist() == [submission["said"][2]]
    code, lines = bench.run("score", "toy", "--solution", "data/toy/raw/solution.parquet")
    assert code == 2 and "is of log-probabilities" in lines[-1]
    (bench.root / "files/sample_submission.csv").write_text(SAMPLE + "z,z\n")
    assert "needs a row for each of the 3 of test.txt, got 4" in bench.run("fetch", "toy")[1][-1]


def test_add_tells_continuations_by_the_sample(bench):
    (bench.root / "files").mkdir()
    (bench.root / "files/input.txt").write_text("".join(f"{line}\n" for line in LINES * 5))
    (bench.root / "files/test.txt").write_text("we \n\nI eat the\n")
    for sample, expected in ((SAMPLE, "continuations"), ("row,nll\nb7,0\n007,0\na1,0\n", "values")):
        (bench.root / "files/sample_submission.csv").write_text(sample)
        (bench.root / "params.yaml").unlink(missing_ok=True)
        assert bench.run("add", "toy", "--from", "files")[0] == 0
        competition = yaml.safe_load((bench.root / "params.yaml").read_text())["competitions"]["toy"]
        assert (competition["submission"], competition["columns"]["id"]) == (expected, "row")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": "samplin"}, "did you mean 'sampling'"),
        ({"length": 0}, "submission.length"),
        ({"format": "values"}, "submission.length: is of the format continuations, got values"),
    ],
)
def test_faults_of_settings(changes, words):
    from pipeline.core.config import build_config
    from pipeline.stages.project import shelves

    with pytest.raises(Faults, match=words):
        build_config(declared(**changes), shelves())


def test_a_task_without_texts_is_refused():
    from pipeline.core.config import build_config
    from pipeline.stages.project import shelves

    raw = declared()
    raw["competitions"]["toy"] |= {"task": "regression", "metric": "rmse", "blend": "greedy"}
    with pytest.raises(Faults, match="'continuations' go on with texts, which 'regression' does not"):
        build_config(raw, shelves())
