"""Whose a trial's number is: each is one process's alone, also where several machines share a database."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import write_text
from pipeline.tuning.batches import Given
from pipeline.tuning.storage import shared

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, TrialState

POLL_SECONDS = 0.05
BEAT_SECONDS, GRACE_SECONDS = 20.0, 120.0
"""Between two heartbeats of a trial in a database, and after the last one until it counts as dead."""
CLAIM_SECONDS = 10.0
"""Whoever has not claimed a number for so long, though it is their turn, counts as dead."""

_beating = threading.Lock()
# A fork waits for the end of a heartbeat, so that no child inherits a lock that the beating thread holds.
os.register_at_fork(before=_beating.acquire, after_in_parent=_beating.release, after_in_child=_beating.release)


class Claims:
    """The trials of a study and who runs them. Hold the study's lock at ``path``.

    A number is claimed with a ticket: Optuna's own number of the trial, which its storage gives to one process
    alone. Whoever has the smallest ticket among those that have not claimed yet takes the lowest number that no
    standing trial has; the others wait for it. Failed trials leave their number to be claimed again.

    A trial that runs has a number in the database that grows: its heartbeat. Whoever sees it stand still for
    ``GRACE_SECONDS``, by their own clock, fails the trial. (Optuna's own heartbeats know no gRPC proxy.)
    """

    def __init__(self, study: optuna.Study, path: Path) -> None:
        self._study = study
        self._owner = _owner(path) if shared() else None
        self._alive: dict[int, int] = {}
        self._heard: dict[int, tuple[int | None, float]] = {}

    def standing(self) -> dict[int, FrozenTrial]:
        """By number, the trials that count: all but the failed, and those that have not claimed yet."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._trials("COMPLETE", "PRUNED", "RUNNING"):
            if "number" in trial.user_attrs:  # two machines may have added trial 0 at once
                found.setdefault(trial.user_attrs["number"], trial)
        return found

    def claim(self) -> tuple[int, optuna.Trial]:
        """A number, and a new trial that has it and no parameters yet."""
        from optuna.exceptions import UpdateFinishedTrialError

        while True:
            self._study.sampler = Given({})
            trial = self._study.ask()
            try:
                if self._owner is not None:
                    self._alive[trial._trial_id] = 0
                    self._beat(trial._trial_id)
                    trial.set_user_attr("owner", self._owner)
                self._wait_for_turn(trial.number)
                taken = self.standing()
                number = next(number for number in count() if number not in taken)
                trial.set_user_attr("number", number)
                return number, trial
            except UpdateFinishedTrialError:  # it took so long that another machine thought this one dead
                self._alive.pop(trial._trial_id, None)

    def finish(
        self, trial: optuna.Trial, state: TrialState, value: float | None, **attributes: Any
    ) -> FrozenTrial | None:
        """End a trial. None where another machine has failed it, since nothing was heard of it for long."""
        from optuna.exceptions import UpdateFinishedTrialError

        with suppress(UpdateFinishedTrialError):
            for name, content in attributes.items():
                trial.set_user_attr(name, content)
            self._study.tell(trial, value, state=state, skip_if_finished=True)
        self._alive.pop(trial._trial_id, None)
        finished = self._study._storage.get_trial(trial._trial_id)
        return finished if finished.state == state else None

    def fail(self, trials: Sequence[FrozenTrial | optuna.Trial]) -> None:
        """Give numbers back."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        for trial in trials:
            with suppress(UpdateFinishedTrialError):
                self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            self._alive.pop(trial._trial_id, None)

    def fail_left_behind(self) -> None:
        """Fail what dead processes left running of what has this owner, since whoever holds the lock runs none yet."""
        self.fail([t for t in self._trials("RUNNING") if t.user_attrs.get("owner") == self._owner])

    def fail_stale(self) -> None:
        """Fail what has not been heard of for long of others' trials."""
        now = time.monotonic()
        for trial in self._of_others():
            beat = trial.user_attrs.get("beat")
            if beat != self._heard.setdefault(trial._trial_id, (beat, now))[0]:
                self._heard[trial._trial_id] = beat, now
            elif now - self._heard[trial._trial_id][1] > GRACE_SECONDS:
                self.fail([trial])

    def others_run(self) -> bool:
        """Whether trials run elsewhere, as far as is known. Those of the dead are failed with time."""
        self.fail_stale()
        return bool(self._of_others())

    def _of_others(self) -> list[FrozenTrial]:
        if self._owner is None:
            return []
        return [trial for trial in self._trials("RUNNING") if trial._trial_id not in self._alive]

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Say now and then, where other machines listen, that the trials which run here are alive."""
        if self._owner is None:
            yield
            return
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT_SECONDS):
                for number in list(self._alive):
                    with suppress(Exception):  # of a storage that fails tells the study itself
                        self._beat(number)

        thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, trial_id: int) -> None:
        with _beating:
            if trial_id in self._alive:
                self._alive[trial_id] += 1
                self._study._storage.set_trial_user_attr(trial_id, "beat", self._alive[trial_id])

    def _wait_for_turn(self, ticket: int) -> None:
        turn, since = None, 0.0
        while earlier := [t for t in self._trials("RUNNING") if t.number < ticket and "number" not in t.user_attrs]:
            if earlier[0].number != turn:
                turn, since = earlier[0].number, time.monotonic()
            elif time.monotonic() - since > CLAIM_SECONDS:
                self.fail(earlier[:1])
            time.sleep(POLL_SECONDS)

    def _trials(self, *states: str) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=tuple(TrialState[state] for state in states))


def _owner(path: Path) -> str:
    """A name for this project's copy, made once: two machines may have theirs at the same path."""
    file = path.with_suffix(".owner")
    if not file.exists():
        write_text(file, uuid.uuid4().hex)
    return file.read_text(encoding="utf-8")
