"""Beam search and sampling over networks: the same answers whatever is beside them, with a cache and without."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pipeline.core.ragged import Ragged  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.decoding.network import NetworkSteps  # noqa: E402
from pipeline.decoding.steps import Mixture, Steps  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.models.layers.network import Network  # noqa: E402
from pipeline.models.layers.transformer import Block, TransformerDecoder, TransformerEncoder  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD, UNK  # noqa: E402
from pipeline.training.examples import Examples  # noqa: E402
from pipeline.training.searching import searched  # noqa: E402

TOKENS = 30
TASK = tasks.build({"name": "translation", "search": {"name": "beam", "width": 4, "n_best": 3}}, "t")
CPU = torch.device("cpu")


class Translator(Network):
    """An encoder and a decoder of the Transformer's blocks."""

    def __init__(self) -> None:
        super().__init__()
        block = Block(width=16, heads=2, hidden=32, norm="before")
        self.embedding = nn.Embedding(TOKENS, 16)
        self.encoder, self.decoder = TransformerEncoder(2, block), TransformerDecoder(2, block)
        self.scores = nn.Linear(16, TOKENS)

    def start(self, batch):
        mask = batch["source"] != PAD
        return self.decoder.start(self.encoder(self.embedding(batch["source"]), mask), mask)

    def step(self, tokens, state):
        steps, state = self.decoder(self.embedding(tokens)[:, None], state)  # [lanes, 1, width]
        return self.scores(steps[:, -1]), state

    def whole(self, source, tokens):
        """Scores of what follows all tokens, nothing kept from before."""
        return self.scores(self.decoder(self.embedding(tokens), self.start({"source": source}))[0][:, -1])


def seq2seq(**settings):
    spec = Spec(sizes={"source": TOKENS, "target": TOKENS}, outputs=TOKENS)
    body = {"name": "seq2seq", "hidden": 16, "embedding": 8, "layers": 2, **settings}
    built = models.build(body, "m").build(spec, TASK, seed=0)

    def whole(source, tokens):
        return built.read(tokens, built.start({"source": source}))[0][:, -1]

    built.whole = whole
    return built


def network(kind: str):
    torch.manual_seed(3)
    made = Translator() if kind == "transformer" else seq2seq()
    with torch.no_grad():  # so that it has something to say, and an end
        for parameter in made.parameters():
            parameter.mul_(2.5)
    return made.eval()


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sources(count: int = 16) -> list[list[int]]:
    random = np.random.default_rng(0)
    found = [random.integers(4, TOKENS, random.integers(1, 7)).tolist() for _ in range(count - 2)]
    return [*found, [], [UNK, UNK]]


def answers(made, rows, task=None):
    return searched(NetworkSteps(made, CPU), task or TASK, Examples({"source": Ragged.from_lists(rows)}, CPU))


KINDS = ["seq2seq", "transformer"]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_the_same_whatever_is_beside_them(kind):
    made, rows = network(kind), sources()
    together = answers(made, rows)
    assert len({one[0] for one in together}) == len(rows)
    assert [answers(made, [row])[0] for row in rows] == together  # to the last bit of their scores
    turned = np.random.default_rng(1).permutation(len(rows))
    assert answers(made, [rows[i] for i in turned]) == [together[i] for i in turned]


class Anew(Steps):
    """Without any state: sources and all tokens are read again for each one that follows."""

    def __init__(self, made) -> None:
        self.made = made

    def start(self, of):
        return of["source"], np.zeros((len(of["source"]), 0), np.int64)

    def take(self, state, lanes):
        return state[0][lanes], state[1][lanes]

    def step(self, tokens, state):
        source, text = state[0], np.concatenate([state[1], tokens[:, None]], axis=1)
        with torch.no_grad():
            scores = self.made.whole(source, torch.from_numpy(text))
        return scores.double().log_softmax(-1).numpy(), (source, text)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_the_same_without_a_cache(kind):
    made, rows = network(kind), sources()[:12]
    for row, found in zip(rows, answers(made, rows), strict=True):
        steps, source = Anew(made), torch.tensor([row])
        anew = TASK.search.answers(steps, steps.start({"source": source}), np.array([2 * len(row) + 8]), [0])[0]
        assert [one.tokens for one in anew] == [one.tokens for one in found]
        np.testing.assert_allclose([one.score for one in anew], [one.score for one in found], rtol=1e-4)


