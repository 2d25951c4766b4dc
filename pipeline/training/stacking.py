"""Which jobs train together: the stacks of folds, seeds and trials, and how large they may be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import Diverged
from pipeline.core.files import digest
from pipeline.core.registry import settings_dict
from pipeline.core.seeds import seed_everything
from pipeline.core.types import FitJob, Fitted, Learner, Model, Spec, Task

if TYPE_CHECKING:
    from pipeline.training.neural import Neural

APART = frozenset({"learning_rate", "weight_decay", "epochs", "schedule", "early_stopping", "gradient_clip", "loss"})
"""Settings of the loop in which the members of a stack may differ."""

BUDGET = 16 << 20
"""Bytes of weights, gradients, optimiser state and activations that a stack on the CPU may have: what
its caches hold. A larger one is slower than two."""

BUDGET_ON_A_GPU = 4 << 30


def stack_key(learner: Learner, model: Model, task: Task) -> Hashable | None:
    """Jobs with equal keys may share a stack; None: this one trains alone."""
    from pipeline.training.neural import Neural

    if not isinstance(learner, Neural) or not getattr(model, "stacks", False) or learner.sampling.name != "shuffled":
        return None
    loss = learner.loss.name if learner.loss else task.losses[0]
    shape = _without(settings_dict(model), getattr(model, "apart", frozenset()))
    return digest(shape, _without(settings_dict(learner), APART), loss)


def _without(body: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}


def fit_together(learners: Sequence[Learner], jobs: Sequence[FitJob], widest: Spec) -> list[Fitted | Diverged]:
    """Fit jobs of one stack key as one program, others one after another.

    widest: a spec at least as wide in every input as each job's.
    """
    if stack_key(learners[0], jobs[0].model, jobs[0].task) is None:
        return [_alone(learner, job) for learner, job in zip(learners, jobs, strict=True)]
    members = _members(learners, jobs)
    from pipeline.training.stacked_loop import train_members

    train_members(members, widest)
    return [member.fault or member.fitted() for member in members]


def train_until(
    learners: Sequence[Learner], jobs: Sequence[FitJob], widest: Spec, epochs: Sequence[int]
) -> list[float | Diverged]:
    """Train a stack, each member up to its own epoch, and keep it at ``job.checkpoint``; each one's
    last validation score.

    ``fit_together`` goes on from there.
    """
    from pipeline.training.stacked_loop import train_members

    members = _members(learners, jobs)
    for member, epoch in zip(members, epochs, strict=True):
        member.until = epoch
    train_members(members, widest)
    for member in members:
        member.keep()
    return [member.fault or member.progress.curves["valid_score"][-1] for member in members]


def _members(learners: Sequence[Learner], jobs: Sequence[FitJob]) -> list[Any]:
    from pipeline.training.member import Member

    return [Member.begin(learner, job) for learner, job in zip(learners, jobs, strict=True)]  # type: ignore[arg-type]


def _alone(learner: Learner, job: FitJob) -> Fitted | Diverged:
    seed_everything(job.seed)
    try:
        return learner.fit(job)
    except Diverged as fault:
        return fault


def stack_size(learner: Neural, model: Model, widest: Spec, task: Task) -> int:
    """Members that a stack may have within its budget, one at least."""
    from pipeline.training.device import find_device

    network = model.build(widest, task, seed=0)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    weights = sum(parameter.numel() for parameter in network.parameters())
    activations = learner.batch_size * sum(shape[0] for shape in shapes if len(shape) == 2)
    activations *= getattr(model, "submodels", 1)
    budget = BUDGET if find_device(learner.device).type == "cpu" else BUDGET_ON_A_GPU
    # Weights, gradients and two moments; activations, their gradients and what autograd keeps.
    return max(1, budget // (4 * (4 * weights + 3 * activations)))


def split(jobs: Sequence[Any], size: int, workers: int) -> list[list[Any]]:
    """Jobs in parts of about the same length, none above ``size``, as many as keep all workers busy."""
    parts = max(min(workers, len(jobs)), -(-len(jobs) // size))
    parts = min(len(jobs), -(-parts // workers) * workers)  # no worker idles in the last round
    ends = [len(jobs) * (i + 1) // parts for i in range(parts)]
    return [list(jobs[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
