from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.features.words import subwords

SCHEMA = Schema(id=None, target=None, columns=(Column("text", "text"),))


def rows(*texts: str | None) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(texts, dtype="str")})


def test_tokens_index_the_vocabulary_and_pad_with_zero():
    encoder = features.build({"name": "words", "column": "text"}, "f").fit(rows("The cat", "the dog!", None), SCHEMA, 0)
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", "<unk>", "the", "!", "cat", "dog"]
    assert encoder.spec.sizes["tokens"] == 6
    np.testing.assert_array_equal(
        encoder.encode(rows("THE bird", None, "dog ! the cat cut"))["tokens"], [[2, 1, 0], [0, 0, 0], [5, 3, 2]]
    )


def test_only_training_rows_make_the_vocabulary():
    encoder = features.build({"name": "words", "column": "text"}, "f").fit(rows("a"), SCHEMA, 0)
    encoder.encode(rows("b"))
    assert encoder.state()["vocabulary"] == ["<pad>", "<unk>", "a"]


def test_case_and_caps():
    build = {"name": "words", "column": "text", "lower": False, "vocabulary_size": 1, "maximum_length": 2}
    encoder = features.build(build, "f").fit(rows("A a A a A b"), SCHEMA, 0)
    assert encoder.spec.vocabularies["tokens"][2:] == ["A"]
    assert encoder.spec.shapes["tokens"] == (2,)


def test_subwords_are_fasttexts():
    pieces = subwords("where", 3)
    assert pieces[-5:] == ["<wh", "whe", "her", "ere", "re>"]  # Bojanowski et al. 2017, 3.2
    assert pieces[:-5] == ["<w", "wh", "he", "er", "re", "e>"]
    assert subwords("a", 5) == ["<a", "a>", "<a>"]
    encoder = features.build({"name": "words", "column": "text", "subwords": 2}, "f").fit(rows("cat"), SCHEMA, 0)
    assert set(encoder.spec.vocabularies["tokens"][2:]) == {"<cat>", "<c", "ca", "at", "t>"}
