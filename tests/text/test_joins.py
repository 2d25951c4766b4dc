from __future__ import annotations

import pytest

from pipeline.text.joins import detokenize, tokenize, words

TEXTS = [
    "l'aide (bêta).",
    "Télécharger le fichier %1 : 3,5 Mo ?",
    "a_b -- 'x' [y]{z}… c'est-à-dire",
    "...and (so) on!?",
    "日本語。ok 中文abc中 x",
    "e\u0301 cole",
    "(हिन्दी) है,ठीक ही👩\u200d💻ok",
    "",
    "  two  spaces\nand a line  ",
]


@pytest.mark.parametrize("text", TEXTS)
def test_detokenize_gives_the_text_back_with_single_spaces(text):
    assert detokenize(tokenize(text)) == " ".join(text.split())


def test_a_word_is_the_same_token_whatever_stands_beside_it():
    for text in ("mode", "(mode)", "l'mode", "mode,", "the mode."):
        assert "mode" in tokenize(text)


def test_words_split_at_punctuation_and_ideographs():
    assert words("Don't stop_it: 中文 x2!") == ["Don", "'", "t", "stop", "_", "it", ":", "中", "文", "x2", "!"]


def test_unknown_tokens_are_joined_as_words():
    assert detokenize(["le", "<unk>", "￭'￭", "ami"]) == "le <unk>'ami"


@pytest.mark.parametrize(
    "text", ["हिन्दी भाषा अच्छी है", "தமிழ் மொழி", "ที่นี่ ไทย", "می\u200cخواهم بروم", "שָׁלוֹם עוֹלָם", "e\u0301cole"]
)
def test_what_stands_at_letters_is_of_their_word(text):
    assert words(text) == tokenize(text) == text.split()


def test_what_stands_at_signs_is_of_no_word():
    assert words("❤\ufe0fgood 中\u302a か\u3099x") == ["❤", "\ufe0f", "good", "中", "\u302a", "か", "\u3099", "x"]
