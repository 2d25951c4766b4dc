"""Losses: element by element, so that a task can mask before it takes the mean.

A criterion takes (output, target) and gives losses in the target's shape. The classes of an
output are its last dimension. Where a loss weighs classes, its criterion is made with the weights
that ``weights_of_classes`` takes from the training rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.core.class_weights import ClassWeights, class_weights
from pipeline.core.errors import UserError
from pipeline.core.registry import Registry, settings
from pipeline.core.types import Batch, Encoded, Loss, Spec

if TYPE_CHECKING:
    import torch

    Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

losses = Registry("loss")


@losses.register("squared")
@settings
class Squared(Loss):
    """(output - target)², without the ½ that D2L 3.1 writes, as its nn.MSELoss in 3.5."""

    def criterion(self, weights: torch.Tensor | None = None) -> Criterion:
        from torch.nn.functional import mse_loss

        return lambda output, target: mse_loss(output, target, reduction="none")


@losses.register("absolute")
@settings
class Absolute(Loss):
    """|output - target|."""

    def criterion(self, weights: torch.Tensor | None = None) -> Criterion:
        from torch.nn.functional import l1_loss

        return lambda output, target: l1_loss(output, target, reduction="none")


@losses.register("huber")
@settings
class Huber(Loss):
    """½ (output - target)² up to ``delta``, from there linear (Huber 1964)."""

    delta: float = Field(default=1.0, gt=0)

    def criterion(self, weights: torch.Tensor | None = None) -> Criterion:
        from torch.nn.functional import huber_loss

        return lambda output, target: huber_loss(output, target, reduction="none", delta=self.delta)


@losses.register("binary_cross_entropy")
@settings
class BinaryCrossEntropy(Loss):
    """-log of the sigmoid's probability of what is true; an output is a label's logit."""

    def criterion(self, weights: torch.Tensor | None = None) -> Criterion:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return lambda output, target: binary_cross_entropy_with_logits(output, target, reduction="none")


@losses.register("cross_entropy")
@settings
class CrossEntropy(Loss):
    """-log softmax(output)[target].

    label_smoothing: this part of the target is spread evenly over all classes.
    class_weights: none, balanced or ``{class: weight}``, by which a row's loss is multiplied. The
        predicted probabilities are then shifted towards the classes that weigh more.
    """

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: ClassWeights = "none"

    def criterion(self, weights: torch.Tensor | None = None) -> Criterion:
        """weights: of the classes, [classes], or [members, classes] for targets [members, batch, ...]."""
        if weights is not None:
            return self._weighted(weights)
        from torch.nn.functional import cross_entropy

        from pipeline.tasks.many_classes import MANY, CrossEntropyOfMany

        def losses_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            flat = output.reshape(-1, output.shape[-1])  # [..., classes] -> [examples, classes]
            if flat.shape[1] >= MANY and flat.device.type == "cpu":
                each = CrossEntropyOfMany.apply(flat, target.reshape(-1), self.label_smoothing)
            else:
                each = cross_entropy(flat, target.reshape(-1), reduction="none", label_smoothing=self.label_smoothing)
            return each.reshape(target.shape)  # [examples] -> [...]

        return losses_of

    def _weighted(self, weights: torch.Tensor) -> Criterion:
        """As torch's cross_entropy with ``weight`` and no reduction, each member by its own weights."""

        def losses_of(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            shape = (*weights.shape[:-1], *[1] * (output.ndim - weights.ndim), -1)  # [members, 1, ..., classes]
            each = -weights.view(shape) * output.log_softmax(dim=-1)  # [..., classes]
            own = each.gather(-1, target.unsqueeze(-1)).squeeze(-1)  # [..., classes] -> [...]
            smooth = self.label_smoothing
            return own if smooth == 0 else (1 - smooth) * own + smooth * each.mean(dim=-1)  # [...]

        return losses_of


def log_probabilities(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Scores [batch, steps, tokens] to the log-probability of each label, in nats: [batch, steps]."""
    from torch.nn.functional import cross_entropy

    return -cross_entropy(output.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)


def weighed(each: torch.Tensor, batch: Batch, kept: torch.Tensor | None = None) -> torch.Tensor:
    """Losses [batch, ...], each times its row's weight where rows do not all count alike.

    kept: bool [batch, steps], where the losses are those of these places alone, [places].
    Weights have the mean 1 over the training rows, so their sum goes with a plain count of rows.
    """
    weight = batch.get("row_weight")  # [batch]
    if weight is None:
        return each
    if kept is not None:
        return each * weight.unsqueeze(1).expand(kept.shape)[kept]  # [batch] -> [batch, steps] -> [places]
    return each * weight.view(-1, *[1] * (each.ndim - 1))  # [batch] -> [batch, 1, ...]


def weights_of_classes(loss: Loss, train: Encoded, spec: Spec) -> torch.Tensor | None:
    """What ``CrossEntropy.criterion`` takes, from a fold's training rows: float32 [classes]; None where
    the loss weighs all rows alike.

    The training rows' mean weight is 1. So the mean loss over all of them is torch's weighted mean,
    and a minibatch's an unbiased estimate of it (torch divides each by the weights that happen to be
    in it). Raises UserError for a class that there is not, or a target without classes.
    """
    import torch

    setting = loss.class_weights
    if setting == "none":
        return None
    if not spec.classes:
        raise UserError("fit.loss.class_weights: the target has no classes; take it out")
    target = train["target"]
    weights = class_weights(setting, target, spec)
    return None if weights is None else torch.from_numpy(weights / weights[target].mean()).float()
