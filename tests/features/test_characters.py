from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.reserved import BOS, UNK

SCHEMA = Schema(id=None, target=None, columns=(Column("text", "text"),))
TEXTS = ["abcde", None, "ab", "abcd", "é"]


def rows(texts: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(texts, dtype="str")})


def fitted(**options):
    return features.build({"name": "characters", "column": "text", "steps": 2, **options}, "f").fit(
        rows(TEXTS), SCHEMA, 0
    )


def test_every_character_is_a_label_once_and_follows_its_input():
    encoder = fitted()
    encoded = encoder.encode(rows(TEXTS))
    vocabulary = encoder.spec.vocabularies["tokens"]
    for row, text in enumerate(TEXTS):
        mine = encoded["row"] == row
        labels, tokens, mask = (encoded[name][mine].ravel() for name in ("labels", "tokens", "mask"))
        assert "".join(vocabulary[i] for i in labels[mask]) == (text or "")
        if text:
            assert tokens[0] == BOS
            np.testing.assert_array_equal(tokens[mask][1:], labels[mask][:-1])


def test_windows_rows_and_beginnings():
    encoded = fitted().encode(rows(TEXTS))
    np.testing.assert_array_equal(encoded["row"], [0, 0, 0, 1, 2, 3, 3, 4])
    np.testing.assert_array_equal(encoded["first"], [True, False, False, True, True, True, False, True])
    np.testing.assert_array_equal(encoded["mask"].sum(1), [2, 2, 1, 0, 2, 2, 2, 1])
    assert encoded["mask"].dtype == bool and encoded["tokens"].dtype == np.int64


def test_rare_and_unseen_characters_are_unknown():
    encoder = fitted(minimum_count=2)
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", "<unk>", "<bos>", "a", "b", "c", "d"]
    np.testing.assert_array_equal(encoder.encode(rows(["zé"]))["labels"], [[UNK, UNK]])


def test_no_windows_for_no_rows():
    assert fitted().encode(rows([]))["tokens"].shape == (0, 2)
