from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.text.reserved import RESERVED, UNK
from pipeline.text.vocabulary import Vocabulary

TOKENS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
COUNTS = st.dictionaries(TOKENS, st.integers(1, 99), max_size=20)


@given(COUNTS, st.integers(2, 4), st.integers(1, 5), st.integers(1, 9) | st.none())
def test_a_vocabulary_keeps_the_most_frequent(counts, reserved, minimum, size):
    vocabulary = Vocabulary.from_counts(counts, reserved, minimum, size)
    assert vocabulary.tokens[:reserved] == list(RESERVED[:reserved]) and vocabulary.reserved == reserved
    kept = vocabulary.tokens[reserved:]
    assert len(kept) <= (size or len(counts)) and all(counts[token] >= minimum for token in kept)
    assert kept == [token for token, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if token in kept]
    assert vocabulary.counts.sum() == sum(counts.values())  # what was left out is counted as unknown


@given(COUNTS, st.integers(2, 4))
def test_a_vocabulary_is_read_back_exactly(tmp_path_factory, counts, reserved):
    vocabulary = Vocabulary.from_counts(counts, reserved)
    path = tmp_path_factory.getbasetemp() / "vocabulary.txt"
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(vocabulary)


def test_its_file_can_be_read_by_a_person(tmp_path):
    Vocabulary.from_counts(Counter({"été": 3, "\n": 2, "\t": 2, "a\\n": 1, "\0": 1}), 2).save(tmp_path / "v")
    assert (tmp_path / "v").read_text(encoding="utf-8") == (
        "<pad>\t0\n<unk>\t0\nété\t3\n\\t\t2\n\\n\t2\n\\u0000\t1\na\\\\n\t1\n"
    )


@pytest.mark.parametrize("line", ["word", "word\tmany", "word\t-1", ""])
def test_a_line_without_a_count_is_told(line, tmp_path):
    (tmp_path / "v").write_text(f"<pad>\t0\n{line}\n<unk>\t0\n")
    with pytest.raises(UserError, match="v, line 2"):
        Vocabulary.load(tmp_path / "v")


def test_a_text_cannot_pass_for_padding_or_an_end():
    vocabulary = Vocabulary.build([["<pad>", "<eos>", "<bos>", "<unk>", "a"]], 4)
    assert vocabulary.tokens == [*RESERVED, "a"]
    assert vocabulary.encode(["<pad>", "<eos>", "<bos>", "<unk>", "a"]) == [UNK] * 4 + [4]
    assert Vocabulary.build([["<bos>", "<bos>", "a"]], 2).tokens == ["<pad>", "<unk>", "a"]


def test_the_share_of_unknown_tokens_leaves_marks_out():
    vocabulary = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", "a"])
    encoded = Ragged.from_lists([[2, 4, 1, 3], [2, 3], [0, 2, 4, 4, 3]])
    assert vocabulary.unknown_share(encoded) == 1 / 4
    assert vocabulary.unknown_share(encoded.take([1])) == 0
    assert Vocabulary(["<pad>", "<unk>", "a", "b"]).unknown_share(Ragged.from_lists([[2, 3, 1]])) == 1 / 3


def test_reserved_tokens_alone_are_a_vocabulary():
    vocabulary = Vocabulary.from_counts({}, 3)
    assert len(vocabulary) == 3 and vocabulary.encode(["a", ""]) == [UNK, UNK]
    assert vocabulary.decode(np.array([0, 1, 2])) == ["<unk>"]
