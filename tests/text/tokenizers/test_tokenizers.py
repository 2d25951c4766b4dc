"""What every tokeniser on the shelf promises."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.core.registry import settings_dict
from pipeline.core.seeds import THREAD_VARIABLES
from pipeline.text import batches
from pipeline.text.reserved import BOS, EOS, RESERVED, UNK
from pipeline.text.tokenizers import tokenizers
from pipeline.text.tokenizers.base import Tokenizer

SHELF = [name for name in tokenizers if name != "pretrained"]  # which learns nothing, and needs a model's files
SETTINGS = {"sentencepiece": {"vocabulary_size": 310}}
LOSSLESS = [name for name in SHELF if tokenizers.get(name).lossless]
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]))
HARD = st.text(st.sampled_from(list(" \n\t\r\0a▁▅\ufdd001<>é中😀\u0301\u2028\ufeff\xa0⁇x'ह\u093f\u200d\ufe0f\u3099")))
CORPUS = [
    "The cat sat on the mat; the dog -- a big one -- ran.",
    "  l'aide (bêta)\n\n\tune   autre ligne ",
    "日本語。ok 中文abc中 x",
    "",
    "naïve café, 3.5 Mo <unk> <pad>",
]
ODD = [
    "",
    " ",
    "\n",
    "\0",
    "a\0b",
    "\ufeffa",
    "▁",
    "\ufdd0",
    "\ufdd01",
    "￭",
    "■",
    "<pad><bos>",
    "\U0010ffff",
    "e\u0301",
]


def part(name: str, **given) -> Tokenizer:
    return tokenizers.build({"name": name, **SETTINGS.get(name, {}), **given}, "tokenizer")


FITTED = {name: part(name).fit(CORPUS, seed=0) for name in SHELF}


@pytest.mark.parametrize("name", SHELF)
def test_a_part_derives_from_the_shelfs_base_and_survives_as_settings(name):
    built = part(name)
    assert isinstance(built, Tokenizer) and type(built).__doc__
    assert tokenizers.build(json.loads(json.dumps(settings_dict(built))), "here") == built


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_one_gives_every_known_text_back(name):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(ANYTHING | HARD, max_size=5))
    def check(texts):
        fitted = FITTED["sentencepiece"] if name == "sentencepiece" else part(name).fit(texts, 0)
        encoded = fitted.encode(texts, bos=True, eos=True)
        assert [fitted.decode(row) for row in encoded] == texts
        assert fitted.vocabulary.unknown_share(encoded) == 0
        if name == "characters":
            assert [fitted.tokens(text) for text in texts] == [list(text) for text in texts]

    check()


@pytest.mark.parametrize("name", SHELF)
def test_indices_are_those_of_the_tokens(name):
    fitted = FITTED[name]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(ANYTHING | HARD | st.sampled_from(CORPUS + ODD), max_size=5))
    def check(texts):
        encoded = fitted.encode(texts)
        assert len(encoded) == len(texts)
        vocabulary = fitted.vocabulary
        index = vocabulary.index
        assert [row.tolist() for row in encoded] == [[index.get(t, UNK) for t in fitted.tokens(text)] for text in texts]

    check()


@pytest.mark.parametrize("name", ["words", "white_space"])
def test_words_come_back_with_single_spaces(name):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(ANYTHING | HARD, max_size=5))
    def check(texts):
        # Joiner marks become squares, and reserved names are unknown.
        texts = [text.replace("￭", "■").replace("<", "") for text in texts]
        fitted = part(name).fit(texts, 0)
        assert [fitted.decode(row) for row in fitted.encode(texts)] == [" ".join(text.split()) for text in texts]

    check()


@pytest.mark.parametrize("name", SHELF)
@pytest.mark.parametrize("reserved", [2, 3, 4])
def test_state_comes_back_from_json_exactly(name, reserved):
    fitted = part(name).fit(iter(CORPUS), seed=0, reserved=reserved)
    assert fitted.vocabulary.tokens[:reserved] == list(RESERVED[:reserved]) and fitted.vocabulary.reserved == reserved
    restored = part(name).restore(json.loads(json.dumps(fitted.state())))
    assert restored.vocabulary == fitted.vocabulary
    first, second = fitted.encode(CORPUS + ODD), restored.encode(CORPUS + ODD)
    assert first.fingerprint() == second.fingerprint()


@pytest.mark.parametrize("name", SHELF)
def test_begin_and_end_stand_around_each_text(name):
    plain = [row.tolist() for row in FITTED[name].encode(CORPUS + ODD)]
    for bos, eos in ((True, True), (True, False), (False, True)):
        marked = FITTED[name].encode(CORPUS + ODD, bos=bos, eos=eos)
        assert [row.tolist() for row in marked] == [[BOS] * bos + row + [EOS] * eos for row in plain]
    with pytest.raises(ValueError, match="reserves 2 indices, 4 are needed"):
        part(name).fit(CORPUS, 0, reserved=2).encode(["a"], eos=True)


@pytest.mark.parametrize("name", SHELF)
def test_neither_batches_nor_threads_change_a_result(name, monkeypatch):
    texts = (CORPUS + ODD) * 40
    fitted = part(name).fit(texts, 0)
    whole = fitted.encode(texts)
    monkeypatch.setattr(batches, "FEW", 3)
    monkeypatch.setattr(batches.batches, "__defaults__", (20,))
    for variable in THREAD_VARIABLES:
        monkeypatch.setenv(variable, "3")
    again = part(name).fit(texts, 0)
    assert again.vocabulary == fitted.vocabulary
    assert again.encode(texts).fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("name", SHELF)
def test_half_a_surrogate_pair_is_told_with_its_row(name):
    texts = [*CORPUS, "good \ud83d bad"]
    for act in (lambda: part(name).fit(texts, 0), lambda: FITTED[name].encode(texts)):
        with pytest.raises(UserError, match=r"text 5 .*U\+D83D"):
            act()


@pytest.mark.parametrize("name", SHELF)
def test_no_texts_and_empty_texts(name):
    assert len(FITTED[name].encode([])) == 0
    assert FITTED[name].encode(["", ""]).lengths.tolist() == [0, 0]
    assert FITTED[name].decode([]) == "" and FITTED[name].tokens("") == []
    for texts in ([], ["", ""]):
        if name == "sentencepiece":
            with pytest.raises(UserError, match="all empty"):
                part(name).fit(texts, 0)
        else:
            fitted = part(name).fit(texts, 0)
            expected = 256 if name == "bytes" else 0
            assert len(fitted.vocabulary) == 4 + expected
            assert len(fitted.encode(["abc", "x"])) == 2


@pytest.mark.parametrize("name", ["characters", "words", "white_space"])
def test_what_was_never_seen_is_unknown(name):
    fitted = part(name).fit(["a a b"], 0)
    encoded = fitted.encode(["z"])
    assert [row.tolist() for row in encoded] == [[UNK]] and fitted.vocabulary.unknown_share(encoded) == 1
    assert fitted.decode([UNK]) == "<unk>"
    assert fitted.decode(np.array([2, 0, 1, 3], np.uint8)) == "<unk>"


@pytest.mark.parametrize("name", ["characters", "words", "white_space"])
def test_a_vocabulary_is_cut_as_told(name):
    fitted = part(name, minimum_count=2, vocabulary_size=2).fit(["a a a b b c c d"], 0, reserved=2)
    expected = [" ", "a"] if name == "characters" else ["a", "b"]
    assert fitted.vocabulary.tokens == ["<pad>", "<unk>", *expected]


@pytest.mark.parametrize("name", SHELF)
def test_a_cell_of_a_million_characters(name):
    cell = "le café, 中x " * 100_000
    fitted = FITTED[name]
    encoded = fitted.encode(["a", cell, "b"])
    if tokenizers.get(name).lossless and name != "characters":
        assert fitted.decode(encoded.row(1)) == cell
    else:
        assert encoded.row(1).tolist() == fitted.encode([cell[:12]]).row(0).tolist() * 100_000


@pytest.mark.parametrize("name", ["words", "white_space"])
def test_lower_case(name):
    fitted = part(name, lower=True).fit(["Ab ΑΣ"], 0)
    assert fitted.tokens("aB ΑΣ") == ["ab", "ας"]
    assert fitted.decode(fitted.encode(["aB ας"]).row(0)) == "ab ας"


def test_white_space_is_str_split():
    texts = ["a\x1cb\x85c\u3000d e\u200bf", " don't ", "a,b"]
    assert [FITTED["white_space"].tokens(text) for text in texts] == [text.split() for text in texts]


def test_bytes_are_those_of_utf_8():
    fitted = FITTED["bytes"]
    assert [row.tolist() for row in fitted.encode(["é\0"])] == [[4 + 0xC3, 4 + 0xA9, 4]]
    assert fitted.tokens("é") == ["<0xC3>", "<0xA9>"]
    assert fitted.decode([4 + 0xC3, 4 + 0x41]) == "\ufffdA"
