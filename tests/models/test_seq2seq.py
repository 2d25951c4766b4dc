from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Spec  # noqa: E402
from pipeline.decoding.network import NetworkSteps  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.tasks.translation import MARGIN  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD, UNK  # noqa: E402
from pipeline.training.examples import Examples  # noqa: E402
from pipeline.training.searching import searched  # noqa: E402

torch.set_num_threads(1)  # its tensors are too small to share
TASK = tasks.build({"name": "translation", "search": "greedy"}, "t")
SPEC = Spec(
    shapes={"source": (7,), "tokens": (6,), "labels": (6,)},
    sizes={"source": 13, "target": 12},
    outputs=12,
)


def network(**settings):
    torch.manual_seed(0)
    built = models.build({"name": "seq2seq", "hidden": 8, "embedding": 5, **settings}, "m")
    return built.build(SPEC, TASK, seed=0).eval()


def batch(sources: list[list[int]], targets: list[list[int]], source_steps: int = 7, steps: int = 6):
    def padded(sentences, length):
        return torch.tensor([sentence + [PAD] * (length - len(sentence)) for sentence in sentences])

    source = padded(sources, source_steps)
    return {
        "source": source,
        "labels": padded([[*target, EOS] for target in targets], steps),
        "tokens": padded([[BOS, *target] for target in targets], steps),
    }


def decode(model, data) -> list[list[int]]:
    """What the task's own search answers, by sentence."""
    columns = {name: tensor.numpy() for name, tensor in data.items()}
    steps = NetworkSteps(model, torch.device("cpu"))
    found = searched(steps, TASK, Examples(columns, torch.device("cpu")))
    return [list(hypotheses[0].tokens) for hypotheses in found]


SOURCES = [[4, 5, 6, 7], [8], [9, 10, 11, 12, 4, 5]]
TARGETS = [[4, 5], [6, 7, 8, 9], []]


def test_the_book_s_decoder_asks_with_the_state_before_and_reads_the_answer_beside_the_token():
    """D2L 11.4, written out by torch's own layers and the formula of the score."""
    model, data = network(context="input", bidirectional=False), batch(SOURCES, TARGETS)
    vectors = model.encoder.embedding(data["source"])
    gru, own = torch.nn.GRU(5, 8, batch_first=True), torch.nn.GRU(5 + 8, 8, batch_first=True)
    gru.load_state_dict(model.encoder.recurrent.state_dict())
    own.load_state_dict(model.recurrent.state_dict())
    for i, source in enumerate(SOURCES):
        outputs, state = gru(vectors[i : i + 1, : len(source)])  # [1, source steps, 8], [1, 1, 8]
        for step, token in enumerate([BOS, *TARGETS[i]]):
            energy = torch.tanh(model.additive.query(state) + model.additive.key(outputs))
            weights = model.additive.score(energy).softmax(1)  # [1, source steps, 1]
            context = (weights * outputs).sum(1, keepdim=True)
            told = torch.cat([context, model.embedding(torch.tensor([[token]]))], -1)
            hidden, state = own(told, state)
            torch.testing.assert_close(model(data)[0][i, step], model.output(hidden)[0, 0])
            torch.testing.assert_close(model.attention(data)[i, step, : len(source)], weights[0, :, 0])


def test_without_attention_the_encoder_s_last_state_is_told_at_each_step():
    """D2L 10.7."""
    model, data = network(attention="none", context="input", bidirectional=False), batch(SOURCES, TARGETS)
    gru, own = torch.nn.GRU(5, 8, batch_first=True), torch.nn.GRU(5 + 8, 8, batch_first=True)
    gru.load_state_dict(model.encoder.recurrent.state_dict())
    own.load_state_dict(model.recurrent.state_dict())
    assert model.attention(data) is None
    for i, source in enumerate(SOURCES):
        state = gru(model.encoder.embedding(torch.tensor([source])))[1]  # [1, 1, 8]
        vectors = model.embedding(data["tokens"][i : i + 1])
        hidden, _ = own(torch.cat([state.expand(-1, vectors.shape[1], -1), vectors], -1), state)
        torch.testing.assert_close(model(data)[0][i], model.output(hidden)[0])


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_dropout_falls_on_what_is_looked_at(attention):
    """D2L 11.4."""
    model = network(attention=attention, dropout=0.5)
    memory = {name: torch.ones(500, 4, 8) for name in ("keys", "values")}  # weights that sum to 1 find ones
    memory["mask"] = torch.ones(500, 4, dtype=torch.bool)
    queries = torch.randn(500, 1, 8)
    torch.testing.assert_close(model.attend(queries, memory), torch.ones(500, 1, 8))
    found = model.train().attend(queries, memory)[:, 0, 0].detach()  # as many of four quarters as are left, doubled
    torch.testing.assert_close(found.round(decimals=4).unique(), torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0]))
    assert found.mean() == pytest.approx(1, abs=0.1)


def test_decoding_is_greedy_never_a_reserved_token_and_stops_at_the_end_mark():
    model, data = network(), batch(SOURCES, TARGETS)
    with torch.no_grad():  # the end mark likely, and what must never be answered likelier still
        model.output.bias[[PAD, UNK, BOS]] = 9.0
        model.output.bias[EOS] = 0.3
    for i, answer in enumerate(decode(model, data)):
        assert not {PAD, UNK, BOS, EOS} & set(answer)
        # Teacher forcing with the answer: each token is the best one after those before it.
        scores, _ = model(batch(SOURCES[i : i + 1], [answer], steps=len(answer) + 1))
        scores[..., [PAD, UNK, BOS]] = -torch.inf
        assert scores[0].argmax(-1).tolist()[: len(answer)] == answer


def test_an_answer_without_an_end_is_cut_by_its_sources_length():
    model = network()
    with torch.no_grad():
        model.output.bias[EOS] = -1e4
    answers = decode(model, batch([[4, 5, 6], [7], []], [[4]] * 3))
    assert list(map(len, answers)) == [2 * 3 + MARGIN, 2 * 1 + MARGIN, MARGIN]


def test_it_learns_to_turn_a_sentence_round():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 5, (128,), generator=generator).tolist()
    sources = [torch.randint(4, 12, (n,), generator=generator).tolist() for n in lengths]
    data = batch(sources, [sentence[::-1] for sentence in sources])
    model = network(hidden=48, embedding=16, dropout=0.0).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        total, sentences = TASK.loss(model(data)[0], data, torch.nn.CrossEntropyLoss(reduction="none"))
        optimizer.zero_grad()
        (total / sentences).backward()
        optimizer.step()
    answers = decode(model.eval(), data)
    right = [answer == sentence[::-1] for answer, sentence in zip(answers, sources, strict=True)]
    assert sum(right) > 0.95 * len(right)
