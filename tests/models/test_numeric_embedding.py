"""Embeddings of numbers against their formulas in numpy."""

import numpy as np
import torch

from pipeline.models.layers.numeric_embedding import PeriodicEmbedding, PiecewiseLinearEmbedding


def test_periodic_features_are_affine_in_cosines_with_the_number_beside_them():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding(columns=3, frequencies=5, width=4, spread=0.7)
    numbers = torch.randn(6, 3)
    made = embedding(numbers).detach().numpy().reshape(6, 3, 4)
    frequency, phase, weight, bias = (
        getattr(embedding, name).detach().numpy() for name in ("frequency", "phase", "weight", "bias")
    )
    for j in range(3):
        x = numbers[:, j].numpy()
        waves = np.cos(2 * np.pi * x[:, None] * frequency[j] + phase[j])
        np.testing.assert_allclose(made[:, j, :3], waves @ weight[j] + bias[j], atol=1e-5)
        np.testing.assert_array_equal(made[:, j, 3], x)


def test_frequencies_begin_with_their_spread():
    torch.manual_seed(0)
    assert abs(PeriodicEmbedding(200, 50, spread=0.1).frequency.std().item() - 0.1) < 0.005


def test_pieces_lie_between_quantiles():
    torch.manual_seed(0)
    rows = torch.randn(500, 2)
    rows[:, 1] = (rows[:, 1] * 2).round()  # quantiles fall together
    embedding = PiecewiseLinearEmbedding(columns=2, bins=10, width=3)
    embedding.place_knots(rows)
    torch.nn.init.normal_(embedding.weight)
    unseen = torch.tensor([[-9.0, -9.0], [0.3, 0.3], [9.0, 9.0]])
    made = embedding(unseen).detach().numpy().reshape(3, 2, 3)
    for j in range(2):
        knots = np.unique(np.quantile(rows[:, j].numpy().astype(np.float64), np.linspace(0, 1, 11)))
        assert (len(knots) == 11) == (j == 0)
        pieces = (unseen[:, j].numpy()[:, None] - knots[:-1]) / np.diff(knots)  # [3, bins]
        pieces[:, 1:] = np.maximum(pieces[:, 1:], 0)  # the ends go on
        pieces[:, :-1] = np.minimum(pieces[:, :-1], 1)
        weight = embedding.weight[j].detach().numpy()
        linear = (
            unseen[:, j].numpy()[:, None] * embedding.slope[j].detach().numpy() + embedding.bias[j].detach().numpy()
        )
        np.testing.assert_allclose(made[:, j], linear + pieces @ weight[: len(knots) - 1], rtol=1e-4, atol=1e-4)


def test_without_knots_or_for_a_constant_column_the_embedding_is_linear():
    torch.manual_seed(0)
    embedding = PiecewiseLinearEmbedding(columns=1, bins=4, width=2)
    torch.nn.init.normal_(embedding.weight)
    numbers = torch.tensor([[1.0], [2.0], [4.0]])
    expected = (numbers * embedding.slope + embedding.bias).detach()
    torch.testing.assert_close(embedding(numbers).detach(), expected)
    embedding.place_knots(torch.full((7, 1), 3.0))
    torch.testing.assert_close(embedding(numbers).detach(), expected)
