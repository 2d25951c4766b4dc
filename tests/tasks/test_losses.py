"""Losses against torch.nn.functional."""

import pytest
import torch
from torch.nn import functional

from pipeline.tasks.losses import losses

OUTPUT, TARGET = torch.randn(6, 1, generator=torch.Generator().manual_seed(0)) * 3, torch.arange(6.0)[:, None]
LOGITS = torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(1))
CLASSES = torch.randint(4, (5, 7), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ("squared", functional.mse_loss),
        ("absolute", functional.l1_loss),
        ("huber", functional.huber_loss),
        ({"name": "huber", "delta": 0.3}, lambda o, t: functional.huber_loss(o, t, delta=0.3)),
    ],
)
def test_of_numbers(settings, reference):
    each = losses.build(settings, "loss").criterion()(OUTPUT, TARGET)
    assert each.shape == TARGET.shape
    torch.testing.assert_close(each.mean(), reference(OUTPUT, TARGET))


def test_squared_has_no_half():
    assert losses.build("squared", "loss").criterion()(torch.tensor([3.0]), torch.tensor([1.0])).item() == 4.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_classes_along_the_last_dimension(smoothing):
    each = losses.build({"name": "cross_entropy", "label_smoothing": smoothing}, "loss").criterion()(LOGITS, CLASSES)
    assert each.shape == CLASSES.shape
    expected = functional.cross_entropy(LOGITS.transpose(1, 2), CLASSES, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(each, expected)


def test_label_smoothing_is_a_target_spread_over_all_classes():
    spread = functional.one_hot(CLASSES, 4) * (1 - 0.2) + 0.2 / 4
    expected = -(spread * LOGITS.log_softmax(-1)).sum(-1)
    each = losses.build({"name": "cross_entropy", "label_smoothing": 0.2}, "loss").criterion()(LOGITS, CLASSES)
    torch.testing.assert_close(each, expected)
