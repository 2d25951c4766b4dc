"""Losses against torch.nn.functional."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from pipeline.core.errors import UserError
from pipeline.core.types import Spec
from pipeline.tasks.losses import losses, weights_of_classes

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


NAMED = {"name": "cross_entropy", "class_weights": {"a": 2.0, "c": 0.5}}
SPEC = Spec(outputs=4, classes=("a", "b", "c", "d"))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", ["balanced", NAMED["class_weights"]])
def test_weighted_classes_are_torchs_weighted_mean_over_the_training_rows(weights, smoothing):
    loss = losses.build({**NAMED, "class_weights": weights, "label_smoothing": smoothing}, "loss")
    output, target = LOGITS.reshape(-1, 4), CLASSES.reshape(-1)  # [35, classes], [35]
    theirs = compute_class_weight("balanced", classes=np.arange(4), y=target.numpy())
    theirs = torch.tensor(theirs if weights == "balanced" else [2.0, 1.0, 0.5, 1.0]).float()
    each = loss.criterion(weights_of_classes(loss, {"target": target.numpy()}, SPEC))(output, target)
    assert each.shape == target.shape
    torch.testing.assert_close(each.mean(), functional.cross_entropy(output, target, theirs, label_smoothing=smoothing))


def test_members_weigh_classes_each_in_their_own_way():
    loss = losses.build({**NAMED, "label_smoothing": 0.1}, "loss")
    weights = torch.rand(5, 4, generator=torch.Generator().manual_seed(3)) + 0.1
    together = loss.criterion(weights)(LOGITS, CLASSES)  # [members, batch, classes] -> [members, batch]
    for member in range(5):
        alone = loss.criterion(weights[member])(LOGITS[member], CLASSES[member])
        torch.testing.assert_close(together[member], alone)
    several, targets = LOGITS.unsqueeze(2).repeat(1, 1, 2, 1), CLASSES.unsqueeze(2).repeat(1, 1, 2)
    torch.testing.assert_close(loss.criterion(weights)(several, targets)[:, :, 1], together)  # submodels between


def test_what_weighs_no_classes_says_so():
    train = {"target": CLASSES.reshape(-1).numpy()}
    for plain in ("squared", "cross_entropy"):
        assert weights_of_classes(losses.build(plain, "loss"), train, SPEC) is None
    with pytest.raises(UserError, match="has no classes"):
        weights_of_classes(losses.build(NAMED, "loss"), train, Spec(outputs=4))
    with pytest.raises(UserError, match="no class 'z'"):
        weights_of_classes(losses.build({**NAMED, "class_weights": {"z": 2}}, "loss"), train, SPEC)
