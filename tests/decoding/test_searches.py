"""Searches over steps that are written down by hand, and over networks and n-grams."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pipeline.core.errors import Faults, UserError  # noqa: E402
from pipeline.core.ragged import Ragged  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.decoding import searches  # noqa: E402
from pipeline.decoding.network import NetworkSteps  # noqa: E402
from pipeline.decoding.steps import Mixture, Steps  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.estimators.n_gram import NGramSteps  # noqa: E402
from pipeline.text.n_grams import estimators  # noqa: E402
from pipeline.text.n_grams.counts import count  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD, RESERVED, UNK  # noqa: E402
from pipeline.text.vocabulary import Vocabulary  # noqa: E402

A, B, C, D = range(4, 8)
GREEDY = searches.build("greedy", "s")


def sampling(**settings):
    return searches.build({"name": "sampling", **settings}, "s")


class Table(Steps):
    """The next token hangs on the last one alone; the state is what each lane has read."""

    def __init__(self, after: dict[int, dict[int, float]], tokens: int = 8) -> None:
        self.table = np.zeros((tokens, tokens))
        for token, nexts in after.items():
            self.table[token, list(nexts)] = list(nexts.values())

    def start(self, of):
        return [[] for _ in range(of)]

    def take(self, state, lanes):
        return [state[lane] for lane in lanes]

    def step(self, tokens, state):
        self.read_so_far = [[*lane, int(token)] for lane, token in zip(state, tokens, strict=True)]
        with np.errstate(divide="ignore"):
            return np.log(self.table[tokens]), self.read_so_far


def found(search, steps, prefix, length, seed=0, **options) -> list[list[int]]:
    """By lane."""
    return np.array(list(search.tokens(steps, np.array(prefix), length, seed, **options))).T.tolist()


CHAIN = {BOS: {A: 0.6, B: 0.4}, A: {B: 0.9, EOS: 0.1}, B: {C: 0.5, A: 0.3, EOS: 0.2}, C: {EOS: 0.8, A: 0.2}, D: {D: 1}}


def test_greedy_goes_the_most_probable_way_and_lanes_end_by_themselves():
    steps = Table(CHAIN)
    assert found(GREEDY, steps, [[BOS, A], [BOS, C], [BOS, D]], 4) == [
        [B, C, EOS, PAD],
        [EOS, PAD, PAD, PAD],
        [D, D, D, D],
    ]
    assert steps.read_so_far[2] == [BOS, D, D, D, D]  # the last token is not read any more
    assert found(GREEDY, Table(CHAIN), [[BOS]], 9) == [[A, B, C, EOS]]  # all have ended


def test_padding_unknown_and_begin_never_follow():
    table = {BOS: {PAD: 0.3, UNK: 0.3, BOS: 0.3, A: 0.1}, A: {UNK: 0.9, EOS: 0.1}}
    for search in (GREEDY, sampling(), sampling(top_k=1), sampling(top_p=0.1)):
        assert found(search, Table(table), [[BOS]], 5) == [[A, EOS]]


def test_where_nothing_can_follow_it_is_told():
    with pytest.raises(UserError, match="every token a probability of 0"):
        found(GREEDY, Table({BOS: {A: 1}, A: {UNK: 1}}), [[BOS]], 5)


def test_joined_texts_go_on_behind_an_end_mark():
    steps = Table(CHAIN)
    assert found(GREEDY, steps, [[BOS]], 6, joined=True) == [[A, B, C, EOS, A, B]]
    assert steps.read_so_far == [[BOS, A, B, C, BOS, A]]  # as it was trained: a begin mark in place of the end


LOGS = np.log(np.array([[0.0, 0.0, 0.0, 0.1, 0.4, 0.05, 0.2, 0.25]]) + 1e-300)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {3: 0.1, 4: 0.4, 5: 0.05, 6: 0.2, 7: 0.25}),
        ({"top_k": 2}, {4: 0.4 / 0.65, 7: 0.25 / 0.65}),
        ({"top_k": 50}, {3: 0.1, 4: 0.4, 5: 0.05, 6: 0.2, 7: 0.25}),
        ({"top_p": 0.3}, {4: 1.0}),
        ({"top_p": 0.6}, {4: 0.4 / 0.65, 7: 0.25 / 0.65}),
        ({"top_p": 0.7}, {4: 0.4 / 0.85, 6: 0.2 / 0.85, 7: 0.25 / 0.85}),
        ({"top_k": 2, "top_p": 0.6}, {4: 1.0}),  # 0.4 of the 0.65 that are left are more than 0.6
        ({"temperature": 0.5}, {3: 0.01, 4: 0.16, 5: 0.0025, 6: 0.04, 7: 0.0625}),  # squares
        # The nucleus is that of the sharpened ones: 0.16 / 0.275 and 0.0625 / 0.275 are 0.81 together.
        ({"temperature": 0.5, "top_p": 0.8}, {4: 0.16, 7: 0.0625}),
    ],
)
def test_what_is_drawn_from(settings, expected):
    total = sum(expected.values())
    wanted = [expected.get(token, 0.0) / total for token in range(8)]
    np.testing.assert_allclose(sampling(**settings).distribution(LOGS)[0], wanted, atol=1e-12)


def test_of_equals_the_first_ones_are_kept():
    equals = np.log(np.full((1, 8), 1 / 8))
    assert np.flatnonzero(sampling(top_k=3).distribution(equals)).tolist() == [0, 1, 2]
    assert np.flatnonzero(sampling(top_p=0.5).distribution(equals)).tolist() == [0, 1, 2, 3]


def test_draws_have_these_frequencies():
    lanes = 4000
    for settings in ({}, {"top_p": 0.7, "temperature": 0.8}, {"top_k": 3}):
        search = sampling(**settings)
        steps = Table({BOS: {EOS: 0.1, A: 0.4, B: 0.05, C: 0.2, D: 0.25}})
        drawn = np.bincount([lane[0] for lane in found(search, steps, [[BOS]] * lanes, 1, seed=3)], minlength=8)
        wanted = search.distribution(LOGS)[0]
        assert (drawn[wanted == 0] == 0).all()
        np.testing.assert_allclose(drawn / lanes, wanted, atol=4 * np.sqrt(0.25 / lanes))


def test_a_draw_at_either_end_takes_no_token_of_probability_0():
    logs = np.log(np.array([[0, 0, 0, 0, 0.7, 0.3, 0, 0]]) + 1e-300)
    logs[logs < -600] = -np.inf
    assert sampling().choose(logs, np.array([0.0])).tolist() == [4]
    assert sampling().choose(logs, np.array([np.nextafter(1, 0)])).tolist() == [5]


def test_the_same_seed_gives_the_same_text_however_many_lanes_there_are():
    one = found(sampling(), Table(CHAIN), [[BOS]], 30, seed=5, joined=True)
    three = found(sampling(), Table(CHAIN), [[BOS]] * 3, 30, seed=5, joined=True)
    assert three[0] == one[0] and len({tuple(lane) for lane in three}) == 3
    assert found(sampling(), Table(CHAIN), [[BOS]], 30, seed=6, joined=True) != one


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"temperature": 0}, "temperature"), ({"top_k": -1}, "top_k"), ({"top_p": 0}, "top_p"), ({"beam": 3}, "beam")],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(Faults, match=words):
        sampling(**settings)


NETWORKS = [
    ("recurrent_language_model", {"cell": "gru", "hidden": 16, "embedding": 8}),
    ("recurrent_language_model", {"cell": "lstm", "hidden": 16, "embedding": None, "layers": 2}),
    *(
        (
            "transformer_language_model",
            {"width": 16, "heads": 2, "layers": 2, "tied": False, "positions": kind, "longest": 64},
        )
        for kind in ("rotary", "sinusoidal", "learned")
    ),
]
TOKENS = 20


def network(name, settings):
    torch.manual_seed(1)
    built = models.build({"name": name, **settings}, "m").build(Spec(outputs=TOKENS), task=None, seed=0)
    with torch.no_grad():
        built.scores.output.weight.mul_(4)  # so that it has something to say
    return built


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Anew(Steps):
    """Without any state: all that was read is read again for each token."""

    def __init__(self, network) -> None:
        self.network = network.eval()

    def start(self, of):
        return np.zeros((of, 0), np.int64)

    def take(self, state, lanes):
        return state[lanes]

    def step(self, tokens, state):
        whole = np.concatenate([state, tokens[:, None]], axis=1)
        with torch.no_grad():
            scores, _ = self.network({"tokens": torch.from_numpy(whole)})
        return scores[:, -1].double().log_softmax(-1).numpy(), whole


@pytest.mark.parametrize("search", [GREEDY, sampling(temperature=0.9, top_k=10, top_p=0.9)], ids=["greedy", "sampling"])
@pytest.mark.parametrize(("name", "settings"), NETWORKS)
def test_the_text_is_the_same_with_and_without_a_cache(name, settings, search):
    made, prefix = network(name, settings), [[BOS, 9, 5, 11]] * 3
    with_cache = found(search, NetworkSteps(made, torch.device("cpu")), prefix, 40, joined=True)
    assert with_cache == found(search, Anew(made), prefix, 40, joined=True)
    if search is not GREEDY:  # which such a network leads in circles
        assert len({tuple(lane) for lane in with_cache}) == 3 and len(set(with_cache[0])) > 4


def test_greedy_is_the_argmax_of_a_networks_window():
    made, text = network(*NETWORKS[0]), [BOS, 7]
    for _ in range(12):
        scores = made.eval()({"tokens": torch.tensor([text])})[0][0, -1]
        scores[[PAD, UNK, BOS]] = -torch.inf
        text.append(int(scores.argmax()))
        if text[-1] == EOS:
            break
    assert found(GREEDY, NetworkSteps(made, torch.device("cpu")), [[BOS, 7]], 12) == [text[2:]]


def n_grams():
    vocabulary = Vocabulary([*RESERVED, *(f"w{i}" for i in range(TOKENS - 4))])
    rows = [np.random.default_rng(i).integers(4, TOKENS, 12).tolist() for i in range(20)]
    return estimators.build("kneser_ney", "e").fit(count(Ragged.from_lists(rows), TOKENS, 3), vocabulary)


def test_n_grams_and_their_mixture_with_a_network():
    model, made = n_grams(), network(*NETWORKS[0])
    parts = [NGramSteps(model), NetworkSteps(made, torch.device("cpu"))]
    mixture, row = Mixture(parts, [3, 1]), [BOS, 9, 5]
    logs, state = mixture.read(np.array([row]), mixture.start(1))
    for _ in range(6):
        scored = [model.score(Ragged.from_lists([[*row[1:], token]])).values[-2] for token in range(4, TOKENS)]
        scores = made.eval()({"tokens": torch.tensor([row])})[0][0, -1].softmax(-1)[4:].detach()
        np.testing.assert_allclose(np.exp(logs[0, 4:]), 0.75 * np.exp(scored) + 0.25 * scores.numpy(), rtol=1e-5)
        np.testing.assert_allclose(np.exp(logs).sum(), 1, rtol=1e-6)
        row.append(int(logs[0, 4:].argmax()) + 4)
        logs, state = mixture.step(np.array(row[-1:]), state)
    assert found(GREEDY, mixture, [[BOS, 9, 5]], 6, joined=True)[0][:1] == row[3:4]
