from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoding.minimum_risk import consensus, similarities

TEXTS = st.lists(st.text("abé d", max_size=12), min_size=1, max_size=5)


def chrf(hypothesis: str, reference: str) -> float:
    return sacrebleu.sentence_chrf(hypothesis, [reference]).score


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_similarities_are_sacrebleus_sentence_chrf(texts):
    own = similarities(texts)
    for i, hypothesis in enumerate(texts):
        for j, reference in enumerate(texts):
            expected = sacrebleu.sentence_chrf(hypothesis, [reference]).score / 100
            assert own[i, j] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 10**6))
def test_the_text_of_the_least_expected_loss_is_taken(texts, seed):
    weights = np.random.default_rng(seed).random(len(texts)) + 0.01
    chosen = consensus(texts, weights.tolist())
    gains = [
        sum(w * (chrf(one, other) + chrf(other, one)) / 2 for w, other in zip(weights, texts, strict=True))
        for one in texts
    ]
    assert gains[chosen] == pytest.approx(max(gains), abs=1e-6)
    assert chosen == texts.index(texts[chosen])  # the first of the same texts


@pytest.mark.parametrize("texts", [["ein Hund", "ein Hund rennt"], ["ein Hund rennt", "ein Hund"]])
def test_of_two_texts_the_first_is_taken_however_long_it_is(texts):
    assert chrf(*texts) != chrf(*texts[::-1])
    assert consensus(texts, [0.5, 0.5]) == 0


def test_two_that_agree_outvote_one_and_weight_counts():
    texts = ["ein Hund rennt", "eine Katze schläft", "ein Hund rannte"]
    assert consensus(texts, [1, 1, 1]) != 1
    assert consensus(texts, [1, 5, 1]) == 1
