from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.core.types import Spec  # noqa: E402
from pipeline.models import models  # noqa: E402


def network():
    torch.manual_seed(0)
    spec = Spec(shapes={"tokens": (4,)}, sizes={"tokens": 9}, outputs=3)
    return models.build("bag_of_embeddings", "m").build(spec, task=None, seed=0).eval()


def test_scores_are_those_of_the_mean_embedding():
    model = network()
    scores, state = model({"tokens": torch.tensor([[2, 5, 5, 0]])})
    weights = model.embedding.weight
    torch.testing.assert_close(scores[0], model.output((weights[2] + 2 * weights[5]) / 3))
    assert state is None


def test_padding_and_order_change_nothing():
    model = network()
    short, _ = model({"tokens": torch.tensor([[3, 7, 1]])})
    padded, _ = model({"tokens": torch.tensor([[1, 3, 7, 0, 0, 0]])})
    torch.testing.assert_close(padded, short)


def test_an_empty_text_gets_the_bias_alone_and_gives_finite_gradients():
    model = network()
    scores, _ = model({"tokens": torch.zeros(2, 4, dtype=torch.int64)})
    torch.testing.assert_close(scores[0], model.output.bias)
    scores.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert (model.embedding.weight.grad == 0).all()
