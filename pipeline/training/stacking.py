"""Jobs that train together: the stacks of folds, seeds and trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import Diverged
from pipeline.core.seeds import seed_everything
from pipeline.core.types import FitJob, Fitted, Learner, Spec

if TYPE_CHECKING:
    from pipeline.training.member import Member


def fit_together(learners: Sequence[Learner], jobs: Sequence[FitJob], widest: Spec) -> list[Fitted | Diverged]:
    """Fit jobs of one stack key as one program, others one after another.

    widest: a spec at least as wide in every input as each job's.
    """
    if learners[0].stack_key(jobs[0].model, jobs[0].task) is None:
        return [_alone(learner, job) for learner, job in zip(learners, jobs, strict=True)]
    members = _members(learners, jobs)
    from pipeline.training.stacked_loop import train_members

    train_members(members, widest)
    return [member.fault or member.fitted() for member in members]


def train_until(
    learners: Sequence[Learner], jobs: Sequence[FitJob], widest: Spec, epochs: Sequence[int]
) -> list[float | Diverged]:
    """Train a stack, each member up to its own epoch, and keep it at ``job.checkpoint``; each one's
    validation score of that epoch, or of its last where it stopped before.

    A killed run may have left a member beyond its epoch, or diverged there: its score is that of the
    epoch all the same. ``fit_together`` goes on from there.
    """
    from pipeline.training.stacked_loop import train_members

    members = _members(learners, jobs)
    for member, epoch in zip(members, epochs, strict=True):
        member.until = epoch
    train_members(members, widest)
    for member in members:
        member.keep()
    return [_score_at(member, epoch) for member, epoch in zip(members, epochs, strict=True)]


def _score_at(member: Member, epoch: int) -> float | Diverged:
    scores = member.progress.curves.get("valid_score", [])
    if member.fault is not None and len(scores) < epoch:
        return member.fault
    return scores[min(epoch, len(scores)) - 1]


def _members(learners: Sequence[Learner], jobs: Sequence[FitJob]) -> list[Member]:
    from pipeline.training.member import Member

    return [Member.begin(learner, job) for learner, job in zip(learners, jobs, strict=True)]  # type: ignore[arg-type]


def _alone(learner: Learner, job: FitJob) -> Fitted | Diverged:
    seed_everything(job.seed)
    try:
        return learner.fit(job)
    except Diverged as fault:
        return fault


def split(jobs: Sequence[Any], size: int, workers: int) -> list[list[Any]]:
    """Jobs in parts of about the same length, none above ``size``, as many as keep all workers busy."""
    parts = max(min(workers, len(jobs)), -(-len(jobs) // size))
    parts = min(len(jobs), -(-parts // workers) * workers)  # no worker idles in the last round
    ends = [len(jobs) * (i + 1) // parts for i in range(parts)]
    return [list(jobs[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
