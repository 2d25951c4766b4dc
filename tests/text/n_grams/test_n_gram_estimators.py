from __future__ import annotations

import itertools
import math
import pydoc_data.topics
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import Faults, UserError
from pipeline.core.ragged import Ragged
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.counts import count
from pipeline.text.n_grams.model import NGramModel
from pipeline.text.reserved import BOS, EOS, RESERVED, UNK
from pipeline.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary([*RESERVED, "a", "b", "c", "d", "e"])
SIZE = len(VOCABULARY)
TOKENS = [UNK, EOS, *range(4, SIZE)]
"""What may follow."""

TOKEN = st.sampled_from([UNK, 4, 5, 6, 7])  # 8 is never seen
ROWS = st.lists(st.lists(TOKEN, max_size=8), min_size=1, max_size=12)
ESTIMATORS = [
    "maximum_likelihood",
    {"name": "add_k", "k": 0.3},
    "absolute_discounting",
    {"name": "absolute_discounting", "discount": 0.7},
    "kneser_ney",
    {"name": "kneser_ney", "discounts": [0.4, 0.9, 1.1]},
]


def fitted(rows: list[list[int]], order: int, estimator) -> NGramModel:
    counts = count(Ragged.from_lists(rows, np.int64), SIZE, order)
    return estimators.build(estimator, "estimator").fit(counts, VOCABULARY)


def after(model: NGramModel, context: list[int]) -> np.ndarray:
    """Probabilities of what follows a context."""
    state = model.start(1)
    for token in context:
        state = model.advance(np.array([token]), state)
    return np.exp(model.next(state)[0])


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@settings(max_examples=40)
@given(rows=ROWS, order=st.integers(1, 5), context=st.lists(st.sampled_from(TOKENS), max_size=6), begin=st.booleans())
def test_probabilities_sum_to_1_after_any_context(estimator, rows, order, context, begin):
    found = after(fitted(rows, order, estimator), [BOS, *context] if begin else context)
    assert found.sum() == pytest.approx(1, abs=1e-12) and (found >= 0).all() and found[[0, BOS]].max() == 0


@given(ROWS, st.integers(1, 4))
def test_maximum_likelihood_knows_its_own_text_as_well_as_relative_frequencies(rows, order):
    grams, contexts = Counter(), Counter()
    marked = [[BOS, *row, EOS] for row in rows]
    each = [(tuple(row[max(0, i - order + 1) : i]), row[i]) for row in marked for i in range(1, len(row))]
    for context, token in each:
        grams[context, token] += 1
        contexts[context] += 1
    expected = [math.log(grams[one] / contexts[one[0]]) for one in each]
    found = fitted(rows, order, "maximum_likelihood").score(Ragged.from_lists(rows, np.int64))
    np.testing.assert_allclose(found.values, expected, atol=1e-12)


def test_maximum_likelihood_gives_nothing_to_what_it_has_not_seen():
    found = after(fitted([[4, 5], [4, 6]], 3, "maximum_likelihood"), [BOS, 4])
    assert found[[5, 6]].tolist() == [0.5, 0.5] and found.sum() == 1
    unseen_context = after(fitted([[4, 5], [4, 6]], 3, "maximum_likelihood"), [5, 4])
    np.testing.assert_array_equal(unseen_context, found)


@given(ROWS, st.integers(1, 3), st.floats(0.01, 3), st.lists(st.sampled_from(TOKENS[1:]), min_size=2, max_size=2))
def test_add_k_is_its_formula(rows, order, k, context):
    marked = [[BOS, *row, EOS] for row in rows]
    order = min(order, max(map(len, marked)))
    context = ([BOS] if EOS in context else context)[-(order - 1) :] if order > 1 else []
    if context != [BOS] and len(context) < order - 1:
        return
    followers = Counter(
        row[i] for row in marked for i in range(max(len(context), 1), len(row)) if row[i - len(context) : i] == context
    )
    expected = [(followers[token] + k) / (followers.total() + k * len(TOKENS)) for token in TOKENS]
    found = after(fitted(rows, order, {"name": "add_k", "k": k}), context)
    np.testing.assert_allclose(found[TOKENS], expected, rtol=1e-12)


