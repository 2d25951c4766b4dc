"""Beam and exact search over random tables, held against every text there is, and over networks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

torch = pytest.importorskip("torch")


from pipeline.core.errors import Faults, UserError  # noqa: E402
from pipeline.decoding import searches  # noqa: E402
from pipeline.decoding.ranking import best  # noqa: E402
from pipeline.decoding.steps import Steps  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD, UNK  # noqa: E402

A, B, C, D = range(4, 8)
VOCABULARY = 8


def build(name, **settings):
    return searches.build({"name": name, **settings}, "s")


class Tables(Steps):
    """Each lane has a table of its own: the next token hangs on the last two. Counts the lanes it computes."""

    def __init__(self, tables: np.ndarray) -> None:
        with np.errstate(divide="ignore"):
            self.logs = np.log(tables)  # [lanes, tokens, tokens, tokens]
        self.computed = 0

    def start(self, of):
        return np.stack([np.arange(of), np.zeros(of, np.int64)], axis=1)

    def take(self, state, lanes):
        return state[lanes]

    def step(self, tokens, state):
        self.computed += len(tokens)
        return self.logs[state[:, 0], state[:, 1], tokens], np.stack([state[:, 0], tokens], axis=1)

    def step_looking(self, tokens, state):
        return *self.step(tokens, state), LOOKS[tokens]


LOOKS = np.random.default_rng(5).dirichlet(np.full(3, 0.3), VOCABULARY)
"""What each token looks at of a source of three, [tokens, source tokens]."""


def tables(seed: int, lanes: int = 1, zeros: float = 0.3) -> np.ndarray:
    """Probabilities, some of them 0, of texts of which each can end."""
    random = np.random.default_rng(seed)
    found = random.dirichlet(np.full(VOCABULARY, 0.5), (lanes, VOCABULARY, VOCABULARY))
    found[random.random(found.shape) < zeros] = 0
    found[..., EOS] += 0.05
    return found / found.sum(axis=-1, keepdims=True)


def run(search, steps, *limits):
    return search.answers(steps, steps.start(len(limits)), np.array(limits), list(range(len(limits))))


def every_text(table: np.ndarray, search, limit: int) -> list[tuple[float, tuple[int, ...]]]:
    """All that end within the limit and repeat nothing that they must not, the best first."""
    found = []
    for length in range(limit):
        for text in product((A, B, C, D), repeat=length):
            grams = list(zip(*(text[i:] for i in range(search.no_repeat)), strict=False)) if search.no_repeat else []
            if len(set(grams)) < len(grams):
                continue
            whole = [PAD, BOS, *text, EOS]
            odds = [table[whole[i], whole[i + 1], whole[i + 2]] for i in range(length + 1)]
            if min(odds) > 0:
                covered = np.minimum(LOOKS[whole[1:-1]].sum(axis=0), 1)  # Wu et al. 2016, equation 14
                missed = search.coverage_penalty * float(np.log(covered).sum())
                found.append(
                    (float(np.log(odds).sum()) / ((5 + length + 1) / 6) ** search.length_penalty + missed, text)
                )
    return sorted(found, reverse=True)


few = how(max_examples=25, deadline=None)
SETTINGS = st.fixed_dictionaries(
    {
        "length_penalty": st.sampled_from([0.0, 0.6, 1.0, 3.0]),
        "coverage_penalty": st.sampled_from([0.0, 0.0, 0.2, 1.0]),
        "no_repeat": st.integers(0, 3),
    }
)


@few
@given(seed=st.integers(0, 10**6), settings=SETTINGS, n_best=st.integers(1, 6), width=st.integers(1, 6))
def test_exact_finds_the_best_texts_a_wide_beam_too_and_a_narrow_one_none_better(seed, settings, n_best, width):
    table, limit = tables(seed), 4
    exact = build("exact", n_best=n_best, **settings)
    best = [one for one in run(exact, Tables(table), limit)[0] if one.ended]
    expected = every_text(table[0], exact, limit)[:n_best]
    np.testing.assert_allclose([one.score for one in best], [score for score, _ in expected], rtol=1e-9)
    assert {one.tokens for one in best} == {text for _, text in expected} or len(set(expected)) < len(expected)
    wide = build("beam", width=4**limit, n_best=n_best, **settings)
    assert run(wide, Tables(table), limit)[0][: len(best)] == best
    narrow = run(build("beam", width=width, **settings), Tables(table), limit)[0][0]
    if narrow.ended:
        assert narrow.score <= best[0].score + 1e-9
        assert narrow.tokens in {text for _, text in every_text(table[0], exact, limit)}


@few
@given(seed=st.integers(0, 10**6), lanes=st.integers(1, 5), width=st.integers(1, 5), settings=SETTINGS)
def test_each_lane_is_answered_as_if_it_were_alone(seed, lanes, width, settings):
    table, limits = tables(seed, lanes), np.random.default_rng(seed).integers(1, 8, lanes)
    search = build("beam", width=width, n_best=width, **settings)
    together = run(search, Tables(table), *limits)
    for i in range(lanes):
        assert run(search, Tables(table[i : i + 1]), limits[i]) == [together[i]]


@few
@given(seed=st.integers(0, 10**6))
def test_of_width_1_it_is_greedy(seed):
    table = tables(seed, 3, zeros=0)
    greedy = run(build("greedy"), Tables(table), 9, 5, 1)
    beam = run(build("beam", width=1, length_penalty=0), Tables(table), 9, 5, 1)
    for (one,), (other,) in zip(beam, greedy, strict=True):
        assert (one.tokens, one.ended) == (other.tokens, other.ended)
        assert one.score == pytest.approx(other.score)


def chain(**after) -> np.ndarray:
    """A table in which the next token hangs on the last one: name -> {token: probability}."""
    names = {"bos": BOS, "a": A, "b": B, "c": C, "d": D}
    found = np.zeros((1, VOCABULARY, VOCABULARY, VOCABULARY))
    for name, nexts in after.items():
        found[0, :, names[name], list(nexts)] = np.array(list(nexts.values()))[:, None]
    return found


GARDEN = chain(bos={A: 0.6, B: 0.4}, a={C: 0.3, D: 0.3, EOS: 0.4}, b={C: 0.9, D: 0.1}, c={EOS: 1.0}, d={EOS: 1.0})
"""The first step that looks best leads to less: b c has 0.36, a alone 0.24."""


def test_a_beam_finds_what_greedy_passes_by():
    assert run(build("greedy"), Tables(GARDEN), 9)[0][0].tokens == (A,)
    (best, second), *_ = run(build("beam", width=2, n_best=2, length_penalty=0), Tables(GARDEN), 9)
    assert (best.tokens, second.tokens) == ((B, C), (A,))
    np.testing.assert_allclose(np.exp([best.log_probability, second.log_probability]), [0.36, 0.24])
    assert best.score == best.log_probability


def test_scores_are_divided_by_the_lengths_penalty():
    """Wu et al. 2016: lp(Y) = (5 + |Y|)^a / 6^a, here of three tokens with the end mark."""
    (best,) = run(build("beam", length_penalty=0.7), Tables(GARDEN), 9)[0]
    assert best.score == pytest.approx(np.log(0.36) / (8**0.7 / 6**0.7))


def test_only_what_can_still_win_is_computed():
    sure = chain(bos={A: 0.98, B: 0.01, C: 0.01}, a={EOS: 1.0}, b={B: 1.0}, c={C: 1.0})
    steps = Tables(sure)
    assert run(build("beam", width=3, length_penalty=0), steps, 60)[0][0].tokens == (A,)
    assert steps.computed == 1 + 3  # b and c go on for ever, and are less probable already
    both = Tables(np.concatenate([sure, chain(bos={A: 1}, a={A: 0.9, EOS: 0.1})]))
    run(build("greedy"), both, 20, 20)
    assert both.computed == 2 + 2 + 18  # the first lane is done after two steps


def test_a_text_whose_end_is_never_found_is_cut_at_its_limit_and_ranks_behind_those_that_end():
    endless = Tables(chain(bos={A: 0.7, B: 0.3}, a={A: 1.0}, b={B: 0.9, EOS: 0.1}))
    for name, settings in (("beam", {"width": 3}), ("exact", {})):
        found = run(build(name, n_best=1, length_penalty=0, **settings), endless, 5)[0]
        assert [(one.tokens, one.ended) for one in found] == [((B,), True)], name
    without = Tables(chain(bos={A: 0.7, B: 0.3}, a={A: 1.0}, b={B: 1.0}))
    for name, settings in (("beam", {"width": 3}), ("exact", {})):
        found = run(build(name, n_best=2, **settings), without, 5)[0]
        assert [(one.tokens, one.ended) for one in found] == [((A,) * 5, False), ((B,) * 5, False)], name
    assert run(build("greedy"), endless, 5)[0][0] == ((A,) * 5, np.log(0.7), np.log(0.7), False)


def test_where_repeating_is_all_that_is_left_a_text_is_cut():
    circle = Tables(chain(bos={A: 1}, a={B: 1}, b={A: 1}))
    for name in ("beam", "exact"):
        (only,) = run(build(name, no_repeat=2), circle, 50)[0]
        assert (only.tokens, only.ended) == ((A, B, A), False), name
    (none,) = run(build("beam"), Tables(chain(bos={UNK: 0.5, PAD: 0.5})), 50)[0]
    assert (none.tokens, none.ended) == ((), False)  # nothing may follow at all


def test_more_texts_than_there_are_tokens():
    few = chain(bos={A: 0.9, EOS: 0.1}, a={EOS: 1.0})
    for name, settings in (("beam", {"width": 50}), ("exact", {})):
        found = run(build(name, n_best=50, **settings), Tables(few), 6)[0]
        assert [one.tokens for one in found] == [(A,), ()], name


def test_scores_that_are_no_numbers_are_told():
    table = np.full((1, VOCABULARY, VOCABULARY, VOCABULARY), np.nan)
    for name in searches:
        with pytest.raises(UserError, match="no numbers"):
            run(build(name), Tables(table), 4)


def test_exact_tells_where_it_gives_up():
    with pytest.raises(UserError, match="3 beginnings were not enough"):
        run(build("exact", most=3), Tables(tables(1, zeros=0)), 30)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0}, "width"),
        ({"width": 2, "n_best": 3}, "a beam of 2 finds no 3 texts"),
        ({"length_penalty": -1}, "length_penalty"),
        ({"coverage_penalty": -1}, "coverage_penalty"),
        ({"no_repeat": -1}, "no_repeat"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(Faults, match=words):
        build("beam", **settings)


def test_of_a_large_vocabulary_the_very_largest_are_taken():
    values = np.random.default_rng(0).normal(size=(7, 3001)).astype(np.float32)
    values[0, 3000], values[1, :5], values[2, 64:80] = 9, 9, 9  # behind all blocks, and several in one
    for most in (1, 10, 20):
        logs, tokens = best(values, most)
        np.testing.assert_array_equal(logs, -np.sort(-values, axis=1)[:, :most])
        np.testing.assert_array_equal(np.take_along_axis(values, tokens, 1), logs)
        assert all(len(set(row)) == most for row in tokens.tolist())
    values[3, 1234] = np.nan
    with pytest.raises(UserError, match="no numbers"):
        best(values, 2)
