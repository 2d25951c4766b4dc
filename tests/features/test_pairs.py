from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.text.reserved import BOS, EOS, PAD, RESERVED
from pipeline.text.tokenizers import tokenizers

SCHEMA = Schema(id=None, target="fr", columns=(Column("en", "text"),), target_kind="text")
EN = ["Close {name}.", "Open the file", "%s of %d lines", "Save\u2028as\x85 \u00a0 {n:>3}"]
FR = ["Fermer {name}.", "Ouvrir l'autre fichier", "%s des %d lignes", "Enregistrer\u2028sous\x85 \u00a0 {n:>3}"]
ROWS = pd.DataFrame({"en": EN * 5, "fr": FR * 5})
WORDS = {"name": "words"}


def fitted(rows=ROWS, **options):
    settings = {"name": "pairs", "source": "en", "target": "fr", **options}
    return features.build(settings, "f").fit(rows, SCHEMA, 0)


def text(spec, tokens) -> str:
    told = spec.tokenizers["target"]
    return tokenizers.build(told["settings"], "t").restore(told["state"]).decode(tokens)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("joint", [True, False])
def test_every_target_comes_back_to_the_character_through_what_the_spec_carries(kind, joint):
    pieces = {"name": "sentencepiece", "kind": kind, "vocabulary_size": 2000, "exact": False}
    encoder = fitted(tokenizer=pieces, joint=joint)
    spec = encoder.spec.from_json(json.loads(json.dumps(encoder.spec.to_json())))
    new = ["{no} such words: \u2581 \ufdd0 <eos> 漢字", "  "]
    rows = pd.DataFrame({"en": [*EN, *new], "fr": [*FR, *new]})
    assert [text(spec, row) for row in encoder.encode(rows)["labels"]] == rows["fr"].tolist()


def test_labels_end_with_the_end_mark_and_tokens_run_one_step_behind():
    encoder = fitted(tokenizer=WORDS)
    encoded = encoder.encode(ROWS)
    for labels, tokens, source, length in zip(*(encoded[key] for key in ("labels", "tokens", "source", "length"))):
        assert labels[-1] == EOS == source[-1] and tokens[0] == BOS
        np.testing.assert_array_equal(tokens[1:], labels[:-1])
        assert length.tolist() == [len(labels), len(source)]
    assert encoded["tokens"].values is encoded["labels"].values  # two views of one
    assert encoder.spec.shapes == {"source": (9,), "tokens": (9,), "labels": (9,)}


def test_both_sides_of_training_pairs_are_cut_by_chance_in_step():
    pieces = {"name": "sentencepiece", "vocabulary_size": 320, "exact": False, "alpha": 0.4, "draws": 2}
    encoder = fitted(tokenizer=pieces, joint=True)
    drawn, best = encoder.encode(ROWS, training=list), encoder.encode(ROWS)
    assert set(drawn) == {*best, "source~1", "tokens~1", "labels~1"}
    for draw in ("", "~1"):
        for labels, tokens in zip(drawn[f"labels{draw}"], drawn[f"tokens{draw}"], strict=True):
            assert labels[-1] == EOS and tokens[0] == BOS
            np.testing.assert_array_equal(tokens[1:], labels[:-1])
        assert [text(encoder.spec, row) for row in drawn[f"labels{draw}"]] == ROWS["fr"].tolist()
    for name in ("source", "labels"):
        ways = [[row.tolist() for row in column] for column in (best[name], drawn[name], drawn[f"{name}~1"])]
        assert len(set(map(str, ways))) == 3
    np.testing.assert_array_equal(drawn["length"][:, 0], drawn["labels"].lengths)


