from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.models.layers.attention import (  # noqa: E402
    AdditiveAttention,
    DotProductAttention,
    MultiHeadAttention,
    masked_softmax,
)

torch.set_num_threads(1)  # its tensors are too small to share


def test_masked_softmax_is_softmax_over_what_the_mask_keeps():
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 5)
    mask = torch.tensor([[True, True, False, True, False], [False, False, True, False, False]])[:, None]
    weights = masked_softmax(scores, mask)
    torch.testing.assert_close(weights[0][:, [0, 1, 3]], scores[0][:, [0, 1, 3]].softmax(-1))
    torch.testing.assert_close(weights[1], torch.eye(5)[2].expand(3, 5))
    # Against torch's own attention: queries and keys that give these very scores, identity values.
    own = torch.nn.functional.scaled_dot_product_attention(
        scores, torch.eye(5).expand(2, 5, 5), torch.eye(5).expand(2, 5, 5), attn_mask=mask.expand(2, 3, 5), scale=1.0
    )
    torch.testing.assert_close(weights, own)


def test_a_row_without_anything_to_see_is_zero_with_finite_gradients():
    scores = torch.randn(1, 2, 3, requires_grad=True)
    weights = masked_softmax(scores, torch.zeros(1, 1, 3, dtype=torch.bool))
    assert (weights == 0).all()
    weights.square().sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_additive_attention_equals_the_formula_written_out():
    torch.manual_seed(0)
    attention = AdditiveAttention(query_size=3, key_size=4, hidden=6)
    queries, keys, values = torch.randn(2, 2, 3), torch.randn(2, 5, 4), torch.randn(2, 5, 7)
    mask = torch.tensor([[True, True, True, False, False], [True, True, True, True, True]])
    answer = attention(queries, attention.project(keys), values, mask)
    for b in range(2):
        for q in range(2):
            scores = []
            for k in range(int(mask[b].sum())):
                hidden = torch.tanh(attention.query.weight @ queries[b, q] + attention.key.weight @ keys[b, k])
                scores.append((attention.score.weight @ hidden)[0])
            weights = torch.stack(scores).softmax(0)
            expected = sum(weight * values[b, k] for k, weight in enumerate(weights))
            torch.testing.assert_close(answer[b, q], expected)


@pytest.mark.parametrize("steps", [2, 5, 7])
def test_additive_attention_gives_each_lane_the_same_bits_whatever_stands_beside_it(steps):
    torch.manual_seed(0)
    attention = AdditiveAttention(256, 256, 256).eval()
    queries, projected = torch.randn(29, 1, 256), torch.randn(29, steps, 256)
    mask = torch.ones(29, steps, dtype=torch.bool)
    weights = attention.weights(queries, projected, mask)
    for lanes in (4, 5, 6, 8, 13, 16, 27):
        some = slice(29 - lanes, 29)
        assert torch.equal(attention.weights(queries[some], projected[some], mask[some]), weights[some])


def test_the_books_worked_example():
    """D2L 11.3: equal keys, so that a query finds the mean of the values that its length leaves."""
    torch.manual_seed(0)
    keys = torch.ones(2, 10, 2)
    values = torch.arange(40.0).reshape(1, 10, 4).repeat(2, 1, 1)
    lengths = torch.tensor([2, 6])
    expected = torch.tensor([[[2.0, 3.0, 4.0, 5.0]], [[10.0, 11.0, 12.0, 13.0]]])
    additive = AdditiveAttention(query_size=20, key_size=2, hidden=8, dropout=0.1).eval()
    torch.testing.assert_close(additive(torch.randn(2, 1, 20), additive.project(keys), values, lengths), expected)
    product = DotProductAttention(dropout=0.5).eval()
    torch.testing.assert_close(product(torch.randn(2, 1, 2), keys, values, lengths), expected)


def test_lengths_may_differ_from_query_to_query():
    weights = masked_softmax(torch.rand(2, 2, 4), torch.tensor([[1, 3], [2, 4]]))
    assert ((weights > 0).sum(-1) == torch.tensor([[1, 3], [2, 4]])).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_nothing_to_see_is_zeros_with_finite_gradients_in_every_attention(dropout):
    torch.manual_seed(0)
    inputs = torch.randn(2, 3, 8, requires_grad=True)
    mask = torch.tensor([[False, False, False], [True, True, False]])
    several = MultiHeadAttention(8, 2, dropout=dropout, bias=False)
    additive = AdditiveAttention(8, 8, 4, dropout)
    for answer in (several(inputs, inputs, mask), additive(inputs, additive.project(inputs), inputs, mask)):
        assert (answer[0] == 0).all() and (answer[1] != 0).any()
        (gradient,) = torch.autograd.grad(answer.square().sum(), inputs)
        assert torch.isfinite(gradient).all()


def test_dropout_falls_on_weights():
    torch.manual_seed(0)
    attention = DotProductAttention(dropout=0.5)
    identity = torch.eye(4).expand(64, 4, 4)
    found = attention(torch.zeros(64, 4, 4), identity, identity)  # the weights themselves: a quarter each
    assert set(found.unique().tolist()) == {0.0, 0.5}
    assert 0.4 < (found == 0).float().mean() < 0.6


def test_numbers_of_weights_are_those_of_the_formulas():
    def count(*args) -> int:
        return sum(parameter.numel() for parameter in MultiHeadAttention(*args, bias=False).parameters())

    width, heads = 20, 5
    assert count(width, heads, width) == 4 * heads * width**2  # heads of size d: 4 h d²
    assert count(width, heads) == 4 * width**2  # heads of size d / h: 4 d²


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide width, got 3 heads and width 8"):
        MultiHeadAttention(8, 3)
