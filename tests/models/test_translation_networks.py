"""What every network of translation promises, and the Transformer against torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.errors import UserError  # noqa: E402
from pipeline.core.types import Spec  # noqa: E402
from pipeline.decoding.network import map_state  # noqa: E402
from pipeline.models import models  # noqa: E402
from pipeline.tasks import tasks  # noqa: E402
from pipeline.text.reserved import BOS, EOS, PAD  # noqa: E402

torch.set_num_threads(1)  # its tensors are too small to share
TASK = tasks.build("translation", "t")
WORDS = ["<pad>", "<unk>", "<bos>", "<eos>", *"abcdefgh"]
APART = {"source": [*WORDS, "i"], "target": WORDS}
JOINT = {"source": WORDS, "target": WORDS}
NETWORKS = [
    {"name": "transformer", "width": 8, "heads": 2, "encoder_layers": 2, "decoder_layers": 2, "positions": kind, **more}
    for kind, more in (
        ("sinusoidal", {}),
        ("learned", {"norm": "after", "tied": False}),
        ("rotary", {"activation": "gelu"}),
    )
] + [
    {"name": "seq2seq", "hidden": 8, "embedding": 5, "cell": cell, "layers": layers, "attention": attention, **more}
    for cell, layers, attention, more in (
        ("gru", 1, "additive", {}),
        ("lstm", 2, "additive", {"context": "input"}),
        ("rnn", 2, "dot", {"bidirectional": False}),
        ("gru", 2, "dot", {"context": "input"}),
        ("lstm", 1, "none", {"context": "input"}),
        ("gru", 2, "none", {"bidirectional": False}),
    )
]
SOURCES = [[4, 5, 6, 7, EOS], [8, EOS], [9, 10, 11, 4, 4, 5, EOS]]
TARGETS = [[4, 5], [6, 7, 8, 9], []]


def padded(sentences, length=0):
    length = max([length, *map(len, sentences)])
    return torch.tensor([[*sentence, *[PAD] * (length - len(sentence))] for sentence in sentences])


def batch(sources, targets, source_steps=0, steps=0):
    return {
        "source": padded(sources, source_steps),
        "tokens": padded([[BOS, *target] for target in targets], steps),
        "labels": padded([[*target, EOS] for target in targets], steps),
    }


def network(settings, vocabularies=APART):
    torch.manual_seed(0)
    sizes = {side: len(words) for side, words in vocabularies.items()}
    spec = Spec(sizes=sizes, vocabularies=vocabularies, outputs=sizes["target"])
    built = models.build({"dropout": 0.3, **settings}, "m").build(spec, TASK, seed=0).eval()
    with torch.no_grad():  # weights and biases that no initialisation would make
        for parameter in built.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return built


@pytest.fixture(params=NETWORKS, ids=lambda one: "-".join(str(value) for value in list(one.values())[0::2]))
def model(request):
    return network(request.param)


def test_one_token_at_a_time_gives_what_teacher_forcing_gives_in_one_go(model):
    data = batch(SOURCES, TARGETS)
    whole, _ = model(data)
    assert whole.shape == (3, 5, 12)
    state = model.start(data)
    for step in range(5):
        scores, state = model.step(data["tokens"][:, step], state)
        torch.testing.assert_close(whole[:, step], scores, atol=1e-5, rtol=1e-5)
    read, state = model.read(data["tokens"][:, :3], model.start(data))
    torch.testing.assert_close(whole[:, :3], read, atol=1e-5, rtol=1e-5)
    chosen = torch.tensor([2, 0])
    some = map_state(state, lambda tensor: tensor[chosen])
    torch.testing.assert_close(whole[chosen, 3], model.step(data["tokens"][chosen, 3], some)[0], atol=1e-5, rtol=1e-5)


def test_padding_and_neighbours_change_nothing(model):
    scores, _ = model(batch(SOURCES, TARGETS, source_steps=9, steps=7))
    for i in range(3):
        own, _ = model(batch(SOURCES[i : i + 1], TARGETS[i : i + 1]))
        torch.testing.assert_close(scores[i, : own.shape[1]], own[0], atol=1e-5, rtol=1e-5)


def test_a_later_token_changes_no_earlier_score(model):
    data = batch(SOURCES, [[4, 5, 6, 7]] * 3)
    other = {**data, "tokens": data["tokens"].clone()}
    other["tokens"][:, 3:] = 9
    before, after = model(data)[0], model(other)[0]
    torch.testing.assert_close(before[:, :3], after[:, :3], atol=0, rtol=0)
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_a_source_of_nothing_but_padding_gives_numbers_and_gradients(model):
    model.train()
    data = batch([[PAD], [4, EOS]], [[5], [6]])
    scores, _ = model(data)
    assert torch.isfinite(scores).all()
    total, weight = TASK.loss(scores, data, torch.nn.CrossEntropyLoss(reduction="none"))
    assert weight == 4
    total.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
    assert torch.isfinite(model(batch([[PAD]], [[5]]))[0]).all()


def test_attention_is_over_the_source_s_own_tokens(model):
    weights = model.attention(batch(SOURCES, TARGETS))
    if weights is None:
        assert model.looking is None
        return
    assert weights.shape == (3, 5, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 5))
    assert (weights[0, :, 5:] == 0).all() and (weights[1, :, 2:] == 0).all() and (weights[2] > 0).all()


def copy_attention(own, ours):
    for name, weight, bias in zip(("query", "key", "value"), own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3)):
        getattr(ours, name).load_state_dict({"weight": weight, "bias": bias})
    ours.output.load_state_dict(own.out_proj.state_dict())


def copied(own, ours, memory=False):
    """Weights of torch's own attention, and its layers, into ours."""
    copy_attention(own.self_attn, ours.attention)
    if memory:
        copy_attention(own.multihead_attn, ours.memory_attention)
    ours.position_wise.inner.load_state_dict(own.linear1.state_dict())
    ours.position_wise.outer.load_state_dict(own.linear2.state_dict())
    arounds = [ours.around_attention, *([ours.around_memory] if memory else []), ours.around_position_wise]
    for place, around in enumerate(arounds, 1):
        around.norm.load_state_dict(getattr(own, f"norm{place}").state_dict())


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("positions", ["sinusoidal", "none"])
def test_it_is_torchs_own_transformer(norm, positions):
    settings = {**NETWORKS[0], "norm": norm, "positions": positions, "hidden": 12}
    ours, data = network(settings), batch(SOURCES, TARGETS)
    own = torch.nn.Transformer(8, 2, 2, 2, 12, batch_first=True, norm_first=norm == "before").eval()
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    if norm == "after":
        own.encoder.norm = own.decoder.norm = None  # torch puts a second one behind the last block's
    for theirs, block in zip(own.encoder.layers, ours.encoder.blocks):
        copied(theirs, block)
    for theirs, block in zip(own.decoder.layers, ours.decoder.blocks):
        copied(theirs, block, memory=True)
    if norm == "before":
        ours.encoder.norm.load_state_dict(own.encoder.norm.state_dict())
        ours.decoder.norm.load_state_dict(own.decoder.norm.state_dict())
    source = ours.source_positions(ours.source(data["source"]) * 8**0.5)
    target = ours.target_positions(ours.target(data["tokens"]) * 8**0.5)
    causal = own.generate_square_subsequent_mask(5).isinf()
    mask = data["source"] == PAD
    found = own(source, target, tgt_mask=causal, src_key_padding_mask=mask, memory_key_padding_mask=mask)
    expected = found @ ours.target.weight.T
    real = data["labels"] != PAD
    torch.testing.assert_close(ours(data)[0][real], expected[real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("tied", "vocabularies", "tables"), [(True, JOINT, 1), (True, APART, 2), (False, JOINT, 3), (False, APART, 3)]
)
def test_vectors_are_tied_three_ways_where_joint_and_two_where_apart(tied, vocabularies, tables):
    model = network({**NETWORKS[0], "tied": tied}, vocabularies)
    vectors = [
        name for name, parameter in model.named_parameters() if len(parameter) in (12, 13) and parameter.ndim > 1
    ]
    assert len(vectors) == tables and set(vectors) >= model.undecayed() & {"source.weight"}
    assert (model.scores.output.weight is model.target.weight) == tied


def test_numbers_of_parameters_are_those_of_the_formulas():
    width, hidden, layers = 8, 20, 2
    model = network({**NETWORKS[0], "hidden": hidden}, JOINT)
    attention, norm = 4 * width**2 + 4 * width, 2 * width
    position_wise = 2 * width * hidden + hidden + width
    encoder = layers * (attention + position_wise + 2 * norm) + norm
    decoder = layers * (2 * attention + position_wise + 3 * norm) + norm
    assert sum(one.numel() for one in model.parameters()) == encoder + decoder + 12 * width


def test_learned_positions_say_where_answers_end():
    model = network({**NETWORKS[1], "longest": 7})
    assert model.longest == 7 and network(NETWORKS[0]).longest is None
    with pytest.raises(UserError, match="learned positions know 7 steps"):
        model(batch([[4] * 8], [[5]]))
