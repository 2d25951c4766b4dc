from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD, UNK  # noqa: E402

torch.set_num_threads(1)  # its tensors are too small to share
TASK = tasks.build("translation", "t")
SPEC = Spec(
    shapes={"source": (7,), "source_mask": (7,), "labels": (6,), "decoder_inputs": (6,)},
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
        "source_mask": source != PAD,
        "labels": padded([[*target, EOS] for target in targets], steps),
        "decoder_inputs": padded([[BOS, *target] for target in targets], steps),
    }


SOURCES = [[4, 5, 6, 7], [8], [9, 10, 11, 12, 4, 5]]
TARGETS = [[4, 5], [6, 7, 8, 9], []]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_one_token_at_a_time_gives_what_teacher_forcing_gives_in_one_go(layers, bidirectional):
    model, data = network(layers=layers, bidirectional=bidirectional), batch(SOURCES, TARGETS)
    whole, _ = model(data)
    assert whole.shape == (3, 5, 12)  # the longest target and its end mark
    memory, state = model.encode(data)
    for step in range(5):
        scores, state = model.decoder(data["decoder_inputs"][:, step : step + 1], memory, state)
        torch.testing.assert_close(whole[:, step], scores[:, 0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_and_neighbours_change_no_score_and_no_answer(bidirectional):
    model, together = network(layers=2, bidirectional=bidirectional), batch(SOURCES, TARGETS)
    scores, _ = model(together)
    answers = model.decode(together)
    for i in range(3):
        alone = batch(SOURCES[i : i + 1], TARGETS[i : i + 1], source_steps=len(SOURCES[i]), steps=len(TARGETS[i]) + 1)
        own, _ = model(alone)
        torch.testing.assert_close(scores[i, : own.shape[1]], own[0])
        torch.testing.assert_close(answers[i], model.decode(alone)[0])


def test_a_source_of_nothing_but_padding_gives_numbers_and_gradients():
    model = network().train()
    data = batch([[], [4]], [[5], [6]])
    scores, _ = model(data)
    assert torch.isfinite(scores).all()
    assert torch.isfinite(model(batch([[]], [[5]]))[0]).all()
    TASK.loss(scores, data, torch.nn.CrossEntropyLoss(reduction="none"))[0].backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
    assert model.decode(batch([[]], [[]])).shape == (1, 6)


def test_decoding_is_greedy_never_a_reserved_token_and_stops_at_the_end_mark():
    model, data = network(), batch(SOURCES, TARGETS)
    with torch.no_grad():  # the end mark likely, and what must never be answered likelier still
        model.decoder.output.bias[[PAD, UNK, BOS]] = 9.0
        model.decoder.output.bias[EOS] = 0.3
    answers = model.decode(data)
    assert answers.shape == (3, 6)
    for i, answer in enumerate(answers.tolist()):
        assert not {UNK, BOS} & set(answer)
        end = answer.index(EOS) if EOS in answer else len(answer)
        assert PAD not in answer[:end] and all(token == PAD for token in answer[end + 1 :])
        # Teacher forcing with the answer: each token is the best one after those before it.
        scores, _ = model(batch(SOURCES[i : i + 1], [answer[:end]], steps=end + 1))
        scores[..., [PAD, UNK, BOS]] = -torch.inf
        best = scores[0].argmax(-1).tolist()
        assert best[: len(answer[: end + 1])] == answer[: end + 1]


def test_an_answer_without_an_end_is_cut_by_its_sources_length():
    model = network()
    model.steps = 40
    with torch.no_grad():
        model.decoder.output.bias[EOS] = -1e4
    answers = model.decode(batch([[4, 5, 6], [7], []], [[4]] * 3))
    assert (answers != PAD).sum(1).tolist() == [2 * 3 + 8, 2 * 1 + 8, 8]


def test_it_learns_to_turn_a_sentence_round():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 5, (128,), generator=generator).tolist()
    sentences = [torch.randint(4, 12, (n,), generator=generator).tolist() for n in lengths]
    data = batch(sentences, [sentence[::-1] for sentence in sentences])
    model = network(hidden=48, embedding=16, dropout=0.0).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        total, sentences = TASK.loss(model(data)[0], data, torch.nn.CrossEntropyLoss(reduction="none"))
        optimizer.zero_grad()
        (total / sentences).backward()
        optimizer.step()
    right = (model.eval().decode(data) == data["labels"]).all(1).float().mean()
    assert right > 0.95
