"""Texts as tokens and the labels that follow them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import Faults
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.reserved import BOS, EOS, UNK

SCHEMA = Schema(id=None, target=None, columns=(Column("text", "text"),))
TEXTS = ["abcde", None, "ab", "abcd", "é"]


def rows(texts: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(texts, dtype="str")})


def fitted(texts=TEXTS, **tokenizer):
    settings = {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters", **tokenizer}}
    return features.build(settings, "f").fit(rows(texts), SCHEMA, 0)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_every_character_is_a_label_once_an_end_behind_them_and_its_token_is_the_one_before(texts):
    encoder = fitted(texts)
    encoded = encoder.encode(rows(texts))
    for row, text in enumerate(texts):
        tokens, labels = encoded["tokens"].row(row), encoded["labels"].row(row)
        assert tokens[0] == BOS and labels[-1] == EOS
        np.testing.assert_array_equal(tokens[1:], labels[:-1])
        assert encoder.tokenizer.decode(labels) == encoder.tokenizer.decode(encoder.tokenizer.encode([text]).row(0))


def test_a_missing_text_is_an_end_alone_and_what_is_rare_is_unknown():
    encoder = fitted(minimum_count=2)
    encoded = encoder.encode(rows([None, "zé"]))
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", "<unk>", "<bos>", "<eos>", "a", "b", "c", "d"]
    assert encoded["labels"].row(0).tolist() == [EOS]
    assert encoded["labels"].row(1).tolist() == [UNK, UNK, EOS]
    told = features.build({"name": "next_tokens", "column": "text"}, "f").facts(encoder, rows(["zé", "ab"]))
    assert told == {"tokens": 4, "unknown": 0.5, "cut": 0}
    assert len(encoder.encode(rows([]))["tokens"]) == 0


@pytest.mark.parametrize("tokenizer", [{}, {"minimum_count": 2}])
def test_its_state_round_trips(tokenizer):
    encoder = fitted(**tokenizer)
    settings = {"name": "next_tokens", "column": "text", "tokenizer": {"name": "characters", **tokenizer}}
    again = features.build(settings, "f").restore(json.loads(json.dumps(encoder.state())), SCHEMA)
    assert again.spec == encoder.spec
    for name, column in encoder.encode(rows(TEXTS)).items():
        np.testing.assert_array_equal(again.encode(rows(TEXTS))[name].compact().values, column.compact().values)


def test_texts_that_are_read_on_are_cut_in_one_way():
    with pytest.raises(Faults, match=r"tokenizer\.alpha: texts that are read on from row to row are cut in one way"):
        fitted(name="sentencepiece", alpha=0.1)
