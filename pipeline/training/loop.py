"""The one training loop. It knows samplers, batches and ``task.loss``, and no kind of data; what it
asks of each is in ``neural.py``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from pipeline.core.errors import Diverged
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FitJob
from pipeline.decoding.network import map_state
from pipeline.models.layers.network import Network
from pipeline.training.augmented import augmented, loss_of
from pipeline.training.averaging import Averaging
from pipeline.training.checkpoints import Checkpoints, Progress
from pipeline.training.device import find_device, reproducible
from pipeline.training.examples import Examples
from pipeline.training.network import FittedNetwork, carried, check_numbers, mean_loss
from pipeline.training.optimizers import parameter_groups, trainable
from pipeline.training.ranks import OneRank, shared
from pipeline.training.sampling.selection import with_last
from pipeline.training.watching import Alone, Watched, told

if TYPE_CHECKING:
    from pipeline.training.neural import Neural


def train(settings: Neural, job: FitJob) -> FittedNetwork:
    """Train a network from scratch, or go on from ``job.checkpoint``.

    Raises Diverged when a loss or the score is no finite number any more.
    """
    device = find_device(settings.device)
    with reproducible(device, settings.threads), shared(settings, job) as ranks:
        return _train(settings, job, device, ranks)


def _train(settings: Neural, job: FitJob, device: torch.device, ranks: OneRank) -> FittedNetwork:
    network = begin_network(job, device)
    fitted = FittedNetwork(network, settings, job.task, job.spec, device)
    groups = parameter_groups(trainable(network), network, settings.learning_rate, settings.weight_decay)
    optimizer = settings.optimizer.build(groups)
    criterion = settings.criterion(job, device)
    examples = Examples(job.train, device)
    valid = None if job.valid is None else Examples(job.valid, device)
    stopping = settings.early_stopping if valid is not None and job.rounds is None else None
    epochs = job.rounds or settings.epochs
    # A search costs many passes, and the trained network is scored anyhow: an epoch is only to choose by it.
    chosen = stopping is not None and stopping.monitor == "score"
    scored = job.score is not None and (chosen or job.task.search is None)
    checkpoints = Checkpoints(settings, job, network, optimizer)
    progress = checkpoints.restore()
    ranks.begin(network, optimizer, progress)
    averaging = Averaging(settings, network, progress, epochs)
    minibatches = settings.sampling.minibatches(examples.bookkeeping, examples.count, settings.batch_size)
    watched = Watched.of(settings, progress, minibatches, epochs)
    watching = Alone(network, watched, settings.accumulate)

    for epoch in range(progress.epoch, epochs):
        train_epoch(
            settings, job, network, optimizer, criterion, examples, progress, averaging, checkpoints, watching, ranks
        )
        ranks.close_epoch(network)
        record = close_epoch(progress, settings, settings.horizon(job) * minibatches, minibatches)
        averaging.after_epoch()
        with averaging.applied():
            if valid is not None:
                record["valid_loss"], raw = fitted.validate(valid, criterion, scored)
                if job.score is not None and raw is not None and all_finite(record):
                    record["valid_score"] = job.score(raw)
            note(progress, record, settings.learning_rate)
            job.watch(epoch + 1, fitted)
            if stopping is not None and is_best(progress, stopping.monitor, job.higher_is_better):
                progress.best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        job.progress(epoch + 1, epochs)
        if ranks.agree(stopping is not None and progress.epoch - progress.best_epoch >= stopping.patience):
            break

    averaging.finish()
    if stopping is not None:
        network.load_state_dict(progress.best)
    fitted.rounds = progress.best_epoch if stopping is not None else epochs
    fitted.curves, fitted.trace = progress.curves, progress.trace
    network.eval()
    return fitted


def begin_network(job: FitJob, device: torch.device) -> Network:
    """The network with the weights it begins with. One that fits its beginning to the rows it is to
    learn from (``prepares``) is given all of them. Raises UserError for missing numbers, which it does not read."""
    torch.manual_seed(derive_seed(job.seed, "initialization"))
    network = job.model.build(job.spec, job.task, job.seed).to(device)
    for part in (job.train, job.valid):
        check_numbers(network, part or {}, job.spec, job.model)
    if network.prepares:
        network.prepare(Examples(job.train, device).inputs)
    return network


def train_epoch(
    settings: Neural,
    job: FitJob,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Any,
    examples: Examples,
    progress: Progress,
    averaging: Averaging,
    checkpoints: Checkpoints,
    watching: Alone,
    ranks: OneRank,
) -> None:
    """All minibatches of the epoch that ``progress`` has not seen yet."""
    network.train()
    examples.epoch = progress.epoch
    sampler, schedule = settings.sampling, settings.schedule
    steps = sampler.minibatches(examples.bookkeeping, examples.count, settings.batch_size)
    horizon = settings.horizon(job) * steps
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if progress.step == 0:
        torch.manual_seed(derive_seed(job.seed, "epoch", progress.epoch))  # dropout
    seed = derive_seed(job.seed, "order", progress.epoch)
    changes = derive_seed(job.seed, "augmentation", progress.epoch)
    counted: torch.Tensor | int = 0
    selections = with_last(sampler.training(examples.bookkeeping, examples.count, settings.batch_size, seed))
    for selection, plain in examples.batches(map(ranks.part, islice(selections, progress.step, None))):
        ranks.seed(job, progress)
        factor = schedule.factor(progress.epoch * steps + progress.step, horizon, steps)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * group["factor"] * factor
        watching.begin_minibatch(progress.step, selection.last)
        batch = augmented(settings.augmentation, plain, selection.index, changes)
        with settings.autocast(examples.device):
            output, state = network(batch, carried(selection, progress.state))
        total, weight = loss_of(job.task, output.float(), batch, criterion)
        if not selection.counts:
            total, weight = total * 0, weight * 0
        summed, weight = ranks.whole(total, weight)
        first = progress.step % settings.accumulate == 0
        for parameter in parameters if first else ():
            parameter.grad = None
        counted = weight if first else counted + weight
        # Of one minibatch the mean's gradient; of several that of the sums', over all that they count together.
        # Where nothing counts, sum and gradient are 0, and stay so.
        (total / _at_least_one(weight) if settings.accumulate == 1 else total).backward()
        progress.state = map_state(state, torch.Tensor.detach)
        progress.losses.append(summed)
        progress.weights.append(weight)
        progress.step += 1
        if progress.step % settings.accumulate and not selection.last:
            continue
        if settings.accumulate > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad /= _at_least_one(counted)
        ranks.sum_gradients(parameters)
        norm = gradient_norm(parameters)
        if settings.gradient_clip is not None:
            clip_grads_with_norm_(parameters, settings.gradient_clip, norm)
        optimizer.step()
        watching.end_step(norm)
        averaging.after_step()
        progress.norms.append(norm)
        if checkpoints.due:
            # Here alone the device is waited for; the last good checkpoint stays.
            if fault := fault_so_far(progress, parameters, settings.learning_rate):
                ranks.stop(fault)
            else:
                checkpoints.keep(progress)
    watching.end_epoch()


def _at_least_one(weight: torch.Tensor | int) -> torch.Tensor | int:
    return weight.clamp(min=1) if isinstance(weight, torch.Tensor) else max(weight, 1)


def gradient_norm(parameters: list[nn.Parameter]) -> torch.Tensor:
    """Norm of all gradients together; on a processor a fifth of the time of ``get_total_norm`` on small networks."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients and gradients[0].is_cuda:
        return get_total_norm(gradients)
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients]))  # [] of all