def by_the_book(rows: list[list[int]], n: int, discounts, context: tuple[int, ...], token: int) -> float:
    """Interpolated modified Kneser-Ney as Chen and Goodman write it, by sets and sums over all n-grams.

    discounts: by order, of counts 1, 2 and 3 or more.
    """
    raw: dict[int, Counter] = defaultdict(Counter)
    for row in ([BOS, *row, EOS] for row in rows):
        for m in range(1, n + 1):
            raw[m].update(tuple(row[i : i + m]) for i in range(len(row) - m + 1))

    def adjusted(gram: tuple[int, ...]) -> int:
        if gram == (BOS,):
            return 0
        if len(gram) == n or gram[0] == BOS:
            return raw[len(gram)][gram]
        return sum(longer[1:] == gram for longer in raw[len(gram) + 1])

    def probability(context: tuple[int, ...], token: int) -> float:
        found = [adjusted((*context, other)) for other in TOKENS]
        lower = probability(context[1:], token) if context else 1 / len(TOKENS)
        if not sum(found):
            return lower
        off = [0, *discounts[len(context)]]
        own = adjusted((*context, token))
        given = sum(off[min(one, 3)] for one in found)
        return (own - off[min(own, 3)] + given * lower) / sum(found)

    return probability(context[max(len(context) - n + 1, 0) :], token)


@settings(max_examples=30, deadline=None)
@given(ROWS, st.integers(1, 4), st.lists(st.sampled_from(TOKENS), max_size=4))
def test_kneser_ney_is_the_papers(rows, order, context):
    order = min(order, max(map(len, rows)) + 2)
    given = [0.4, 0.9, 1.1]
    found = after(fitted(rows, order, {"name": "kneser_ney", "discounts": given}), [BOS, *context])
    expected = [by_the_book(rows, order, [given] * order, (BOS, *context), token) for token in TOKENS]
    np.testing.assert_allclose(found[TOKENS], expected, rtol=1e-10)


def test_kneser_ney_estimates_its_discounts_from_counts_of_counts():
    """Unigrams alone, where counts need no adjusting: 6 tokens seen once, 4 twice, 3 three, 2 four times, the end 20.

    Y = 6 / (6 + 8); D1 = 1 - 2 Y 4/6, D2 = 2 - 3 Y 3/4, D3 = 3 - 4 Y 2/3.
    """
    numbers = [*[1] * 6, *[2] * 4, *[3] * 3, *[4] * 2]
    vocabulary = Vocabulary([*RESERVED, *map(str, range(len(numbers)))])
    row = [4 + i for i, number in enumerate(numbers) for _ in range(number)]
    rows = Ragged.from_lists([row, *[[]] * 19])
    model = estimators.build("kneser_ney", "").fit(count(rows, len(vocabulary), 1), vocabulary)
    y = 6 / 14
    d1, d2, d3 = 1 - 2 * y * 4 / 6, 2 - 3 * y * 3 / 4, 3 - 4 * y * 2 / 3
    total = sum(numbers) + 20
    floor = (6 * d1 + 4 * d2 + 6 * d3) / total / 17  # 15 words, the end, and the unknown that was not seen
    expected = [0, floor, 0, (20 - d3) / total + floor]
    expected += [(number - [d1, d2, d3, d3][number - 1]) / total + floor for number in numbers]
    np.testing.assert_allclose(np.exp(model.next(model.start(1))[0]), expected, rtol=1e-12)
    assert not model.told


def test_absolute_discounting_by_hand():
    """Two rows, ``a b`` and ``a c``: bigrams (begin a) 2, (a b) 1, (a c) 1, (b end) 1, (c end) 1."""
    model = fitted([[4, 5], [4, 6]], 2, {"name": "absolute_discounting", "discount": 0.5})
    floor = 0.5 * 4 / 6 / len(TOKENS)  # a 2, end 2, b 1, c 1
    b = 0.5 / 6 + floor
    assert after(model, [BOS, 4])[5] == pytest.approx(0.5 / 2 + 0.5 * 2 / 2 * b)
    assert after(model, [BOS, 4])[7] == pytest.approx(0.5 * 2 / 2 * floor)


def test_absolute_discounting_estimates_its_discount():
    """Unigrams: four seen once, one twice, the end three times: D = 4 / (4 + 2)."""
    model = fitted([[4, 5, 6, 7, UNK, UNK], [], []], 1, "absolute_discounting")
    d = 4 / 6
    assert after(model, [])[4] == pytest.approx((1 - d) / 9 + d * 6 / 9 / len(TOKENS))


