"""What the trials of a batch try, and which of them are dropped.

It follows from the finished trials before the batch alone, each suggestion seeded from its number and knowing of
those before it in the batch that they run. So a study that was broken off in the middle of a batch asks for the
very same trials again, and drops the same.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import count
from typing import Any, Literal, TypeAlias

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from pipeline.core.seeds import derive_seed

Sampler: TypeAlias = Literal["tpe", "random"]


def batch_of(number: int, size: int, total: int | None) -> range:
    """Numbers of the batch that a trial belongs to; trial 0, the declared settings, is none's."""
    start = 1 + (number - 1) // size * size
    return range(start, start + size if total is None else min(start + size, total))


def free_numbers(standing: Container[int], size: int, total: int | None) -> list[int]:
    """The numbers that are to be asked next: the lowest free one, and the free ones of its batch."""
    first = next(number for number in count() if number not in standing)
    if total is not None and first >= total:
        return []
    return [number for number in batch_of(first, size, total) if number not in standing]


def remember(finished: Sequence[FrozenTrial], direction: Any, pruner: BasePruner) -> optuna.Study:
    """A study in memory of the trials before a batch, in the order of their numbers: all that the batch follows
    from, both what its trials try and when the pruner drops them."""
    memory = optuna.create_study(direction=direction, pruner=pruner)
    memory.add_trials(finished)
    return memory


def suggest(
    memory: optuna.Study,
    distributions: Mapping[str, BaseDistribution],
    seed: int,
    numbers: Sequence[int],
    known: Mapping[int, Mapping[str, Any]],
    sampler: Sampler = "tpe",
) -> list[dict[str, Any]]:
    """Parameters for each of the numbers.

    known: parameters of numbers that no sampler is asked for.
    """
    asked = []
    for number in numbers:
        memory.sampler = sampler_of(number, seed, known, sampler)
        asked.append(memory.ask(dict(distributions)).params)
    return asked


def sampler_of(number: int, seed: int, known: Mapping[int, Mapping[str, Any]], sampler: Sampler = "tpe") -> BaseSampler:
    """Made anew for each number, and seeded with it: what a trial asks depends on no trial that left no trace.

    constant_liar: the trials of a batch that run count as bad ones, so that the next looks elsewhere.
    """
    if number in known:
        return Given(known[number])
    seed = derive_seed("trial", seed, number)
    if sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def write_params(trial: optuna.Trial, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> bool:
    """Write parameters that were found elsewhere into a trial that has none; False where it is finished already."""
    trial.study.sampler = Given(params)
    try:
        for name, distribution in distributions.items():
            trial._suggest(name, distribution)
    except UpdateFinishedTrialError:
        return False
    return True


class Given(BaseSampler):
    """Answers with parameters that are known already."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = dict(params)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._params[param_name]