def close_epoch(progress: Progress, settings: Neural, horizon: int, steps: int) -> dict[str, float]:
    """The epoch's mean loss (see ``Weighed``), mean gradient norm and last learning rate. The loss is
    that of each minibatch when it was trained on, so the network's weights differ along the epoch.
    Where gradients are clipped, ``clipped`` is the share of steps whose gradient was.

    horizon: minibatches that the schedule is laid out over. steps: of them in an epoch. The rate is the schedule's: the
    optimiser of a fit that goes on behind its last minibatch was told none yet."""
    last = progress.epoch * steps + progress.step - 1
    norms = torch.stack(progress.norms).double()  # [steps]
    record = {
        "train_loss": mean_loss(progress.losses, progress.weights),
        "gradient_norm": float(norms.mean()),
        "learning_rate": settings.learning_rate * settings.schedule.factor(last, horizon, steps),
        **clipped(norms, settings.gradient_clip),
    }
    if not math.isfinite(record["train_loss"]):
        progress.lost = first_lost(torch.stack(progress.losses))
    progress.epoch, progress.step, progress.state = progress.epoch + 1, 0, None
    progress.losses, progress.weights, progress.norms = [], [], []
    return record


def clipped(norms: torch.Tensor, clip: float | None) -> dict[str, float]:
    """Share of steps whose gradient was shortened; nothing without a bound. norms: [steps], before clipping."""
    return {} if clip is None else {"clipped": float((norms > clip).double().mean())}


