from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from pipeline.tasks import many_classes  # noqa: E402
from pipeline.tasks.losses import losses  # noqa: E402


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_torchs_own_cross_entropy_and_its_gradient(smoothing, monkeypatch):
    monkeypatch.setattr(many_classes, "ELEMENTS", 3000)  # parts of two rows, the last of one
    torch.manual_seed(0)
    scores, target = 20 * torch.randn(7, 1500), torch.randint(0, 1500, (7,))
    scores[2, target[2]] = 300.0
    weights = torch.rand(7)
    ours, own = scores.clone().requires_grad_(), scores.clone().double().requires_grad_()
    criterion = losses.build({"name": "cross_entropy", "label_smoothing": smoothing}, "l").criterion()
    found = criterion(ours, target)
    assert "CrossEntropyOfMany" in repr(found.grad_fn.next_functions)
    expected = torch.nn.functional.cross_entropy(own, target, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-5)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, own.grad.float(), rtol=1e-4, atol=1e-6)


def test_few_classes_are_torchs_own():
    scores = torch.randn(3, 10, requires_grad=True)
    assert (
        "Many"
        not in type(losses.build("cross_entropy", "l").criterion()(scores, torch.tensor([1, 2, 3])).grad_fn).__name__
    )
