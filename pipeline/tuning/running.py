"""Whose a running trial is, and failing those that dead processes left; their numbers are asked again."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import digest
from pipeline.tuning.storage import shared, told_plainly

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

CLAIM_SECONDS = 10.0
"""A trial without a mark for so long is of a process that was killed before it could mark it."""


def mark(path: Path, pid: int | None = None) -> dict[str, Any]:
    """What a trial is marked with: host, process, and the lock at ``path`` under which it runs."""
    return {"host": socket.gethostname(), "pid": pid or os.getpid(), "lock": digest(str(path.resolve()))}


@told_plainly()
def fail_running(study: optuna.Study, dead: Callable[[FrozenTrial], bool]) -> None:
    """Fail the running trials that are ``dead``."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if dead(trial):
            study.tell(trial.number, state=TrialState.FAIL)


def fail_left_behind(study: optuna.Study, path: Path) -> None:
    """Fail what dead processes left running. Hold the study's lock at ``path``.

    In a journal all of it: whoever writes there holds the lock. In a database what ran under this
    lock, or in a process of this host that is gone. What other hosts run is left to them.
    """
    if not shared():
        fail_running(study, lambda trial: True)
        return
    ours = mark(path)

    def dead(trial: FrozenTrial) -> bool:
        theirs = trial.user_attrs.get("process")
        if theirs is None or theirs["host"] != ours["host"]:
            return False
        return theirs["lock"] == ours["lock"] or not _alive(theirs["pid"])

    fail_running(study, dead)
    if before := _unmarked(study):
        time.sleep(CLAIM_SECONDS)  # they may be claimed on another host this very moment
        still = before & _unmarked(study)
        fail_running(study, lambda trial: trial.number in still)


def _unmarked(study: optuna.Study) -> set[int]:
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return {trial.number for trial in running if "process" not in trial.user_attrs}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
