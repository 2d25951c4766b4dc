"""A study that a kill cannot lose: taken up again, it asks what an undisturbed one would have asked."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import digest, lock
from pipeline.tuning.batches import Sampler, batch_of, free_numbers, remember, suggest, write_params
from pipeline.tuning.claims import POLL_SECONDS, Claims
from pipeline.tuning.joining import join_study, note_facts
from pipeline.tuning.pruners import build_pruner
from pipeline.tuning.space import Space, parse_space
from pipeline.tuning.storage import open_study, shared, told_plainly
from pipeline.tuning.trial import Asked, StudyResult, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Study:
    """One model's search.

    name: of the study in its storage; holds a digest of the data, so that new data start anew.
    path: the journal; its lock lies beside it. PODIUM_OPTUNA_STORAGE puts the study in a database.
    space: ``tune.space`` as written. declared: trial 0, see ``space.declared``.
    first: what the trials after it change of ``declared``.
    score, scores: what ``train`` found for trial 0, and of each fold.
    trials: total of finished trials, trial 0 and the pruned and diverged ones included.
    minutes: no trial is asked after so much work, earlier runs included. One of the two at least.
    sampler: ``random`` draws a trial by its number alone.
    batch: trials asked at once, from those finished before the batch. A model that stacks trains them as one
        program; of another they run side by side.
    facts: what workers must have the same, by kind, see ``joining.py``. In a database its ``code`` tells studies
        apart, since the trials of one are to be of one code.
    joins: whether it only works on a study that another process began.
    One run at a time works on a study at ``path``: a lock sees to it. Others may work on the same one in a database,
    each with a path of its own.
    """

    name: str
    path: Path
    space: Mapping[str, Mapping[str, Any]]
    declared: Mapping[str, Any]
    score: float
    scores: Sequence[float]
    higher_is_better: bool
    first: Sequence[Mapping[str, Any]] = ()
    trials: int | None = None
    minutes: float | None = None
    pruner: Literal["none", "median", "wilcoxon", "halving"] = "none"
    sampler: Sampler = "tpe"
    batch: int = 1
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    joins: bool = False

    @contextmanager
    def opened(self) -> Iterator[OpenStudy]:
        """The study, held by this process alone, with trial 0 in it and what dead processes left failed.

        Raises UserError when another run holds it, or its storage fails.
        """
        if self.trials is None and self.minutes is None:
            raise UserError(f"study {self.name}: needs trials or minutes, got neither")
        with ExitStack() as held:
            with told_plainly():
                held.enter_context(lock(self.path.with_suffix(".lock"), wait=10, held=f"the study {self.name}"))
                opened = OpenStudy.begin(self)
                held.enter_context(opened.heard())
            yield opened

    @property
    def whole_name(self) -> str:
        return f"{self.name}-{self.identity}"

    @property
    def identity(self) -> str:
        """Whatever changes trial 0 or the meaning of a trial's number is another study."""
        first = [[dict(changes) for changes in self.first]] if self.first else []
        parts = [self.space, self.declared, *first, self.score, list(self.scores)]
        if self.sampler != "tpe":
            parts.append(self.sampler)
        if shared() and "code" in self.facts:
            parts.append(self.facts["code"])
        return digest(*parts, self.higher_is_better, self.pruner, self.seed)

    @cached_property
    def known(self) -> dict[int, dict[str, Any]]:
        """Parameters of the trials that no sampler is asked for, by number: the declared and the first."""
        values = [{**self.declared, **changes} for changes in ({}, *self.first)]
        return {
            number: {key: dimension.to_parameter(values[number][key]) for key, dimension in self.dimensions.items()}
            for number in range(len(values))
        }

    @cached_property
    def dimensions(self) -> Space:
        return parse_space(self.space, "tune.space")


