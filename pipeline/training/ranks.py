"""Data-parallel training: processes that `torchrun` started share each minibatch of a fit.

One of them, the leader, runs the stage as ever. The others follow: for each fit that it begins they are sent what it
learns from, take their part of every minibatch, and sum losses and gradients with all. So all of them hold the same
weights after each step, those that one process would have (but for dropout, and the last digits of sums).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn

from pipeline.core.errors import Diverged, UserError
from pipeline.core.process import launched, rank
from pipeline.core.seeds import derive_seed
from pipeline.core.types import FitJob
from pipeline.training.sampling.selection import Selection, Windows

if TYPE_CHECKING:
    from pipeline.training.checkpoints import Progress
    from pipeline.training.neural import Neural

PATIENCE = timedelta(days=1)
"""Which followers wait for the leader: other models, which one process trains, lie between two fits."""


class OneRank:
    """One process, which sums with nobody."""

    def part(self, selection: Selection) -> Selection:
        return selection

    def begin(self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None: ...

    def seed(self, job: FitJob, progress: Progress) -> None: ...

    def whole(self, total: torch.Tensor, weight: Any) -> tuple[torch.Tensor, Any]:
        """A minibatch's loss and weight, summed over all parts; without gradient."""
        return total.detach(), weight

    def sum_gradients(self, parameters: list[nn.Parameter]) -> None: ...

    def stop(self, fault: Diverged) -> None:
        """Within an epoch. Raises Diverged."""
        raise fault

    def close_epoch(self, network: nn.Module) -> None: ...

    def agree(self, ends: bool) -> bool:
        """Whether the fit ends after this epoch, as the leader says."""
        return ends


class ManyRanks(OneRank):
    """One of ``count`` processes."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    def part(self, selection: Selection) -> Selection:
        """Every ``count``-th example. Who finds none reads one that does not count."""
        some = slice(self.rank, None, self.count)
        if len(selection.index) <= self.rank:
            some = slice(0, 1)
        windows = selection.windows
        if windows is not None:
            windows = Windows(windows.begins[some], windows.ends[some], windows.counted[some])
        counts = len(selection.index) > self.rank
        return replace(selection, index=selection.index[some], windows=windows, counts=counts)

    def begin(self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """All go on from where the leader is."""
        leads = self.rank == 0
        held = [progress.losses, progress.weights, progress.norms]
        sent = [network.state_dict(), optimizer.state_dict(), progress.epoch, progress.step, held] if leads else None
        weights, state, progress.epoch, progress.step, held = _sent(sent)
        progress.losses, progress.weights, progress.norms = held
        if not leads:
            network.load_state_dict(weights)
            optimizer.load_state_dict(state)

    def seed(self, job: FitJob, progress: Progress) -> None:
        """Dropout of its own for each follower, anew for each minibatch, since no checkpoint holds how far it is."""
        if self.rank:
            torch.manual_seed(derive_seed(job.seed, "epoch", progress.epoch, progress.step, "rank", self.rank))

    def whole(self, total: torch.Tensor, weight: Any) -> tuple[torch.Tensor, Any]:
        counted = torch.as_tensor(weight, device=total.device)
        both = torch.stack([total.detach().double(), counted.double()])  # [2]
        distributed.all_reduce(both)
        return both[0].to(total.dtype), both[1].to(counted.dtype)

    def sum_gradients(self, parameters: list[nn.Parameter]) -> None:
        """All in one message. A parameter that nobody's part reached has no gradient, as in one process."""
        reached = [float(parameter.grad is not None) for parameter in parameters]
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = torch.cat([grads[0].new_tensor(reached), *(grad.flatten() for grad in grads)])
        distributed.all_reduce(flat)
        sums = flat[len(reached) :].split([grad.numel() for grad in grads])
        for parameter, count, total in zip(parameters, flat[: len(reached)].tolist(), sums, strict=True):
            parameter.grad = total.view_as(parameter) if count else None

    def stop(self, fault: Diverged) -> None:
        """Not here: the others wait for the sums of this epoch, at whose end all find the fault."""

    def close_epoch(self, network: nn.Module) -> None:
        """Running statistics (batch normalisation) are the mean of all parts'."""
        for buffer in network.buffers():
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.count

    def agree(self, ends: bool) -> bool:
        return bool(_sent(ends))


@contextmanager
def shared(settings: Neural, job: FitJob) -> Iterator[OneRank]:
    """Who computes a fit: this process, or with the others that `torchrun` started, which are told of it.

    Raises UserError where a minibatch cannot be shared.
    """
    if launched() == 1:
        yield OneRank()
        return
    if rank() == 0:
        if settings.sampling.carries:
            raise UserError(
                f"fit.sampling: {settings.sampling.name} carries a state from minibatch to minibatch, which processes "
                "that share them cannot; train this model without torchrun, or take random"
            )
        _join()
        _sent((settings, job.model, job.task, job.spec, job.train, job.seed, job.rounds))
    ranks = ManyRanks(rank(), launched())
    try:
        yield ranks
    except Diverged:  # between two epochs, where all hear whether to go on
        ranks.agree(True)
        raise
    except Exception as fault:
        # The others wait for sums that will not come: `torchrun` ends them when this process ends.
        raise SystemExit(f"training in {launched()} processes: {type(fault).__name__}: {fault}") from fault


def follow() -> None:
    """Take part in each fit that the leader begins, until it is done with all."""
    from pipeline.training.loop import train

    _join()
    while (sent := _sent(None)) is not None:
        settings, model, task, spec, encoded, seed, rounds = sent
        with suppress(Diverged):  # the leader says so
            train(settings, FitJob(model, task, spec, encoded, None, seed, rounds))
    distributed.destroy_process_group()


def dismiss() -> None:
    """Let the followers go."""
    _join()
    _sent(None)
    distributed.destroy_process_group()


def _join() -> None:
    if distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)


def _sent(value: Any) -> Any:
    """What the leader has, to everybody."""
    held = [value]
    distributed.broadcast_object_list(held)
    return held[0]
