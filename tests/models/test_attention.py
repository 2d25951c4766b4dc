from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.models.layers.attention import AdditiveAttention, masked_softmax  # noqa: E402


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