class OpenStudy:
    """A study that is asked and told."""

    def __init__(self, settings: Study, study: optuna.Study, claims: Claims) -> None:
        self.settings, self._study, self._claims = settings, study, claims
        self._distributions = {key: dimension.distribution() for key, dimension in settings.dimensions.items()}
        self._running: dict[int, optuna.Trial] = {}

    @classmethod
    def begin(cls, settings: Study) -> OpenStudy:
        """Open the study in its storage, fail what dead processes left, see that trial 0 is there."""
        if settings.joins:
            study = join_study(settings.path, settings.whole_name, settings.facts)
        else:
            study = open_study(settings.path, settings.whole_name, settings.higher_is_better)
            note_facts(study, settings.facts)
        claims = Claims(study, settings.path)
        claims.fail_left_behind()
        opened = cls(settings, study, claims)
        while (first := claims.standing().get(0)) is None or not first.state.is_finished():
            if first is None:
                opened._add_declared()
            else:  # another machine is about to, or died over it
                time.sleep(POLL_SECONDS)
                claims.fail_stale()
        return opened

    def _add_declared(self) -> None:
        """Trial 0, as ``train`` found it; by one machine alone."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        number, trial = self._claims.claim()
        if number != 0:
            self._claims.fail([trial])  # another machine had it meanwhile
            return
        with suppress(UpdateFinishedTrialError):
            write_params(trial, self.settings.known[0], self._distributions)
            for fold, score in enumerate(self.settings.scores):
                trial.report(score, fold)
        self._claims.finish(trial, TrialState.COMPLETE, self.settings.score)

    def heard(self) -> AbstractContextManager[None]:
        """While it lasts, machines that share the study hear that its trials here are alive."""
        return self._claims.heard()

    @told_plainly()
    def ask(self) -> list[Asked]:
        """Claim the next batch of trials, as far as nobody has; none when the total or the time is reached.

        What a trial tries follows from its number and the trials finished before its batch, each suggestion seeded
        with the number. So a study broken off asks for the very same trials again.
        """
        settings = self.settings
        self._claims.fail_stale()
        claimed: dict[int, optuna.Trial] = {}
        for _ in self._free():
            number, trial = self._claims.claim()
            if settings.trials is not None and number >= settings.trials:
                self._claims.fail([trial])  # another machine had the last one meanwhile
                break
            claimed[number] = trial
        return [asked for batch in self._batches(claimed) for asked in self._suggested(batch, claimed)]

    def _free(self) -> list[int]:
        """The numbers that are to be asked next, none when the total or the time is reached."""
        settings, standing = self.settings, self._claims.standing()
        spent = sum(trial.user_attrs.get("seconds", 0.0) for trial in standing.values())
        if settings.minutes is not None and spent >= 60 * settings.minutes:
            return []
        return free_numbers(standing, settings.batch, settings.trials)

    def _batches(self, numbers: Iterable[int]) -> list[range]:
        """Of these numbers: one, but where other machines claim in between."""
        batches = {batch_of(number, self.settings.batch, self.settings.trials) for number in numbers}
        return sorted(batches, key=lambda batch: batch.start)

    def _suggested(self, batch: range, claimed: Mapping[int, optuna.Trial]) -> list[Asked]:
        """The claimed trials of a batch, with what they try written into them."""
        settings, standing = self.settings, self._claims.standing()
        before = [standing[n] for n in range(batch.start) if n in standing and standing[n].state.is_finished()]
        memory = remember(before, self._study.direction, build_pruner(settings.pruner))
        found = suggest(memory, self._distributions, settings.seed, batch, settings.known, settings.sampler)
        asked = []
        for number, params in zip(batch, found, strict=True):
            if number in claimed and write_params(claimed[number], params, self._distributions):
                self._running[number] = claimed[number]
                asked.append(Asked(claimed[number], number, self._overrides(params), memory))
        return asked

    @told_plainly()
    def unfinished(self) -> bool:
        """Whether trials run elsewhere, or are free again: given back since ``ask``, or found dead just now."""
        return self._claims.others_run() or bool(self._free())

    @told_plainly()
    def tell(self, asked: Asked, outcome: float | Diverged | None, seconds: float) -> Trial | None:
        """Note what came of a trial: its mean score, None where it was pruned, or that it diverged.

        seconds: that it took, which count against ``minutes``.
        None where another machine tries it anew, since it heard nothing of this one for long.
        """
        from optuna.trial import TrialState

        if isinstance(outcome, float) and not math.isfinite(outcome):
            outcome = Diverged(f"scored {outcome}")
        attributes: dict[str, Any] = {"seconds": seconds}
        if isinstance(outcome, Diverged):
            # Told as pruned: Optuna's samplers leave failed trials out, and would ask for it again.
            attributes["diverged"], outcome = str(outcome), None
        state = TrialState.PRUNED if outcome is None else TrialState.COMPLETE
        finished = self._claims.finish(self._running.pop(asked.number), state, outcome, **attributes)
        return None if finished is None else self._row(finished)

    @told_plainly()
    def give_back(self, asked: Sequence[Asked]) -> None:
        """Leave trials untried; their numbers are asked again."""
        trials = [self._running.pop(one.number) for one in asked if one.number in self._running]
        self._claims.fail(trials)

    @told_plainly()
    def result(self) -> StudyResult:
        """The best trial, and all that are finished."""
        settings = self.settings
        finished = [self._row(trial) for trial in self._claims.standing().values() if trial.state.is_finished()]
        finished = [trial for trial in finished if settings.trials is None or trial.number < settings.trials]
        finished.sort(key=lambda trial: trial.number)
        sign = -1.0 if settings.higher_is_better else 1.0
        complete = [trial for trial in finished if trial.value is not None]
        best = min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        return StudyResult(best, tuple(finished))

    def _row(self, trial: FrozenTrial) -> Trial:
        state: Literal["complete", "pruned", "diverged"] = "complete"
        if trial.state.name == "PRUNED":
            state = "diverged" if "diverged" in trial.user_attrs else "pruned"
        scores = tuple(score for _, score in sorted(trial.intermediate_values.items()))
        value = trial.value if state == "complete" else None
        why = trial.user_attrs["diverged"] if state == "diverged" else None
        return Trial(trial.user_attrs["number"], state, value, scores, self._overrides(trial.params), why)

    def _overrides(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {key: one.from_parameter(parameters[key]) for key, one in self.settings.dimensions.items()}
