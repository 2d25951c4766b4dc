from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.errors import UserError  # noqa: E402
from pipeline.models.layers.attention import MultiHeadAttention  # noqa: E402
from pipeline.models.layers.positions import Learned, Sinusoidal, rotate  # noqa: E402
from pipeline.models.layers.transformer import (  # noqa: E402
    Block,
    DecoderBlock,
    EncoderBlock,
    PositionWise,
    TransformerDecoder,
    TransformerEncoder,
    steps_before,
)

MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])


def copy_attention(own, ours) -> None:
    weights, biases = own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3)
    for layer, weight, bias in zip((ours.query, ours.key, ours.value), weights, biases):
        layer.load_state_dict({"weight": weight, "bias": bias})
    ours.output.load_state_dict(own.out_proj.state_dict())


def copy(parts) -> None:
    for own, ours in parts:
        ours.load_state_dict(own.state_dict())


def shaken(layer):
    """Weights and biases that no initialisation would make, so that none goes unseen."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


@pytest.mark.parametrize("masked", [False, True])
def test_multi_head_attention_is_torchs_own(masked):
    torch.manual_seed(0)
    ours = MultiHeadAttention(12, 3)
    own = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        for parameter in own.parameters():
            parameter.normal_()
    copy_attention(own, ours)
    queries, memory = torch.randn(2, 4, 12), torch.randn(2, 5, 12)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    expected, weights = own(queries, memory, memory, key_padding_mask=~mask if masked else None)
    torch.testing.assert_close(ours(queries, memory, mask if masked else None), expected, atol=1e-5, rtol=1e-5)
    heads, _ = ours.project(memory)
    asked = ours.query(queries).unflatten(-1, (3, 4)).transpose(1, 2)
    own_weights = ours.attention.weights(asked, heads, mask[:, None, None] if masked else None).mean(1)
    torch.testing.assert_close(own_weights, weights, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_block_is_torchs_own(norm, activation):
    torch.manual_seed(0)
    own = shaken(
        torch.nn.TransformerEncoderLayer(
            12, 3, 20, dropout=0.1, activation=activation, batch_first=True, norm_first=norm == "before"
        )
    ).eval()
    ours = EncoderBlock(Block(12, 3, 20, dropout=0.1, norm=norm, activation=activation)).eval()
    copy_attention(own.self_attn, ours.attention)
    around = [(own.norm1, ours.around_attention.norm), (own.norm2, ours.around_position_wise.norm)]
    copy([*around, (own.linear1, ours.position_wise.inner), (own.linear2, ours.position_wise.outer)])
    inputs = torch.randn(2, 6, 12)
    expected = own(inputs, src_key_padding_mask=~MASK)
    torch.testing.assert_close(ours(inputs, MASK)[MASK], expected[MASK], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_a_decoder_block_is_torchs_own(norm):
    torch.manual_seed(0)
    own = torch.nn.TransformerDecoderLayer(12, 3, 20, batch_first=True, norm_first=norm == "before")
    own = shaken(own).eval()
    ours = DecoderBlock(Block(12, 3, 20, norm=norm)).eval()
    copy_attention(own.self_attn, ours.attention)
    copy_attention(own.multihead_attn, ours.memory_attention)
    copy([(own.norm1, ours.around_attention.norm), (own.norm2, ours.around_memory.norm)])
    copy([(own.norm3, ours.around_position_wise.norm), (own.linear1, ours.position_wise.inner)])
    copy([(own.linear2, ours.position_wise.outer)])
    inputs, memory = torch.randn(2, 5, 12), torch.randn(2, 6, 12)
    future = torch.nn.Transformer.generate_square_subsequent_mask(5)
    expected = own(inputs, memory, tgt_mask=future, memory_key_padding_mask=~MASK)
    answer, _ = ours(inputs, memory=ours.memory_attention.project(memory), memory_mask=MASK)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("with_memory", [False, True])
def test_a_later_step_changes_no_earlier_one_and_step_by_step_gives_the_same(rotary, with_memory):
    torch.manual_seed(0)
    decoder = TransformerDecoder(2, Block(12, 3, 20, rotary=rotary), with_memory).eval()
    inputs, memory = torch.randn(2, 7, 12), torch.randn(2, 6, 12)
    start = decoder.start(memory, MASK) if with_memory else decoder.start()
    whole, _ = decoder(inputs, start)
    changed = inputs.clone()
    changed[:, 4:] = torch.randn(2, 3, 12)
    again, _ = decoder(changed, start)
    torch.testing.assert_close(again[:, :4], whole[:, :4])
    assert not torch.allclose(again[:, 4:], whole[:, 4:])
    state, parts = start, []
    for begin, end in ((0, 3), (3, 4), (4, 5), (5, 7)):
        assert steps_before(state) == begin
        part, state = decoder(inputs[:, begin:end], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


def test_a_block_that_attends_to_a_memory_says_when_there_is_none():
    with pytest.raises(ValueError, match="attends to a memory, and none is given"):
        DecoderBlock(Block(8, 2, 8))(torch.randn(1, 2, 8))


def test_position_wise_layers_are_convolutions_of_width_one():
    torch.manual_seed(0)
    layer, inputs = PositionWise(6, 10, dropout=0.0), torch.randn(2, 5, 6)
    inner, outer = torch.nn.Conv1d(6, 10, 1), torch.nn.Conv1d(10, 6, 1)
    for convolution, linear in ((inner, layer.inner), (outer, layer.outer)):
        convolution.load_state_dict({"weight": linear.weight.unsqueeze(-1), "bias": linear.bias})
    expected = outer(inner(inputs.transpose(1, 2)).relu()).transpose(1, 2)
    torch.testing.assert_close(layer(inputs), expected)


def test_numbers_of_parameters_are_those_of_the_formulas():
    width, hidden, layers = 12, 20, 3
    attention, norm = 4 * width**2 + 4 * width, 2 * width
    position_wise = 2 * width * hidden + hidden + width

    def count(module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    block = Block(width, 3, hidden)
    assert count(TransformerEncoder(layers, block)) == layers * (attention + position_wise + 2 * norm) + norm
    assert count(TransformerDecoder(layers, block)) == layers * (2 * attention + position_wise + 3 * norm) + norm
    after = Block(width, 3, hidden, norm="after")
    alone = TransformerDecoder(layers, after, memory=False)
    assert count(alone) == layers * (attention + position_wise + 2 * norm)


def test_sinusoidal_positions_are_the_formula_written_out():
    added = Sinusoidal(6)(torch.zeros(1, 4, 6), begin=3)[0]
    for row, step in enumerate(range(3, 7)):
        for pair in range(3):
            angle = torch.tensor(step / 10000 ** (2 * pair / 6))
            torch.testing.assert_close(added[row, 2 * pair : 2 * pair + 2], torch.stack([angle.sin(), angle.cos()]))


def test_rotated_products_tell_how_far_apart_two_steps_stand():
    torch.manual_seed(0)
    query, key = torch.randn(1, 8), torch.randn(1, 8)

    def product(first: int, second: int) -> float:
        return float(rotate(query, first) @ rotate(key, second).T)

    assert product(5, 2) == pytest.approx(product(25, 22), abs=1e-5)
    assert product(5, 2) != pytest.approx(product(5, 3), abs=1e-3)
    torch.testing.assert_close(rotate(query, 40).norm(), query.norm())
    # Place i and place i + 4 are one complex number, turned by its step times its frequency.
    turned = torch.complex(query[0, :4], query[0, 4:]) * torch.polar(torch.ones(4), 3 / 10000 ** (torch.arange(4) / 4))
    torch.testing.assert_close(rotate(query, 3)[0], torch.cat([turned.real, turned.imag]))


def test_learned_positions_say_where_they_end():
    layer = Learned(4, longest=5)
    torch.testing.assert_close(layer(torch.zeros(1, 2, 4), begin=3)[0], layer.weight[3:5])
    with pytest.raises(UserError, match="know 5 steps, got a sequence of 6"):
        layer(torch.zeros(1, 6, 4))


def test_rotary_heads_have_an_even_width():
    with pytest.raises(ValueError, match="even width, got 3"):
        MultiHeadAttention(6, 2, rotary=True)
