"""Odd texts through all stages: each is answered, or refused in one line before anything trains."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

ROWS = 48
TEXTS = [f"word{i % 5} {'good' if i % 2 else 'bad'} thing {i}" for i in range(ROWS)]
NETWORKS = {
    "text_cnn": {"name": "text_cnn", "embedding": 8, "maps": 4},
    "recurrent_classifier": {"name": "recurrent_classifier", "embedding": 8, "hidden": 4},
    "transformer_encoder": {"name": "transformer_encoder", "embedding": 8, "heads": 2, "hidden": 8, "layers": 1},
    "bag_of_embeddings": {"name": "bag_of_embeddings", "embedding": 4},
}


def csv(texts: list[str], labels: list[int] | None, begin: int = 0) -> str:
    rows = pd.DataFrame({"id": range(begin, begin + len(texts)), "text": texts})
    return (rows if labels is None else rows.assign(y=labels)).to_csv(index=False)


def competition(bench, train: list[str], test: list[str], model: str = "text_cnn", **tokens) -> None:
    labels = [i % 2 for i in range(len(train))]
    sample = pd.DataFrame({"id": range(100, 100 + len(test)), "y": 0}).to_csv(index=False)
    bench.files = {"train.csv": csv(train, labels), "test.csv": csv(test, None, 100), "sample_submission.csv": sample}
    bench.competition |= {
        "columns": {"id": "id", "target": "y", "types": {"text": "text"}},
        "task": {"name": "classification"},
        "metric": "accuracy",
        "split": {"name": "stratified", "folds": 2, "seed": 0},
        "features": {"numbers": {"name": "tokens", "column": "text", **tokens}, "terms": {"name": "tfidf"}},
        "submission": "classes",
    }
    fit = {"epochs": 1, "batch_size": 8, "sampling": "bucketed"}
    bench.model = {"competition": "toy", "features": "numbers", "model": NETWORKS[model], "fit": fit}
    bench.write()


@pytest.mark.parametrize("model", NETWORKS)
def test_empty_missing_short_huge_and_unknown_texts_are_answered(bench, model):
    odd = ["", " ", "x", "\u200b", "12 345", "a" * 1_000_000, "b " * 200_000, "未知 💩 \U000e0001", "NA"]
    competition(bench, [*TEXTS, *odd], ["", *odd, "never seen before"], model, maximum_length=16)
    bench.through()
    answers = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert answers["id"].tolist() == list(range(100, 111)) and answers["y"].isin([0, 1]).all()
    page = (bench.root / "data/toy/report/index.html").read_text()
    assert "texts are longer than it reads, and cut." in page  # the two huge ones, in train and in test


def test_a_vocabulary_of_nothing_but_reserved_tokens_is_answered(bench):
    competition(bench, TEXTS, ["anything", ""], tokenizer={"name": "words", "minimum_count": 1000})
    bench.through()
    assert len(pd.read_csv(bench.root / "data/toy/submission.csv")) == 2


@pytest.mark.parametrize(
    ("model", "word"), [("logistic_regression", ""), ("naive_bayes_linear", "w{}x"), ("ridge", "")]
)
def test_texts_without_a_single_term_are_answered_by_the_base_rate(bench, model, word):
    competition(bench, [word.format(i) for i in range(ROWS)], ["", "never seen"])
    train = csv([word.format(i) for i in range(ROWS)], [int(i % 4 == 0) for i in range(ROWS)])
    (bench.root / "files" / "train.csv").write_text(train)
    params = yaml.safe_load((bench.root / "params.yaml").read_text())
    params["models"] = {"toy-terms": {"competition": "toy", "features": "terms", "model": {"name": model}}}
    given = {"task": {"name": "regression"}, "metric": "rmse", "split": "shuffled", "submission": "values"}
    params["competitions"]["toy"] |= (
        given if model == "ridge" else {"metric": "log_loss", "submission": "probabilities"}
    )
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
    bench.through()
    answers = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert answers["y"].tolist() == pytest.approx([0.25, 0.25], abs=0.02)


def test_a_text_column_that_is_all_numbers_is_read_as_text(bench):
    competition(bench, [str(i * 37 % 11) for i in range(ROWS)], ["1", "2"], tokenizer={"name": "characters"})
    bench.through()
    assert len(pd.read_csv(bench.root / "data/toy/submission.csv")) == 2


def test_a_text_that_is_too_long_is_refused_before_anything_trains(bench):
    competition(bench, [*TEXTS, "one two three four five six"], ["x"], maximum_length=4, longer="refused")
    bench.through("fetch")
    code, lines = bench.run("preprocess", "toy")
    if code == 0:  # lengths are known once a fold is encoded
        code, lines = bench.run("train", "toy")
    assert code == 2 and "may have 4 tokens, got" in lines[-1] and "longer: cut" in lines[-1]


def test_a_sentencepiece_vocabulary_that_the_texts_do_not_give_is_told_with_the_largest(bench):
    competition(bench, TEXTS, ["x"], tokenizer={"name": "sentencepiece", "vocabulary_size": 9000})
    bench.through("fetch")
    code, lines = bench.run("preprocess", "toy")
    assert code == 2 and len(lines) == 1 and "vocabulary_size" in lines[0] and "9000" in lines[0]


def test_a_network_whose_loss_is_no_number_stops_and_says_what_to_do(bench):
    competition(bench, TEXTS, ["x"])
    text = (bench.root / "params.yaml").read_text()
    (bench.root / "params.yaml").write_text(text.replace("epochs: 1", "epochs: 3\n      learning_rate: 1.0e+38"))
    bench.through("fetch", "preprocess")
    _, lines = bench.run("train", "toy")
    assert any("became" in line and "lower fit.learning_rate" in line for line in lines)
