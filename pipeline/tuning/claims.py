"""Whose a trial's number is: each is one process's alone, also where several machines share a database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.files import write_text
from pipeline.tuning.batches import Given
from pipeline.tuning.storage import BEAT_SECONDS, GRACE_SECONDS, shared

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

POLL_SECONDS = 0.1


class Claims:
    """The trials of a study and who runs them. Hold the study's lock at ``path``.

    A number is claimed with a ticket: Optuna's own number of the trial, which its storage gives to one process
    alone. Whoever has the smallest ticket among those that have not claimed yet takes the lowest number that no
    standing trial has; the others wait for it. Failed trials leave their number to be claimed again.
    """

    def __init__(self, study: optuna.Study, path: Path) -> None:
        self._study = study
        self._owner = _owner(path)
        self._beaten = 0.0

    def standing(self) -> dict[int, FrozenTrial]:
        """By number, the trials that count: all but the failed, and those that have not claimed yet."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._trials("COMPLETE", "PRUNED", "RUNNING"):
            if "number" in trial.user_attrs:  # two machines may have added trial 0 at once
                found.setdefault(trial.user_attrs["number"], trial)
        return found

    def claim(self) -> optuna.Trial:
        """A new trial with a number of its own in ``user_attrs``, and no parameters yet."""
        self._study.sampler = Given({})
        trial = self._study.ask()
        trial.set_user_attr("owner", self._owner)
        self._record_heartbeats([trial])
        while any(t.number < trial.number and "number" not in t.user_attrs for t in self._trials("RUNNING")):
            time.sleep(POLL_SECONDS)
            self._fail_stale()
        taken = self.standing()
        trial.set_user_attr("number", next(number for number in range(len(taken) + 1) if number not in taken))
        return trial

    def fail_left_behind(self) -> None:
        """Fail what dead processes left running: all of this project's, since whoever holds the lock runs none
        yet, and of other machines what has not been heard of for long."""
        mine = [t for t in self._trials("RUNNING") if not shared() or t.user_attrs.get("owner") == self._owner]
        self.fail(mine)
        self._fail_stale()

    def fail(self, trials: Sequence[FrozenTrial | optuna.Trial]) -> None:
        from optuna.trial import TrialState

        for trial in trials:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def beat(self, trials: Sequence[optuna.Trial]) -> None:
        """Record that trials are alive, if it is time."""
        if shared() and time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._record_heartbeats(trials)

    def _record_heartbeats(self, trials: Sequence[optuna.Trial]) -> None:
        from optuna.storages import RDBStorage

        storage = self._study._storage
        storage = getattr(storage, "_backend", storage)  # Optuna caches a database's trials
        if isinstance(storage, RDBStorage):
            for trial in trials:
                storage.record_heartbeat(trial._trial_id)

    def _fail_stale(self) -> None:
        """Of other machines' trials those whose last heartbeat is too old, or that were killed before the first."""
        if not shared():
            return
        from optuna.storages import fail_stale_trials

        fail_stale_trials(self._study)
        silent = [t for t in self._trials("RUNNING") if "owner" not in t.user_attrs and _age(t) > GRACE_SECONDS]
        self.fail(silent)

    def _trials(self, *states: str) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=tuple(TrialState[state] for state in states))


def _owner(path: Path) -> str:
    """A name for this project's copy, made once: two machines may have theirs at the same path."""
    file = path.with_suffix(".owner")
    if not file.exists():
        write_text(file, uuid.uuid4().hex)
    return file.read_text(encoding="utf-8")


def _age(trial: FrozenTrial) -> float:
    began = trial.datetime_start
    return (datetime.now() - began).total_seconds() if began else 0.0
