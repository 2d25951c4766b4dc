"""How much of a competition's budget has been used.

The clock runs while stages work and from one to the next within a `dvc repro`, not between two of them: a run
that was stopped goes on with the rest of its budget. Once a submission is there, or settings that models are
fitted by are others, the next run begins a new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.core.errors import UserError
from pipeline.core.files import digest_files, read_json, write_json
from pipeline.core.paths import CompetitionPaths, state_folder
from pipeline.core.process import starter

NOTE_SECONDS = 5.0
"""Between two notes of a long stage, so that a kill loses no more."""


@dataclass
class Ledger:
    """used: seconds of the budget. over: whether its submission is there. settings: digest of those that its models
    were fitted by. trained: seconds on one core that each model's folds took when last fitted."""

    used: float = 0.0
    over: bool = False
    settings: str = ""
    trained: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, competition: str) -> Ledger:
        try:
            return cls(**read_json(_file(competition)))
        except (UserError, TypeError):
            return cls()

    def write(self, competition: str) -> None:
        write_json(_file(competition), asdict(self))


class Clock:
    """The clock of the stage that runs in this process.

    before: seconds of the budget used before this stage, the way to it included.
    """

    def __init__(self, competition: str, stage: str) -> None:
        self.competition, self.stage = competition, stage
        self.ledger = Ledger.read(competition)
        settings = _settings(competition)
        if (self.ledger.over or self.ledger.settings != settings) and stage != "report":
            self.ledger.used, self.ledger.over, self.ledger.settings = 0.0, False, settings
        self.before = self.ledger.used + _on_the_way()
        self.began = self._noted = time.monotonic()

    def note(self, *, now: bool = False) -> None:
        """Write down what is used, if it is time."""
        if now or time.monotonic() - self._noted >= NOTE_SECONDS:
            self._noted = time.monotonic()
            self.ledger.used = self.before + self._noted - self.began
            self.ledger.write(self.competition)

    def end(self, *, failed: bool = False) -> None:
        self.ledger.over |= self.stage == "submit" and not failed
        self.note(now=True)
        if run := starter():
            write_json(_last(), {"run": run[0], "ended": time.time()})


def _on_the_way() -> float:
    """Seconds since this `dvc repro` began, or since the last stage that it ran ended; 0 by hand."""
    run = starter()
    if run is None:
        return 0.0
    try:
        last = read_json(_last())
    except UserError:
        last = {}
    return max(time.time() - (last["ended"] if last.get("run") == run[0] else run[1]), 0.0)


_clock: Clock | None = None


@contextmanager
def clock(competition: str, stage: str) -> Iterator[None]:
    """Run the clock for a stage of a competition."""
    global _clock
    _clock = Clock(competition, stage)
    failed = True
    try:
        yield
        failed = False
    finally:
        _clock.end(failed=failed)
        _clock = None


def running_clock(competition: str) -> Clock:
    """That of the stage at work; a new one where a stage is run without."""
    return _clock if _clock is not None else Clock(competition, "")


def _settings(competition: str) -> str:
    """Digest of what `check` found that training hangs on; '' where it has not been."""
    path = CompetitionPaths(competition).checked("train")
    return digest_files(path) if path.exists() else ""


def _file(competition: str) -> Path:
    return state_folder() / "budget" / f"{competition}.json"


def _last() -> Path:
    return state_folder() / "budget" / ".last.json"
