"""The stacked loop: networks of one shape, the *members*, trained as one program.

Folds, seeds and trials of a feed-forward network differ in their rows, seeds and rates, and in
nothing that decides which operations are run. So each operation is run once for all of them, on
tensors with a leading dimension of members. A member sees the very minibatches, initial weights
and dropout masks that it would see alone in ``loop.py``, and what it learns does not depend on who
shares the stack (on the CPU bit for bit; against ``loop.py`` up to rounding, as narrower inputs are
filled up with zeros).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.core.errors import Diverged
from pipeline.core.seeds import derive_seed
from pipeline.core.types import Batch, Spec
from pipeline.models.layers.members import Stack, by_member
from pipeline.tasks.losses import weighed
from pipeline.training.datasets import Datasets
from pipeline.training.device import find_device, reproducible
from pipeline.training.loop import all_finite, clipped, first_lost, is_best, note
from pipeline.training.member import Member
from pipeline.training.network import PREDICTION_BATCHES, mean_loss
from pipeline.training.optimizers import parameter_groups, trainable
from pipeline.training.watching import Watched, Watching


def train_members(members: Sequence[Member], widest: Spec) -> None:
    """Train each member until it is over; then it leaves the stack.

    members: of one model, task and optimiser, with the same batch size.
    widest: a spec at least as wide in every input as each member's; the same one wherever these
        members' results are compared to the last bit.
    """
    device = find_device(members[0].settings.device)
    with reproducible(device, members[0].settings.threads):
        members = sorted(members, key=lambda member: -member.rows)  # those of as many rows side by side
        train = Datasets([member.job.train for member in members], widest, device)
        valid = Datasets([member.job.valid for member in members if member.job.valid is not None], widest, device)
        while staying := [member for member in members if not member.over]:
            # After a kill some may be ahead of others, whose checkpoint is older: let these catch up.
            epochs = sorted({member.progress.epoch for member in staying})
            level = [member for member in staying if member.progress.epoch == epochs[0]]
            run = Run(level, widest, train, valid, device)
            while not any(member.over for member in level) and level[0].progress.epoch not in epochs[1:]:
                run.epoch()
                if any(member.due for member in level):
                    run.write_back()
                    for member in level:
                        if member.fault is None:  # else the last good one stays
                            member.keep()
            run.write_back()


class Run:
    """Epochs of members that stay together."""

    def __init__(
        self, members: Sequence[Member], widest: Spec, train: Datasets, valid: Datasets, device: torch.device
    ) -> None:
        first = members[0]
        self.members, self.train, self.valid, self.device = list(members), train, valid, device
        self.task, self.size = first.job.task, first.settings.batch_size
        template = first.job.model.build(widest, first.job.task, first.job.seed).to(device)
        self.stack = Stack(template, [member.network for member in members])
        self.stack.randomness([torch.Generator(device) for _ in members])
        self.steps = [member.steps for member in members]
        self.criteria = [member.settings.criterion(member.job, device) for member in members]
        loss = first.settings.loss
        weighted = loss is not None and loss.class_weights != "none"  # by each fold's own classes
        self.alike = len({repr(member.settings.loss) for member in members}) == 1 and not weighted
        self._make_optimizer()
        watched = [
            Watched.of(member.settings, member.progress, steps, member.epochs)
            for member, steps in zip(self.members, self.steps, strict=True)
        ]
        learned = {name: self.stack.parameters[name] for name in self.slices[0]}
        self.watching = Watching(self.stack.network, watched, learned, stacked=True)

    def _make_optimizer(self) -> None:
        """One optimiser over each member's own slices, grouped by all that decides their rate."""
        network = self.stack.network
        self.slices = [
            {name: nn.Parameter(self.stack.parameters[name].detach()[i]) for name in trainable(network)}
            for i in range(len(self.members))
        ]
        groups: dict[Any, dict[str, Any]] = {}
        for member, steps, own in zip(self.members, self.steps, self.slices, strict=True):
            settings = member.settings
            rates = (repr(settings.schedule), member.horizon, steps)
            for group in parameter_groups(own, network, settings.learning_rate, settings.weight_decay):
                key = (group["lr"], group["factor"], group["weight_decay"], rates)
                merged = groups.setdefault(key, {**group, "params": [], "base": settings.learning_rate})
                merged["params"] += group["params"]
                merged.setdefault("member", (settings, member.horizon, steps))
        self.optimizer = self.members[0].settings.optimizer.build(list(groups.values()))
        for member, own in zip(self.members, self.slices, strict=True):
            for name, state in member.optimizer.items():
                self.optimizer.state[own[name]] = {key: _padded(value, own[name]) for key, value in state.items()}

    def epoch(self) -> None:
        """One epoch of every member, then its values on the curves."""
        epoch = self.members[0].progress.epoch
        orders, sizes = self._orders(epoch)  # [members, steps, batch], [members, steps]
        losses = torch.zeros(sizes.shape, device=self.device)  # [members, steps]
        norms = torch.zeros(sizes.shape, device=self.device)
        self.stack.network.train()
        rates = [0.0] * len(self.members)
        for step in range(sizes.shape[1]):
            active = (sizes[:, step] > 0).nonzero().flatten().tolist()
            self._set_rates(epoch, step)
            self.watching.begin([step if size else -1 for size in sizes[:, step].tolist()])
            for begin, end, length in _runs(sizes[:, step].tolist()):
                index = orders[begin:end, step, :length]  # [some members, batch]
                losses[begin:end, step] = self._backward(begin, end, index)
            norms[:, step] = self._hand_out_gradients(active)
            self.optimizer.step()
            self.watching.end(self.gradients)
        for i, member in enumerate(self.members):
            settings = member.settings
            last = epoch * self.steps[i] + self.steps[i] - 1
            rates[i] = settings.learning_rate * settings.schedule.factor(last, member.horizon, self.steps[i])
        self._close_epoch(losses.double().cpu(), norms.double().cpu(), sizes.double(), rates)

    def _orders(self, epoch: int) -> tuple[Tensor, Tensor]:
        """The examples of every minibatch of an epoch, and how many there are in each."""
        orders = torch.zeros((len(self.members), max(self.steps), 2 * self.size), dtype=torch.int64)
        sizes = torch.zeros((len(self.members), max(self.steps)), dtype=torch.int64)
        for i, (member, generator) in enumerate(zip(self.members, self.stack.generators, strict=True)):
            generator.manual_seed(derive_seed(member.job.seed, "epoch", epoch))
            seed = derive_seed(member.job.seed, "order", epoch)
            selections = member.settings.sampling.training({}, member.rows, self.size, seed)
            for step, selection in enumerate(selections):
                sizes[i, step] = len(selection.index)
                orders[i, step, : len(selection.index)] = selection.index
        return orders[:, :, : int(sizes.max())].to(self.device), sizes

    def _set_rates(self, epoch: int, step: int) -> None:
        for group in self.optimizer.param_groups:
            settings, horizon, steps = group["member"]
            factor = settings.schedule.factor(min(epoch * steps + step, horizon - 1), horizon, steps)
            group["lr"] = group["base"] * group["factor"] * factor

    def _backward(self, begin: int, end: int, index: Tensor) -> Tensor:
        """Gradients of each member's mean loss, which is returned: [some members]."""
        batch = self.train.batch(self.members[begin:end], index)
        with self.members[begin].settings.autocast(self.device):
            output = self.stack(batch, begin, end)  # [some members, batch, ...]
        output = output.float()
        if self.alike:
            loss, each = self._loss(output, batch, self.criteria[begin])
        else:
            parts = [
                self._loss(output[i : i + 1], {k: v[i : i + 1] for k, v in batch.items()}, self.criteria[begin + i])
                for i in range(end - begin)
            ]
            loss, each = torch.stack([part[0] for part in parts]).sum(), torch.cat([part[1] for part in parts])
        loss.backward()
        return each

    def _loss(self, output: Tensor, batch: Batch, criterion: Any) -> tuple[Tensor, Tensor]:
        """Sum of the members' mean losses, and each of these. All have as many examples, which weigh
        alike, so that the mean over all, times the members, is that sum: a task needs to know of no members."""
        seen: list[Tensor] = []

        def noted(output: Tensor, target: Tensor) -> Tensor:
            seen.append(criterion(output, target))
            return seen[0]

        flat = {name: tensor.flatten(0, 1) for name, tensor in batch.items()}  # [members * batch, ...]
        total, weight = self.task.loss(output.flatten(0, 1), flat, noted)
        each = weighed(seen[0].detach(), flat).unflatten(0, output.shape[:2])  # [members, batch, ...]
        return total * (len(output) / weight), by_member(torch.mean, each)

    def _hand_out_gradients(self, active: list[int]) -> Tensor:
        """Give each active member's slices their gradients; their norm before clipping: [members]."""
        gradients = {name: parameter.grad for name, parameter in self.stack.parameters.items()}
        found = {name: gradient for name, gradient in gradients.items() if gradient is not None}
        parts = [by_member(torch.linalg.vector_norm, gradient) for gradient in found.values()]
        self.gradients = dict(zip(found, parts, strict=True))
        norm = by_member(torch.linalg.vector_norm, torch.stack(parts, dim=1))  # [members, parameters] -> [members]
        clips = [member.settings.gradient_clip for member in self.members]
        if any(clip is not None for clip in clips):
            bounds = torch.tensor([float("inf") if clip is None else clip for clip in clips], device=self.device)
            shrink = (bounds / (norm + 1e-6)).clamp(max=1.0)
            for gradient in found.values():
                gradient.mul_(shrink.view(-1, *[1] * (gradient.ndim - 1)))
        for own in self.slices if len(active) < len(self.members) else ():
            for parameter in own.values():
                parameter.grad = None
        for name, gradient in found.items():
            rows = gradient.unbind(0)
            for i in active:
                self.slices[i][name].grad = rows[i]
            self.stack.parameters[name].grad = None
        return norm

    def _close_epoch(self, losses: Tensor, norms: Tensor, sizes: Tensor, rates: list[float]) -> None:
        """Values of the epoch on each member's curves: see ``loop.close_epoch``. All [members, steps]."""
        train_losses = ((losses * sizes).sum(dim=1) / sizes.sum(dim=1)).tolist()
        mean_norms = [float(row[:steps].mean()) for row, steps in zip(norms, self.steps, strict=True)]
        outputs = self._outputs() if all(member.job.valid is not None for member in self.members) else None
        for i, member in enumerate(self.members):
            counts = sizes[i, : self.steps[i]]
            self.watching.members[i].note_losses((losses[i, : self.steps[i]] * counts).tolist(), counts.tolist())
            member.progress.epoch += 1
            record = {"train_loss": train_losses[i], "gradient_norm": mean_norms[i], "learning_rate": rates[i]}
            record |= clipped(norms[i, : self.steps[i]], member.settings.gradient_clip)
            member.progress.lost = first_lost(losses[i, : self.steps[i]])
            if outputs is not None:
                known = self.valid.judged_by(member)
                output = outputs[i, : len(known["target"])]  # [rows, outputs]
                total, weight = self.task.loss(output, known, self.criteria[i])
                record["valid_loss"] = mean_loss([total], [weight])
                if member.job.score is not None and all_finite(record):
                    record["valid_score"] = member.job.score(self.task.answer(output, known).cpu().numpy())
            try:
                note(member.progress, record, member.settings.learning_rate)
            except Diverged as fault:
                member.fault = fault
                continue
            stopping = member.stopping
            if stopping is not None and is_best(member.progress, stopping.monitor, member.job.higher_is_better):
                member.progress.best = self.stack.state(i, member.network)
            member.job.progress(member.progress.epoch, member.epochs)

    @torch.inference_mode()
    def _outputs(self) -> Tensor:
        """Every member's outputs for its validation rows, others behind them: [members, rows, outputs]."""
        self.stack.network.eval()
        rows, step = self.valid.longest, self.size * PREDICTION_BATCHES
        parts = []
        for begin in range(0, rows, step):
            index = torch.arange(begin, min(begin + step, rows), device=self.device).expand(len(self.members), -1)
            batch = self.valid.batch(self.members, index)
            with self.members[0].settings.autocast(self.device):
                output, _ = self.stack.network(batch)
            parts.append(output.float())
        return torch.cat(parts, dim=1)

    def write_back(self) -> None:
        """The members' own networks and optimiser states brought up to date."""
        for i, (member, own) in enumerate(zip(self.members, self.slices, strict=True)):
            member.network.load_state_dict(self.stack.state(i, member.network))
            shapes = dict(member.network.named_parameters())
            member.optimizer = {
                name: {key: _cropped(value, shapes[name]) for key, value in self.optimizer.state[parameter].items()}
                for name, parameter in own.items()
                if parameter in self.optimizer.state
            }


def _runs(lengths: list[int]) -> list[tuple[int, int, int]]:
    """Neighbours with as many examples: begin, end, examples; those without any left out."""
    runs, begin = [], 0
    for length, group in groupby(lengths):
        end = begin + len(list(group))
        if length > 0:
            runs.append((begin, end, length))
        begin = end
    return runs


def _padded(value: Any, like: Tensor) -> Any:
    if not isinstance(value, Tensor) or value.ndim == 0:
        return value
    padded = torch.zeros_like(like, requires_grad=False)
    padded[tuple(slice(length) for length in value.shape)] = value
    return padded


def _cropped(value: Any, like: Tensor) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value[tuple(slice(length) for length in like.shape)].clone() if value.ndim else value.clone()
