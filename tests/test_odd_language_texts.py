"""Odd texts of language models through the stages: each is answered, or told in a line."""

from __future__ import annotations

import math

import pandas as pd

from pipeline.core.files import read_json

LINES = [f"{who} {what} the {thing}." for who in ("I", "we") for what in ("see", "eat") for thing in ("fig", "egg")]
N_GRAM = {"name": "n_gram", "order": 12}
GRU = {"name": "recurrent_language_model", "cell": "gru", "hidden": 8, "embedding": 4}


def declare(bench, files: dict[str, list[str]], model: dict, split: dict, vocabulary="fold", **fit) -> None:
    """The only competition of a project, of text files."""
    bench.files = {f"{name}.txt": "".join(f"{line}\n" for line in lines) for name, lines in files.items()}
    tokens = {"tokenizer": {"name": "characters"}, "vocabulary": vocabulary}
    bench.competition = {
        "source": {"name": "texts", "path": "files", "unit": "characters"},
        "columns": {"id": "id", "target": "characters", "types": {"text": "text"}},
        "task": {"name": "language_model"},
        "metric": "perplexity",
        "split": {"name": "holdout", **split},
        "features": {"characters": {"name": "next_tokens", "column": "text", **tokens}},
        "blend": "best",
        "submission": "values",
    }
    bench.model = {"competition": "toy", "features": "characters", "model": model, "fit": fit}
    bench.write()


def test_empty_huge_and_unknown_lines_are_answered(bench):
    odd = ["", "x", "ab" * 4000, *LINES]
    sampling = {"name": "sequential", "steps": 64}
    files = {"input": odd, "test": ["ζζ 未知", "", "y" * 500]}
    declare(bench, files, GRU, {"rows": "last", "part": 0.2}, epochs=1, batch_size=4, sampling=sampling)
    bench.through()
    answers = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert (answers["nll"] > 0).all() and answers["id"].tolist() == [11, 12, 13]
    scores = read_json(bench.root / "data/toy/scores.json")
    assert all(1 < scores[name]["valid"] < 200 for name in ("blend", "toy-ridge"))
    page = (bench.root / "data/toy/report/index.html").read_text()
    assert "of the test rows&#39; 99.8%, by a vocabulary of the rows that a fold trains on" in page  # are unknown


def test_an_order_above_any_rows_length_is_told_and_answers(bench):
    declare(bench, {"input": ["ab", "ba", "a"] * 4, "test": ["ζζ"]}, N_GRAM, {"rows": "last", "part": 0.2})
    told = bench.through()
    assert any("no row has 12-grams" in line for line in told)
    assert math.isfinite(pd.read_csv(bench.root / "data/toy/submission.csv")["nll"][0])


def test_a_vocabulary_of_more_rows_than_a_fold_trains_on_is_told_with_its_own_setting(bench):
    files = {"input": ["ab", "ba", "a"] * 4, "test": ["aζ"]}
    declare(bench, files, {**N_GRAM, "order": 2}, {"rows": "last", "part": 0.2}, "train_and_test")
    bench.through()
    page = read_json(bench.root / "data/toy/report/report.json")
    [wide] = [one for one in page["findings"] if one["code"] == "POD306"]
    assert "'characters' takes its vocabulary from training and test rows together" in wide["measured"]
    assert "Set vocabulary: fold in feature set 'characters', and see" in wide["next"]
    [told] = [line for line in page["notes"] if "unknown" in line]
    assert "0%, by a vocabulary of training and test rows together" in told


def test_validation_texts_that_are_the_training_texts_are_told_by_the_report_too(bench):
    declare(bench, {"train": LINES, "valid": LINES}, N_GRAM, {"rows": "valid"})
    told = "8 of its 8 rows are training rows too, so its score flatters"
    assert any(told in line for line in bench.through())
    assert told in (bench.root / "data/toy/report/index.html").read_text()


def test_one_line_is_refused_alone_and_trains_beside_a_file_that_validates(bench):
    declare(bench, {"input": LINES[:1]}, N_GRAM, {"rows": "last", "part": 0.1})
    bench.through("fetch")
    code, lines = bench.run("preprocess", "toy")
    assert code == 2 and len(lines) == 1
    assert "needs two rows at least, one to train on and one to validate, got 1" in lines[0]
    (bench.root / "files/valid.txt").write_text("we see\n")
    text = (bench.root / "params.yaml").read_text()
    (bench.root / "params.yaml").write_text(text.replace("rows: last", "rows: valid"))
    bench.through()


def test_a_network_whose_loss_is_no_number_is_left_out_with_what_to_do(bench):
    sampling = {"name": "sequential", "steps": 8, "joined": True}
    fit = {"epochs": 3, "batch_size": 2, "learning_rate": 1e38, "optimizer": "sgd", "sampling": sampling}
    declare(bench, {"input": LINES}, {**GRU, "cell": "rnn"}, {"rows": "last", "part": 0.2}, **fit)
    bench.through("fetch", "preprocess")
    code, lines = bench.run("train", "toy")
    assert code == 2 and "became" in lines[-1] and "lower fit.learning_rate" in lines[-1]