def first_lost(values: torch.Tensor) -> tuple[int, float] | None:
    """Place, from 1, of the first value that is no finite number, and that value: [values]."""
    lost = (~values.isfinite()).nonzero().flatten().tolist()
    return (lost[0] + 1, float(values[lost[0]])) if lost else None


def fault_so_far(progress: Progress, parameters: list[nn.Parameter], learning_rate: float) -> Diverged | None:
    """What is no finite number in the epoch under way: a loss, the gradient of a step, or a weight."""
    weights = torch.stack([parameter.detach().sum(dtype=torch.float64) for parameter in parameters])
    if lost := first_lost(torch.stack(progress.losses)):
        found: tuple[str, int | None, float] = "train loss", *lost
    elif lost := first_lost(torch.stack(progress.norms)):
        found = "gradient norm", None, lost[1]
    elif lost := first_lost(weights):
        found = "weights", progress.step, lost[1]
    else:
        return None
    return diverged(*found, progress.epoch + 1, progress.trace, learning_rate)


def all_finite(record: Mapping[str, float]) -> bool:
    """Whether the values so far are finite numbers: a network that has diverged is not scored."""
    return all(map(math.isfinite, record.values()))


def note(progress: Progress, record: Mapping[str, float], learning_rate: float) -> None:
    """Put an epoch's values on the curves. Raises Diverged where one is no finite number."""
    for name, value in record.items():
        if not math.isfinite(value):
            minibatch, lost = progress.lost or (None, value)
            what = name.replace("_", " ")
            raise diverged(what, minibatch, lost, progress.epoch, progress.trace, learning_rate)
        progress.curves.setdefault(name, []).append(value)


def diverged(
    what: str, minibatch: int | None, value: float, epoch: int, trace: Mapping[str, Any], learning_rate: float
) -> Diverged:
    """minibatch: where it is known, epoch: both from 1."""
    at = f", minibatch {minibatch}" if minibatch is not None else ""
    return Diverged(
        f"the {what} became {value} in epoch {epoch}{at}: lower fit.learning_rate ({learning_rate:g}){told(trace)}"
    )


def is_best(progress: Progress, monitor: str, higher_is_better: bool) -> bool:
    """Whether the last epoch is the best so far (the first of equals), which is noted."""
    values = progress.curves.get(f"valid_{monitor}") or progress.curves["valid_loss"]
    sign = -1.0 if higher_is_better and values is progress.curves.get("valid_score") else 1.0
    if progress.best_value is not None and sign * values[-1] >= sign * progress.best_value:
        return False
    progress.best_value, progress.best_epoch = values[-1], progress.epoch
    return True
