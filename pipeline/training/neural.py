"""Learner ``neural``: gradient descent on a network, in the one loop of ``loop.py``.

What the loop asks, and all that it knows:

**Network** (``Model.build``): a ``Network`` of ``models/layers``, with
``forward(batch, state=None) -> (output, state)``.
``batch`` is a dict of tensors whose first dimension is examples; so is the output's. A network
without memory returns None as state. ``build`` is called with torch's global generator seeded
from ``job.seed``, and so is every epoch: use the ordinary initialisers and dropout. For a task with a
``search`` it also has ``start(batch)`` and ``step(tokens, state)``, see ``decoding/network.py``.

**Encoded**: arrays, moved to tensors once, with their own dtype (images may stay uint8 and be scaled by the
network), and ragged columns, of which each minibatch is padded. A ``target`` that the task encodes is not there in
prediction; ``labels`` that the encoder makes (the next words) may be. ``length`` int64 [examples], for samplers,
reaches no batch.

**Batch**: the minibatch of every other column, whole examples or windows of them, and with a sampler that carries a
state also ``fresh`` bool [batch]: lanes whose state the network must reset before it reads the batch. The
state the network returned comes back with the next batch, detached (any nesting of tuples,
lists and dicts of tensors whose first dimension is lanes, of which those that have ended are
taken off). It is None at the start and whenever all lanes are fresh.

**Task**: ``loss(output, batch, criterion)`` is the sum of the minibatch's losses and what it weighs,
a whole number; the criterion takes (output, target), classes last, and gives losses in the target's
shape. The gradient is that of sum / weight. Losses of an epoch and of the validation rows are sums
of sums over sums of weights, whatever the minibatches; one of weight 0 has a gradient of 0.
``answer(output, batch)`` gives raw answers, from the same pass as the loss: [batch, ...] with the same
trailing shape for every batch; of a task ``of_tokens`` [batch, steps].

**Sampler** (``sampling/``): which examples, or windows of them, make a minibatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pipeline.core.files import digest
from pipeline.core.registry import PartOf, settings, settings_dict
from pipeline.core.types import FitJob, Learner, Model, Spec, Task
from pipeline.tasks.losses import losses, weights_of_classes
from pipeline.training import learners
from pipeline.training.augmentation import augmentations
from pipeline.training.optimizers import optimizers
from pipeline.training.sampling import samplers
from pipeline.training.schedules import schedules

if TYPE_CHECKING:
    import torch

    from pipeline.training.network import FittedNetwork


@settings
class EarlyStopping:
    """Stop when nothing got better for ``patience`` epochs, and keep the best epoch's weights.

    monitor: ``score`` is the competition's metric on the validation rows, ``loss`` their loss.
    """

    patience: int = Field(default=10, ge=1)
    monitor: Literal["score", "loss"] = "score"


@settings
class TestTime:
    """Views of an image to be answered: itself, and

    flip: the same turned over, horizontally or vertically. shift: each moved by so many pixels up, down, left, right.
    """

    flip: Literal["none", "horizontal", "vertical"] = "none"
    shift: int = Field(default=0, ge=0)

    def views(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """image: [batch, channels, height, width]; a view each, of the same shape."""
        import torch

        turned = [] if self.flip == "none" else [image.flip(3 if self.flip == "horizontal" else 2)]
        for one in (image, *turned):
            yield one
            for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)) if self.shift else ():
                padded = torch.nn.functional.pad(one, [self.shift] * 4)
                top, left = self.shift * (1 + down), self.shift * (1 + across)
                yield padded[:, :, top : top + one.shape[2], left : left + one.shape[3]]


@settings
class Average:
    """last: the mean of the weights that so many last epochs ended with."""

    last: int = Field(default=5, ge=2)


APART = frozenset({"learning_rate", "weight_decay", "epochs", "schedule", "early_stopping", "gradient_clip", "loss"})
"""Settings of the loop in which the members of a stack may differ."""
BUDGET = {"cpu": 16 << 20, "cuda": 4 << 30}
"""Bytes of weights, gradients, optimiser state and activations that a stack may have: on the CPU what its
caches hold, since a larger one is slower than two."""


@learners.register("neural")
@settings
class Neural(Learner):
    """Settings of the loop.

    optimizer: sgd, adam or adamw, or ``{name: sgd, momentum: 0.9}``.
    weight_decay: added to the gradient (L2, the book's) by sgd and adam, taken off the weights
        by adamw (decoupled); biases and gains of normalisation never decay.
    loss: a name or ``{name: huber, delta: 1.0}``; the task's own where it is not given.
    schedule: constant, step, linear, cosine, one_cycle, ... or ``{name: cosine, warm_up: 0.1}``. It is laid out
        over ``epochs``, also where training ends sooner.
    gradient_clip: largest global norm of the gradient.
    early_stopping: none unless given; ``{}`` takes its defaults.
    sampling: shuffled, bucketed, or windows of texts: random or sequential, ``{name: sequential, steps: 128}``.
    augmentation: how training images are changed, one after another: ``[flip, {name: crop, padding: 2}]``; mixup or
        cutmix, of which one may be there, stands last.
    test_time: views of each image whose answers are averaged.
    average: ``{last: 5}`` ends with the mean of the weights of the last epochs; ema: with an exponential moving average
        of those of every step, such as 0.999, which each epoch is validated by (``averaging.py``).
    accumulate: minibatches whose gradients make one step, as one minibatch of all of them would.
    precision: bfloat16 trains, and validates its epochs, with products of 16 bits (autocast), and keeps weights, losses
        and answers in 32; auto does so where the device has such products, and is float32 elsewhere.
    device: auto is CUDA where there is one.
    watch: of how many steps one is looked at closely, by layer, for what the report says of gradients and activations
        (``watching.py``); at most 50 of a fit are. null looks at none.
    threads: that it computes with on the processor, in place of ``execution.threads``; it is given as many cores. For
        long fits that nobody runs beside. Sums of floats follow it, so it never follows the machine.
    """

    optimizer: Annotated[Any, PartOf(optimizers)] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=64, ge=1)
    loss: Annotated[Any, PartOf(losses)] | None = None
    schedule: Annotated[Any, PartOf(schedules)] = "constant"
    gradient_clip: float | None = Field(default=None, gt=0)
    early_stopping: EarlyStopping | None = None
    sampling: Annotated[Any, PartOf(samplers)] = "shuffled"
    augmentation: tuple[Annotated[Any, PartOf(augmentations)], ...] = ()
    test_time: TestTime | None = None
    average: Average | None = None
    ema: float | None = Field(default=None, gt=0, lt=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    watch: int | None = Field(default=100, ge=1)
    threads: int | None = Field(default=None, ge=1, le=1024)

    def __post_init__(self) -> None:
        if any(part.mixes for part in self.augmentation[:-1]):
            raise ValueError("augmentation: mixup or cutmix stands last, and there is one at most")
        if self.average is not None and self.ema is not None:
            raise ValueError("average and ema are two ways to average weights; take one out")
        if self.average is not None and self.early_stopping is not None:
            raise ValueError("average takes the last epochs and early_stopping the best one; take one out, or take ema")

    @property
    def joined(self) -> bool:  # type: ignore[override]
        return self.sampling.joined

    @property
    def windows(self) -> bool:  # type: ignore[override]
        return self.sampling.windows  # type: ignore[no-any-return]

    @property
    def monitors_score(self) -> bool:  # type: ignore[override]
        return self.early_stopping is not None and self.early_stopping.monitor == "score"

    def autocast(self, device: torch.device) -> torch.autocast:
        """Within, a network computes in ``precision``."""
        import torch

        from pipeline.training.device import multiplies_bfloat16

        short = multiplies_bfloat16(device) if self.precision == "auto" else self.precision == "bfloat16"
        return torch.autocast(device.type, torch.bfloat16, enabled=short)

    def criterion(self, job: FitJob, device: torch.device) -> Any:
        """The loss of one element, see ``tasks/losses.py``, with the weights of the fold's classes."""
        loss = self.loss or losses.get(job.task.losses[0])()
        weights = weights_of_classes(loss, job.train, job.spec)
        each = loss.criterion() if weights is None else loss.criterion(weights.to(device))
        return job.task.criterion(each, job.spec)

    def horizon(self, job: FitJob) -> int:
        """Epochs that the schedule is laid out over. A fit of given ``rounds`` goes the declared way and stops
        there, as was validated; but a cycle is not broken off (``schedules.py``)."""
        if job.rounds is not None and self.schedule.cycles:
            return job.rounds
        return max(self.epochs, job.rounds or 0)

    def stack_key(self, model: Model, task: Task) -> str | None:
        """What must be equal in all members of a stack; None where model, task or sampler takes none."""
        if not model.stacks or task.search is not None or task.one is not None or self.sampling.name != "shuffled":
            return None
        if self.accumulate > 1 or self.average is not None or self.ema is not None:
            return None
        loss = self.loss.name if self.loss else task.losses[0]
        shape = _without(settings_dict(model), model.apart)
        return digest(shape, _without(settings_dict(self), APART), loss)

    def stack_size(self, model: Model, widest: Spec, task: Task) -> int:
        """Members that a stack may have within its budget, one at least."""
        from pipeline.training.device import find_device

        network = model.build(widest, task, seed=0)
        shapes = [tuple(parameter.shape) for parameter in network.parameters()]
        weights = sum(parameter.numel() for parameter in network.parameters())
        activations = self.batch_size * sum(shape[0] for shape in shapes if len(shape) == 2)
        activations *= model.submodels
        # Weights, gradients and two moments; activations, their gradients and what autograd keeps.
        return max(1, BUDGET[find_device(self.device).type] // (4 * (4 * weights + 3 * activations)))

    def fit(self, job: FitJob) -> FittedNetwork:
        """Train a network. Raises Diverged when the loss stops being a finite number."""
        from pipeline.training.loop import train

        return train(self, job)

    def load(self, folder: Path, model: Model, task: Task, spec: Spec) -> FittedNetwork:
        """Build the network anew and fill in the weights that ``save`` left in ``folder``."""
        from pipeline.training.network import FittedNetwork

        return FittedNetwork.load(folder, self, model, task, spec)


def _without(body: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}
