from __future__ import annotations

import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.types import Column, Schema
from pipeline.features.texts import read_texts
from pipeline.text.reserved import UNK
from pipeline.text.vocabulary import Vocabulary

SCHEMA = Schema(id=None, target=None, columns=(Column("text", "text"),), dropped={"empty": "all missing"})


def test_most_frequent_first_and_ties_in_alphabetical_order_whatever_the_order_of_rows():
    texts = [["b", "a", "c"], ["c", "b", "a"], ["c", "d"]]
    expected = ["<pad>", "<unk>", "c", "a", "b", "d"]
    assert Vocabulary.build(texts, 2).tokens == expected
    assert Vocabulary.build(texts[::-1], 2).tokens == expected


def test_rare_and_surplus_tokens_are_unknown():
    texts = [["a"] * 3, ["b"] * 2, ["c"] * 2, ["d"]]
    assert Vocabulary.build(texts, 2, minimum_count=2).tokens[2:] == ["a", "b", "c"]
    vocabulary = Vocabulary.build(texts, 4, size=2)
    assert vocabulary.tokens == ["<pad>", "<unk>", "<bos>", "<eos>", "a", "b"]
    assert vocabulary.encode(["b", "c", "never"]) == [5, UNK, UNK]


def test_its_state_is_a_token_and_its_count_a_line_and_comes_back_to_the_character(tmp_path):
    odd = [" ", "a b 3", "", "\t", "\n", "\u2028", "12", "\\n"]
    vocabulary = Vocabulary.build([["the"] * 12, *[[token] for token in odd], ["the"]], 2, size=20)
    write_json(tmp_path / "fold-0.json", {"tokenizer": vocabulary.state()})
    lines = [line.strip(' ,"') for line in (tmp_path / "fold-0.json").read_text(encoding="utf-8").split("\n")]
    assert "the 13" in lines and "<unk> 0" in lines
    back = Vocabulary.from_state(read_json(tmp_path / "fold-0.json")["tokenizer"])
    assert back == vocabulary and set(back.tokens) >= set(odd) and back.counts.tolist() == vocabulary.counts.tolist()


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_missing_texts_are_empty_ones(dtype):
    rows = pd.DataFrame({"text": pd.Series(["one", None, "two"], dtype="str").astype(dtype)})
    assert read_texts(rows, "text", SCHEMA) == ["one", "", "two"]


def test_an_absent_column_is_told_with_its_reason():
    rows = pd.DataFrame({"text": ["x"]})
    with pytest.raises(UserError, match=r"'empty'.*all missing"):
        read_texts(rows, "empty", SCHEMA)
    with pytest.raises(UserError, match="did you mean 'text'"):
        read_texts(rows, "txt", SCHEMA)