def test_a_way_by_chance_that_is_too_long_gives_way_to_the_best_one():
    pieces = {"name": "sentencepiece", "vocabulary_size": 320, "exact": False, "alpha": 0.6, "draws": 8}
    whole = fitted(tokenizer=pieces, joint=True)
    most = int(whole.encode(ROWS)["length"].max())
    encoder = fitted(tokenizer=pieces, joint=True, maximum_length=most)
    drawn, best, longer = encoder.encode(ROWS, training=list), encoder.encode(ROWS), whole.encode(ROWS, training=list)
    replaced = 0
    for draw in ("", *(f"~{i}" for i in range(1, 8))):
        for name in ("source", "labels"):
            for row, own, before in zip(drawn[name + draw], best[name], longer[name + draw], strict=True):
                np.testing.assert_array_equal(row, before if len(before) <= most else own)
                replaced += len(before) > most
        for labels, tokens in zip(drawn[f"labels{draw}"], drawn[f"tokens{draw}"], strict=True):
            assert labels[-1] == EOS and tokens[0] == BOS
            np.testing.assert_array_equal(tokens[1:], labels[:-1])
    assert replaced > 5


def test_a_source_that_is_cut_ends_with_the_mark_and_a_target_does_not():
    rows = pd.DataFrame({"en": ["a b c d e"], "fr": ["a b c d e"]})
    encoder = fitted(rows, tokenizer=WORDS, maximum_length=9)
    whole = encoder.encode(rows)
    short = features.build(
        {"name": "pairs", "source": "en", "target": "fr", "tokenizer": WORDS, "maximum_length": 4}, "f"
    ).restore(encoder.state(), SCHEMA)
    encoded = short.encode(rows)
    assert encoded["source"].row(0).tolist() == [*whole["source"].row(0)[:3].tolist(), EOS]
    assert encoded["labels"].row(0).tolist() == whole["labels"].row(0)[:4].tolist()


def test_a_joint_vocabulary_serves_both_columns_and_another_each_its_own():
    joint, apart = fitted(joint=True, tokenizer=WORDS).spec, fitted(tokenizer=WORDS).spec
    assert joint.vocabularies["source"] == joint.vocabularies["target"]
    assert {"Close", "Fermer"} <= set(joint.vocabularies["source"])
    assert "Fermer" not in apart.vocabularies["source"] and "Close" not in apart.vocabularies["target"]
    mixed = fitted(tokenizer=WORDS, target_tokenizer={"name": "characters"}).spec
    assert "F" in mixed.vocabularies["target"] and "Close" in mixed.vocabularies["source"]
    with pytest.raises(UserError, match="joint is one tokenizer"):
        fitted(joint=True, target_tokenizer=WORDS)


def test_rare_words_are_unknown():
    rows = pd.concat([ROWS, pd.DataFrame({"en": ["Quit"], "fr": ["Quitter"]})], ignore_index=True)
    encoder = fitted(rows, tokenizer={**WORDS, "minimum_count": 2})
    assert encoder.encode(rows.tail(1))["source"].row(0).tolist() == [RESERVED.index("<unk>"), EOS]


def test_rows_without_the_target_have_sources_alone():
    encoded = fitted().encode(ROWS[["en"]])
    assert encoded.keys() == {"source", "length"} and encoded["length"].shape == (20, 1)


def test_pairs_that_are_long_unlike_or_empty_teach_nothing_and_are_counted():
    odd = pd.DataFrame({"en": ["a " * 9, "", "one", "b", " "], "fr": ["b", "c", "d", "e " * 6, ""]})
    rows = pd.concat([ROWS, odd], ignore_index=True)
    settings = {"name": "pairs", "source": "en", "target": "fr", "tokenizer": WORDS, "maximum_length": 9, "ratio": 3.0}
    part = features.build(settings, "f")
    encoder = part.fit(rows, SCHEMA, 0)
    mask = part.selected(encoder, rows)
    assert mask.tolist() == [True] * 20 + [False, False, True, False, False]
    told = part.facts(encoder, rows)
    assert {key: told[key] for key in told if key.startswith("left")} == {
        "left_out_empty": 2,
        "left_out_long": 1,
        "left_out_unlike": 1,
    }
    assert told["cut"] == 1
    encoded = encoder.encode(rows)  # what is validated or answered is cut
    assert encoded["source"].lengths.max() == 9 == encoder.spec.shapes["source"][0]
    assert PAD not in encoded["source"].values
