"""Pieces of words, beside the library's own interface."""

from __future__ import annotations

from pydoc_data.topics import topics

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.text.tokenizers import tokenizers

TEXTS = "\n".join(text for _, text in sorted(topics.items()))[:30_000].splitlines()


def part(**given):
    return tokenizers.build({"name": "sentencepiece", "vocabulary_size": 600, **given}, "tokenizer")


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def fitted(kind):
    return part(kind=kind, alpha=0.2).fit(TEXTS, seed=1)


def test_it_learns_pieces_and_cuts_as_the_library_does(fitted):
    bare = sentencepiece.SentencePieceProcessor(model_proto=fitted.model)
    assert [row.tolist() for row in fitted.encode(TEXTS)] == bare.encode(TEXTS)
    assert [fitted.tokens(text) for text in TEXTS] == bare.encode(TEXTS, out_type=str)
    assert fitted.encode(TEXTS).lengths.mean() < 0.6 * sum(map(len, TEXTS)) / len(TEXTS)
    assert fitted.vocabulary.tokens[:5] == ["<pad>", "<unk>", "<bos>", "<eos>", "<0x00>"]


def test_every_text_comes_back(fitted):
    @settings(max_examples=60, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("a ▁\n\ufdd001the"))
    def check(text):
        assert fitted.decode(fitted.encode([text], bos=True, eos=True).row(0)) == text
        assert fitted.decode(fitted.encode([text], sampling_seed=3).row(0)) == text

    check()


def test_it_learns_the_same_again(fitted, kind):
    again = part(kind=kind, alpha=0.2).fit(iter(TEXTS), seed=1)
    assert again.model == fitted.model


def test_few_sentences_are_drawn_alike():
    every, some, again = (part(sentences=count).fit(TEXTS, 0).model for count in (10_000, 300, 300))
    assert some == again != every


def test_pieces_are_drawn_for_training_alone(fitted):
    best, first, again, other = (fitted.encode(TEXTS, sampling_seed=seed).fingerprint() for seed in (None, 7, 7, 8))
    assert first == again and len({best, first, other}) == 3
    drawn = fitted.encode(TEXTS, sampling_seed=7)
    assert [fitted.decode(row) for row in drawn] == TEXTS


def test_without_alpha_a_seed_changes_nothing(kind):
    fitted = part(kind=kind).fit(TEXTS, 0)
    assert fitted.encode(TEXTS, sampling_seed=7).fingerprint() == fitted.encode(TEXTS).fingerprint()


def test_more_pieces_than_there_are_names_the_most(kind):
    with pytest.raises(UserError, match=r"vocabulary_size 90000 .* at most (\d+)") as told:
        part(kind=kind, vocabulary_size=90_000).fit(TEXTS, 0)
    assert "\n" not in str(told.value)
    most = int(str(told.value).rsplit(" ", 1)[1])
    assert len(part(kind=kind, vocabulary_size=most).fit(TEXTS, 0).vocabulary) == most
    fewer = part(kind=kind, vocabulary_size=90_000, exact=False).fit(iter(TEXTS), 0)
    assert len(fewer.vocabulary) == most


def test_too_few_pieces_for_all_characters_names_the_least():
    texts = ["".join(map(chr, range(0x4E00, 0x4E00 + 100)))] * 2
    with pytest.raises(UserError, match=r"at least \d+, or"):
        part(vocabulary_size=300, character_coverage=1).fit(texts, 0)


def test_nothing_it_could_learn_from_keeps_a_text_out():
    """Tabs, NUL, line ends and the library's own marks; long cells in parts."""
    odd = [text.replace(" ", mark) for text, mark in zip(TEXTS, "\t\0\n▁▅" * 200)]
    assert len(part(vocabulary_size=400).fit(odd, 0).vocabulary) == 400
    assert len(part().fit([" ".join(TEXTS)], 0).vocabulary) == 600


def test_lines_end_in_a_byte(fitted):
    assert fitted.tokens("a\n\nb")[1:3] == ["<0x0A>", "<0x0A>"]