@pytest.mark.parametrize("order", [2, 3])
def test_kneser_ney_is_that_of_nltk(order):
    """Where all tokens have as many different ones before them: NLTK discounts no unigrams, and both then begin with
    the uniform distribution. It has no rule for a row's begin, so contexts without it are held against."""
    nltk = pytest.importorskip("nltk.lm")
    words = [UNK, 4, 5, 6, 7, 8]
    generator = np.random.default_rng(0)
    rows = [[], *[[one, other] for one, other in itertools.product(words, words)]]
    rows += [generator.choice(words, generator.integers(0, 6)).tolist() for _ in range(60)]
    model = fitted(rows, order, {"name": "kneser_ney", "discounts": [0.3, 0.3, 0.3]})
    theirs = nltk.KneserNeyInterpolated(order, discount=0.3)
    marked = [["<s>", *map(str, row), "</s>"] for row in rows]
    grams = [[tuple(row[i : i + m]) for m in range(1, order + 1) for i in range(len(row) - m + 1)] for row in marked]
    names = {**{token: str(token) for token in words}, EOS: "</s>"}
    theirs.fit(grams, names.values())
    for context in itertools.islice(itertools.product(words, repeat=order - 1), 12):
        expected = [theirs.score(name, [names[token] for token in context]) for name in names.values()]
        np.testing.assert_allclose(after(model, list(context))[list(names)], expected, rtol=1e-10)


def test_too_few_n_grams_for_discounts_are_told_or_refused():
    model = fitted([[4, 5]], 2, "kneser_ney")
    assert len(model.told) == 2 and "1-grams are too few" in model.told[0] and "0.5, 1, 1.5" in model.told[0]
    assert "discount is 0.5" in fitted([[4, 5]], 2, "absolute_discounting").told[0]
    with pytest.raises(UserError, match="set discounts or fallback"):
        fitted([[4, 5]], 2, {"name": "kneser_ney", "fallback": None})


@pytest.mark.parametrize("estimator", ["kneser_ney", "absolute_discounting"])
def test_characters_that_are_too_few_kinds_for_a_discount_are_not_told_of(estimator):
    """Nobody can have more letters, and what is taken off so large counts hardly matters."""
    text = "".join(one for one in pydoc_data.topics.topics["operator-summary"] if one.islower() or one in " \n")
    letters = {letter: 4 + i for i, letter in enumerate(sorted(set(text)))}
    rows = Ragged.from_lists([[letters[letter] for letter in line] for line in text.splitlines()], np.int64)
    vocabulary = Vocabulary([*RESERVED, *letters])
    counts, part = count(rows, len(vocabulary), 3), estimators.build(estimator, "")
    adjusted = part.adjusted(counts)
    few = [order for order, some in enumerate(adjusted, start=1) if part.taken_off(order, some)[1]]
    assert 1 in few and not part.fit(counts, vocabulary).told


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("rows", [[[4]], [[]], [[4] * 50]], ids=["one token", "an empty row", "one token only"])
def test_the_smallest_texts_have_models(estimator, rows):
    model = fitted(rows, 9, estimator)
    assert after(model, [BOS]).sum() == pytest.approx(1)
    assert np.isfinite(model.score(Ragged.from_lists(rows, np.int64)).values).all()
    assert any("no row has 9-grams" in told for told in model.told) == (model.order < 9)


def test_an_order_longer_than_any_row_is_the_longest_there_is():
    rows = [[4, 5, 6], [5, 5], [6, 4, 4]] * 3
    np.testing.assert_array_equal(
        fitted(rows, 30, "kneser_ney").score(Ragged.from_lists(rows)).values,
        fitted(rows, 5, "kneser_ney").score(Ragged.from_lists(rows)).values,
    )


@pytest.mark.parametrize(
    "estimator",
    [
        {"name": "add_k", "k": 0},
        {"name": "absolute_discounting", "discount": 1.5},
        {"name": "kneser_ney", "discounts": [0.5, 0.5, -1]},
        {"name": "kneser_ney", "discounts": [0.5]},
        {"name": "kneser_nay"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_faults(estimator):
    with pytest.raises(Faults, match="estimator"):
        estimators.build(estimator, "estimator")
