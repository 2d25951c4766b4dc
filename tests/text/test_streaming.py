"""Text told while its tokens come."""

from __future__ import annotations

import pytest

from pipeline.text.streaming import TextStream
from pipeline.text.tokenizers import tokenizers

TEXTS = ["l'été (déjà) 東京 😀👩‍👩‍👧 ok", "a \ufdd0 b ▁ c", "it's \ufffd done.", "", "  two  spaces\nand a line", "ξ"]
CUT = {
    "bytes": {},
    "characters": {},
    "words": {},
    "white_space": {},
    "sentencepiece": {"vocabulary_size": 300, "character_coverage": 0.98},
}


@pytest.fixture(scope="module", params=sorted(CUT))
def tokenizer(request):
    return tokenizers.build({"name": request.param, **CUT[request.param]}, "t").fit(TEXTS * 20, 0)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_the_text_and_none_is_taken_back(tokenizer, text):
    whole = tokenizer.encode([text]).row(0).tolist()
    for begin in range(len(whole) + 1):
        before, stream = tokenizer.decode(whole[:begin]), TextStream(tokenizer, whole[:begin])
        if "\ufffd" in before or before.endswith("\ufdd0"):
            continue  # a character cut through
        pieces = [stream.add(token) for token in whole[begin:]]
        assert before + "".join(pieces) + stream.rest() == tokenizer.decode(whole)
        assert stream.rest() == ""


def test_characters_of_several_bytes_come_whole_and_at_once():
    tokenizer = tokenizers.build("bytes", "t").fit([], 0)
    stream = TextStream(tokenizer)
    pieces = [stream.add(token) for token in tokenizer.encode(["aé😀b"]).row(0)]
    assert pieces == ["a", "", "é", "", "", "", "😀", "b"]


def test_what_is_no_character_is_told_as_soon_as_nothing_can_mend_it():
    tokenizer = tokenizers.build("bytes", "t").fit([], 0)
    stream = TextStream(tokenizer)
    pieces = [stream.add(4 + byte) for byte in b"a\xf0\x9fb" + b"\xff" * 6]
    assert pieces[:4] == ["a", "", "", "\ufffdb"] and "".join(pieces[4:]) == "\ufffd" * 3
    assert stream.rest() == "\ufffd" * 3
    cut = TextStream(tokenizer)
    assert [cut.add(4 + byte) for byte in "é".encode()[:1]] == [""] and cut.rest() == "\ufffd"
