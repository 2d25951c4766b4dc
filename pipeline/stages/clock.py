"""What each stage of a competition took.

It counts what stages took, one after another, not the hours that passed: a `dvc repro` that was
stopped goes on with the rest of its budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.core.config import Config
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import state_folder

AROUND_A_STAGE = 1.2
"""Seconds that DVC and Python take between two stages, where it is not known yet."""
LONGEST_GAP = 60.0
"""Seconds without any stage after which nobody was waiting for the next."""


@dataclass
class Ledger:
    """What a competition's stages used, in seconds.

    stages: by ``stage@name``, when each last ran. between: in all, from a stage's end to the next
    one's work. ended: when the last one ended, in seconds since 1970.
    """

    stages: dict[str, float] = field(default_factory=dict)
    between: float = 0.0
    ended: float = 0.0

    @classmethod
    def read(cls, competition: str) -> Ledger:
        file = _ledger_file(competition)
        return cls(**read_json(file)) if file.exists() else cls()

    def write(self, competition: str) -> None:
        write_json(_ledger_file(competition), asdict(self))

    @property
    def spent(self) -> float:
        return sum(self.stages.values()) + self.between

    @property
    def gap(self) -> float:
        """Seconds between two stages, on average."""
        return self.between / len(self.stages) if self.stages and self.between else AROUND_A_STAGE

    def trained(self, model: str) -> float | None:
        return self.stages.get(f"train@{model}")


def _ledger_file(competition: str) -> Path:
    return state_folder() / "budget" / f"{competition}.json"


@contextmanager
def clock(config: Config, stage: str, name: str) -> Iterator[None]:
    """Count the time of a stage that runs through, and what passed since the one before."""
    competition = config.models[name].competition if name in config.models else name
    if competition not in config.competitions:
        yield  # the stage itself says best what is wrong with the name
        return
    began = time.time()
    ledger = Ledger.read(competition)
    if 0 < began - ledger.ended < LONGEST_GAP:
        ledger.between += began - ledger.ended
    ledger.ended = began
    ledger.write(competition)
    yield
    ledger.ended = time.time()
    ledger.stages[f"{stage}@{name}"] = max(ledger.ended - began, 0.0)
    ledger.write(competition)
