from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UserError
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.arpa import read_arpa, write_arpa
from pipeline.text.n_grams.counts import count
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.reserved import RESERVED, UNK
from pipeline.text.vocabulary import Vocabulary

ARPA = """\
\\data\\
ngram 1=7
ngram 2=6
ngram 3=3

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.5
-0.9\t</s>
-0.7\tthe\t-0.3
-0.8\tcat\t0.25
-1.1\tsat\t-0.1
-1.3\tnéant

\\2-grams:
-0.2\t<s> the\t-0.15
-0.3\tthe cat\t-0.2
-0.6\tcat sat\t0.05
-0.5\tcat cat
-0.4\tsat </s>
-0.7\tnéant the\t-0.6

\\3-grams:
-0.1\t<s> the cat
-0.12\tthe cat sat
-0.05\tcat sat </s>

\\end\\
"""
"""By hand, with what other toolkits write: weights above 1, contexts without one, n-grams whose ends were pruned."""

SENTENCES = ["the cat sat", "cat cat cat", "sat néant the", "dog the dog", "", "the the cat sat sat cat the cat"]


@pytest.fixture
def arpa(tmp_path):
    path = tmp_path / "m.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def base_10(model: NGramModel, sentences: list[str]) -> np.ndarray:
    encoded = Ragged.from_lists([model.vocabulary.encode(one.split()) for one in sentences], np.int64)
    return model.score(encoded).values / math.log(10)


def test_scores_by_hand(arpa):
    model = read_arpa(arpa)
    assert model.vocabulary.tokens == [*RESERVED, "the", "cat", "sat", "néant"]
    expected = {
        "the cat sat": [-0.2, -0.1, -0.12, -0.05],
        "cat cat": [
            -0.5 - 0.8,
            -0.5,
            0.25 - 0.9,
        ],  # begin's weight; a bigram; ``cat cat`` has weight 1, ``cat`` 10^0.25
        "dog": [-0.5 - 1.2, -0.9],
        "the sat": [-0.2, -0.15 - 0.3 - 1.1, -0.4],
    }
    for sentence, scores in expected.items():
        np.testing.assert_allclose(base_10(model, [sentence]), scores, atol=1e-12)


def trained(order: int, estimator: str = "kneser_ney") -> NGramModel:
    generator = np.random.default_rng(0)
    words = ["the", "cat", "sat", "\\n", "a\\u0020b", "néant", "x\u00a0y"]
    texts = [
        generator.choice(words, generator.integers(1, 9), p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]) for _ in range(80)
    ]
    vocabulary = Vocabulary.build(texts, 4)
    rows = Ragged.from_lists([vocabulary.encode(text) for text in texts])
    return estimators.build(estimator, "").fit(count(rows, len(vocabulary), order), vocabulary)


@pytest.mark.parametrize("which", ["by hand", 2, 5])
def test_kenlm_scores_alike(which, arpa):
    kenlm = pytest.importorskip("kenlm")
    if which != "by hand":
        write_arpa(arpa, trained(which))
    model, theirs = read_arpa(arpa), kenlm.Model(str(arpa))
    generator = np.random.default_rng(1)
    words = [*model.vocabulary.tokens[4:], "dog"]
    sentences = [" ".join(generator.choice(words, generator.integers(0, 9))) for _ in range(100)] + SENTENCES
    sentences = [one for one in sentences if "\xa0" not in one]  # str.split takes it for a space, KenLM does not
    expected = [score for one in sentences for score, _, _ in theirs.full_scores(one)]
    np.testing.assert_allclose(base_10(model, sentences), expected, atol=1e-4)


@pytest.mark.parametrize("estimator", ["kneser_ney", "maximum_likelihood", "add_k"])
@pytest.mark.parametrize("order", [1, 4])
def test_a_model_is_written_and_read_back(order, estimator, tmp_path):
    model = trained(order, estimator)
    write_arpa(tmp_path / "m", model)
    again = read_arpa(tmp_path / "m")
    assert again.vocabulary.tokens == model.vocabulary.tokens
    rows = Ragged.from_lists(np.random.default_rng(0).integers(4, 11, (50, 6)).tolist())
    np.testing.assert_allclose(again.score(rows).values, model.score(rows).values, atol=1e-6)
    write_arpa(tmp_path / "again", again)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


TOKENS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
    | st.sampled_from([" ", "\n", "\\", "\\u0020", "<s>", "</s>", "<UNK>", "\\end\\", "\x85"]),
    unique=True,
    max_size=6,
).filter(lambda some: not set(some) & set(RESERVED))


