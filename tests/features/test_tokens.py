"""Feature set ``tokens``: texts as ragged indices, by a vocabulary of the rows it was fitted on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.core.errors import UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.pieces import pieces
from pipeline.training.examples import Examples
from pipeline.training.sampling.selection import Selection

SCHEMA = Schema(id=None, target=None, columns=(Column("text", "text"), Column("size", "number")))


def rows(*texts: str | None) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(texts, dtype="str"), "size": np.arange(len(texts), dtype=float)})


def build(**settings):
    return features.build({"name": "tokens", "column": "text", **settings}, "f")


def lists(encoded) -> list[list[int]]:
    return [row.tolist() for row in encoded["tokens"]]


def test_tokens_index_the_vocabulary_and_are_not_padded():
    encoder = build().fit(rows("The cat", "the dog!", None), SCHEMA, 0)
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", "<unk>", "the", "!", "cat", "dog"]
    assert encoder.spec.sizes["tokens"] == 6
    encoded = encoder.encode(rows("THE bird", None, "dog ! the cat cut"))
    assert lists(encoded) == [[2, 1], [], [5, 3, 2, 4, 1]]
    assert encoded["tokens"].values.dtype == np.uint8


@pytest.mark.parametrize("name", [one for one in tokenizers if one != "pretrained"])  # which has tests of its own
def test_every_tokeniser_serves_and_comes_back_from_its_state(name):
    extra = {"vocabulary_size": 300} if name == "sentencepiece" else {}
    part, train = build(tokenizer={"name": name, **extra}), rows(*["The cat sat on the mat.", "Dogs!", ""] * 20)
    encoder = part.fit(train, SCHEMA, 0)
    again = part.restore(json.loads(json.dumps(encoder.state())), SCHEMA)
    new = rows("A cat, the dog", None, "", "\u30e9\u30fc")
    assert lists(again.encode(new)) == lists(encoder.encode(new))
    assert lists(encoder.encode(new))[1:3] == [[], []]
    assert max(map(max, filter(None, lists(encoder.encode(new))))) < encoder.spec.sizes["tokens"]


def test_only_training_rows_make_the_vocabulary():
    encoder = build().fit(rows("a"), SCHEMA, 0)
    encoder.encode(rows("b"))
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", "<unk>", "a"]


def test_case_and_caps():
    part = build(tokenizer={"name": "words", "vocabulary_size": 1}, maximum_length=2)
    encoder = part.fit(rows("A a A a A b"), SCHEMA, 0)
    assert encoder.spec.vocabularies["tokens"][2:] == ["A"]
    assert lists(encoder.encode(rows("A b A b", "A"))) == [[2, 1], [2]]
    told = part.facts(encoder, rows("A b A b", "A"))
    assert told == {"tokens": 5, "unknown": pytest.approx(2 / 5), "cut": 1}


def test_longer_texts_are_refused_where_it_is_said():
    encoder = build(maximum_length=2, longer="refused").fit(rows("a b"), SCHEMA, 0)
    with pytest.raises(UserError, match="column 'text', row 3: may have 2 tokens, got 3"):
        encoder.encode(rows("a", "a b c"))


PIECES = {"name": "sentencepiece", "vocabulary_size": 300, "exact": False}


def test_training_texts_are_cut_by_chance_an_epoch_each_and_all_others_the_best_way():
    texts = [f"the redder foxes number {i % 5} were running faster" for i in range(30)]
    part = build(tokenizer={**PIECES, "alpha": 0.4, "draws": 3}, maximum_length=60)
    encoder = part.fit(rows(*texts), SCHEMA, 0)
    best, drawn = encoder.encode(rows(*texts)), encoder.encode(rows(*texts), training=list)
    assert set(best) == {"tokens"} and list(drawn) == ["tokens", "tokens~1", "tokens~2"]
    ways = [[row.tolist() for row in column] for column in (*best.values(), *drawn.values())]
    assert len(set(map(str, ways))) == 4 and len(ways[0][0]) < len(ways[1][0])
    assert [encoder.tokenizer.decode(row) for row in drawn["tokens~2"]] == texts
    target = np.zeros((30, 1), np.float32)
    examples = Examples({**drawn, "target": target}, torch.device("cpu"))
    for epoch, way in enumerate([*ways[1:], ways[1]]):
        examples.epoch = epoch
        batch = examples.batch(Selection(torch.tensor([4, 7])))
        assert set(batch) == {"tokens", "target"}
        assert [[token for token in row if token] for row in batch["tokens"].tolist()] == [way[4], way[7]]
    again = build(tokenizer={**PIECES, "draws": 3}).fit(rows(*texts), SCHEMA, 0)
    assert list(again.encode(rows(*texts), training=list)) == ["tokens"]


@pytest.mark.parametrize("of", [{"name": "tokens"}, {"name": "pretrained_tokens", "encoder": "x"}])
def test_numbers_are_of_the_rows_that_the_fold_trains_on(of):
    with pytest.raises(UserError, match="numbers does not take statistics: train_and_test"):
        features.build({**of, "column": "text", "numbers": {"statistics": "train_and_test"}}, "f")


@pytest.mark.parametrize("numbers", [{"categories": "target"}, {"many": {"how": "target"}}, {"chosen": 2}])
@pytest.mark.parametrize("vocabulary", ["train", "train_and_test"])
def test_numbers_that_read_the_target_need_the_folds_own_rows(numbers, vocabulary):
    with pytest.raises(UserError, match=f"vocabulary: {vocabulary} is of rows without theirs; use vocabulary: fold"):
        build(numbers=numbers, vocabulary=vocabulary)
    build(numbers=numbers)


def test_numbers_stand_beside_the_text():
    part = build(numbers={"categories": "none"})
    encoder = part.fit(rows("a", "b", "c"), SCHEMA, 0)
    assert part.gives == {"tokens", "numbers"}
    assert encoder.encode(rows("a", "b"))["numbers"].shape == (2, len(encoder.spec.names["numbers"]))
    assert "size" in encoder.reads


def test_pieces_are_fasttexts():
    found = pieces("where", 3)
    assert found[-5:] == ["<wh", "whe", "her", "ere", "re>"]  # Bojanowski et al. 2017, 3.2
    assert found[:-5] == ["<w", "wh", "he", "er", "re", "e>"]
    assert pieces("a", 5) == ["<a", "a>", "<a>"]
    encoder = build(tokenizer={"name": "pieces", "longest": 2}).fit(rows("cat"), SCHEMA, 0)
    assert set(encoder.spec.vocabularies["tokens"][2:]) == {"<cat>", "<c", "ca", "at", "t>"}
