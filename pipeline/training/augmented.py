"""Minibatches of training images changed, and the loss of those that are two in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeline.core.errors import UserError
from pipeline.core.seeds import derive_seed
from pipeline.core.types import Batch, Task, Weighed
from pipeline.models.layers.image_network import PART, PARTNER, planes
from pipeline.training.augmentation.base import Augmentation, Draws
from pipeline.training.augmentation.geometry import warped


def augmented(parts: Sequence[Augmentation], batch: Batch, index: torch.Tensor, seed: int) -> Batch:
    """The minibatch with its images changed. index: which examples they are. seed: of the fit and the epoch.

    Raises UserError where there are no images.
    """
    if not parts:
        return batch
    if "image" not in batch:
        raise UserError("fit.augmentation: changes images, and this model reads none; take it out")
    image = planes(batch["image"])  # [batch, channels, height, width]
    batch, pending = dict(batch), None
    for place, part in enumerate(parts):
        draws = Draws(derive_seed(seed, place, part.name), index, image.device)
        if part.warps:  # a place in the last image goes through the first matrix last
            matrix = part.matrix(image.shape[2], image.shape[3], draws)  # [batch, 3, 3]
            pending = matrix if pending is None else pending @ matrix
            continue
        image, pending = image if pending is None else warped(image, pending), None
        if part.mixes:
            partner = torch.arange(len(image), device=image.device).roll(1)
            image, batch[PART] = part.mixed(image, partner, draws)
            batch[PARTNER] = partner
        else:
            image = part.changed(image, draws)
    batch["image"] = image if pending is None else warped(image, pending)
    return batch


def loss_of(task: Task, output: torch.Tensor, batch: Batch, criterion: Callable[..., Any]) -> Weighed:
    """The task's loss; of two examples in one, that of each target times its part."""
    if PARTNER not in batch:
        return task.loss(output, batch, criterion)
    partner, part = batch[PARTNER], batch[PART]
    weight = batch.get("row_weight", torch.ones_like(part))
    own, count = task.loss(output, {**batch, "row_weight": weight * part}, criterion)
    target, theirs = batch["target"][partner], weight[partner] * (1 - part)
    other, _ = task.loss(output, {**batch, "target": target, "row_weight": theirs}, criterion)
    return own + other, count