@settings(max_examples=50)
@given(TOKENS)
def test_any_token_comes_back_spaces_and_marks_too(tmp_path_factory, tokens):
    vocabulary = Vocabulary([*RESERVED, *tokens])
    rows = Ragged.from_lists([list(range(4, len(vocabulary)))], np.int64)
    path = tmp_path_factory.getbasetemp() / "tokens.arpa"
    write_arpa(path, estimators.build("add_k", "").fit(count(rows, len(vocabulary), 2), vocabulary))
    assert read_arpa(path).vocabulary.tokens == vocabulary.tokens


def test_words_are_written_as_they_are_unless_they_cannot_be(tmp_path):
    write_arpa(tmp_path / "m", trained(2))
    text = (tmp_path / "m").read_text(encoding="utf-8")
    assert text.startswith("\\data\\\nngram 1=10\n") and "\t\\n\t" in text and "\ta\\u0020b\t" in text
    with pytest.raises(UserError, match="no empty token"):
        write_arpa(tmp_path / "e", NGramModel(Vocabulary([*RESERVED, ""]), [], [np.zeros(5)], []))
    assert not (tmp_path / "e").exists()


def test_a_file_without_unknown_words_finds_them_impossible(arpa):
    arpa.write_text(ARPA.replace("-1.2\t<unk>\n", "").replace("ngram 1=7", "ngram 1=6"), encoding="utf-8")
    model = read_arpa(arpa)
    assert base_10(model, ["dog"])[0] == -np.inf and model.probabilities[0][UNK] == -np.inf
    assert base_10(model, ["the cat"])[1] == pytest.approx(-0.1)


def test_other_toolkits_forms_are_read(arpa):
    before = base_10(read_arpa(arpa), SENTENCES)
    other = ARPA.replace("\n", "\r\n").replace("\t", " ").replace("<unk>", "<UNK>").replace("ngram 1=7", "ngram 1 = 7")
    arpa.write_text("made by a toolkit\n\n" + other, encoding="utf-8", newline="")
    np.testing.assert_array_equal(base_10(read_arpa(arpa), SENTENCES), before)


FAULTS = {
    "more 2-grams than stand": ("ngram 2=6", "ngram 2=7", r"line 22: the head counts 7 2-grams, and 6 stand here"),
    "fewer 2-grams than stand": (
        "ngram 2=6",
        "ngram 2=5",
        r"line 21: the head counts 5 2-grams, and here stands one mo",
    ),
    "more of the last": ("ngram 3=3", "ngram 3=2", r"line 26: needs \\end\\ after the 2 3-grams"),
    "no such section": ("\\2-grams:", "\\4-grams:", r"line 15: needs \\2-grams: here, got"),
    "no numbers": ("ngram", "n", r"line 2: needs ngram 1="),
    "an order left out": ("ngram 2=6\n", "", r"line 3: needs ngram 2=, got"),
    "a bad number": ("-0.3\tthe cat", "-0.x\tthe cat", r"line 17: needs a number, got '-0.x'"),
    "not a number": ("-0.3\tthe cat", "nan\tthe cat", r"line 17: needs a logarithm of at most 0"),
    "a probability above 1": ("-0.3\tthe cat", "0.3\tthe cat", r"line 17: .* got 0.3 and -0.2"),
    "an endless weight": ("\t0.25", "\tinf", r"line 11: .* finite weight"),
    "too few words": ("the cat sat", "the cat", r"line 25: needs a logarithm, 3 words, got"),
    "too many words": ("the cat\t-0.2", "the cat sat\t-0.2", r"line 17: needs a logarithm, 2 words and perhaps a wei"),
    "an unknown word": ("the cat sat", "the dog sat", r"line 25: 'dog' is none of the 1-grams"),
    "an unknown context": ("the cat sat", "the sat sat", r"line 25: the context 'the sat' is none of the 2-grams"),
    "a word twice": ("sat\t-0.1", "cat\t-0.1", r"line 12: 'cat' stands there twice"),
    "an n-gram twice": ("sat </s>\n", "the cat\n", r"line 20: 'the cat' stands there twice"),
    "not UTF-8": ("néant\n\n\\2", "n\udcffant\n\n\\2", r"no UTF-8|is none of the 1-grams"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_told_by_its_line(fault, arpa):
    right, wrong, message = FAULTS[fault]
    assert right in ARPA
    arpa.write_bytes(ARPA.replace(right, wrong, 1 if right != "ngram" else -1).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=message) as told:
        read_arpa(arpa)
    assert "m.arpa" in str(told.value) and "\n" not in str(told.value)


def test_a_file_cut_short_anywhere_is_told_with_the_line(arpa):
    """All of it but the line end after the last mark is needed."""
    whole = ARPA.encode()
    for length in range(0, len(whole) - 1, 3):
        arpa.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"m\.arpa, line \d+: "):
            read_arpa(arpa)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match=re.escape("none.arpa: cannot be read (No such file")):
        read_arpa(tmp_path / "none.arpa")