def test_sampling_draws_by_the_source_and_not_by_its_place():
    made, rows = network("seq2seq"), sources(20)
    task = tasks.build({"name": "translation", "search": {"name": "sampling", "temperature": 2.0}}, "t")
    found = answers(made, rows, task)
    assert answers(made, rows[::-1], task) == found[::-1] and len({one[0].tokens for one in found}) > 10
    assert answers(made, rows[:1] * 2, task) == found[:1] * 2


@pytest.mark.parametrize("name", ["transformer", "seq2seq"])
def test_what_is_looked_at_step_by_step_is_what_the_whole_text_looks_at(name):
    """And a coverage penalty adds to scores what it says (Wu et al. 2016, equation 14)."""
    spec = Spec(
        sizes={"source": TOKENS, "target": TOKENS}, outputs=TOKENS, vocabularies={"source": ["a"], "target": ["b"]}
    )
    part = models.build({"name": name, **({"width": 16} if name == "transformer" else {"hidden": 16})}, "m")
    torch.manual_seed(3)
    made, source = part.build(spec, TASK, seed=0).eval(), torch.tensor([[5, 9, 12, 7, 21, 8, 4]])
    with torch.no_grad():  # so that it has something to look at, and an end
        for parameter in made.parameters():
            parameter.mul_(3)
    search = {"name": "beam", "width": 4, "n_best": 4, "coverage_penalty": 0.3}
    task, passed_by = tasks.build({"name": "translation", "search": search}, "t"), []
    for found in answers(made, source.tolist(), task)[0]:
        steps = len(found.tokens) + found.ended
        tokens = torch.tensor([[BOS, *found.tokens][:steps]])
        weights = made.attention({"source": source, "tokens": tokens})[0].double()  # [steps, source steps]
        passed_by.append(0.3 * float(weights.sum(0).clamp(min=1e-9, max=1).log().sum()))
        plain = found.log_probability / ((5 + steps) / 6) ** 0.6
        assert found.score == pytest.approx(plain + passed_by[-1], rel=1e-4)
    assert min(passed_by) < -0.05


def test_networks_that_share_their_tokens_are_searched_together():
    """The beam over a mixture of a network with itself is that of the network; with another it is of the mean."""
    one, other = network("seq2seq"), network("transformer")
    batch = {"source": torch.tensor([[5, 9, 12, 7]] * 4)}
    steps, limits = [NetworkSteps(made, CPU) for made in (one, other)], np.full(4, 16)
    alone = TASK.search.answers(steps[0], steps[0].start(batch), limits, [0] * 4)
    twice = Mixture([steps[0], steps[0]], [1, 3])
    same = TASK.search.answers(twice, twice.start(batch), limits, [0] * 4)
    assert [[h.tokens for h in some] for some in same] == [[h.tokens for h in some] for some in alone]
    both = Mixture(steps, [1, 1])
    (best, *_), *_ = TASK.search.answers(both, both.start(batch), limits, [0] * 4)
    text, total = torch.tensor([[BOS, *best.tokens]]), 0.0
    for i, token in enumerate([*best.tokens, *([EOS] if best.ended else [])], start=1):
        with torch.no_grad():
            odds = [made.whole(batch["source"][:1], text[:, :i])[0].softmax(-1)[token] for made in (one, other)]
        total += float(torch.log(sum(odds) / 2))
    assert best.log_probability == pytest.approx(total, rel=1e-4)
