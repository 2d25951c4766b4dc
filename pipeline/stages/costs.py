"""What models took: seconds, memory, rows and tokens, in ``.podium/costs/`` by what each model's folder came of.

A clock's numbers are no part of an output, which two runs give alike; a model that is kept, or comes back to earlier
settings, finds its own again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import ModelPaths, state_folder
from pipeline.stages.kept import IDENTITY

MOST = 5000
"""Notes that are kept, the newest; each is a few hundred bytes."""


def note_cost(folder: Path, cost: Mapping[str, float]) -> None:
    """What making a model's folder took. Never raises: nothing hangs on it."""
    with suppress(OSError, UserError, KeyError):
        identity = read_json(folder / IDENTITY)["identity"]
        if identity is not None and cost:
            write_json(_place(identity), dict(cost))
    notes = sorted(_place("").parent.glob("*.json"), key=lambda file: (file.stat().st_mtime, file.name))
    for stale in notes[:-MOST]:
        stale.unlink(missing_ok=True)


def read_cost(folder: Path) -> dict[str, float]:
    """What making the folder took; empty where that is not known."""
    try:
        cost: dict[str, float] = read_json(_place(read_json(folder / IDENTITY)["identity"]))
    except (UserError, KeyError, TypeError):
        return {}
    return cost


def seconds_of(competition: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """By model of the leaderboard's rows, the seconds that its folds took; None where that is not known."""
    return {row["model"]: read_cost(ModelPaths(competition, row["model"]).cv).get("seconds") for row in rows}


def _place(identity: str) -> Path:
    return state_folder() / "costs" / f"{identity}.json"


def model_cost(paths: ModelPaths, parameters: int | None) -> dict[str, Any]:
    """Of one model all that is known; what is not is None.

    seconds: of all folds, on one core. search, final: of its search and of its fits on all rows. memory: bytes.
    trained, tokens, answered: training rows and tokens that went by in a second (an epoch counts them all again), and
    rows answered. parameters: of a network. bytes: of its final files.
    """
    folds, search, final = (read_cost(folder) for folder in (paths.cv, paths.tuned, paths.final))
    files = [file for file in (paths.final / "members").rglob("*") if file.is_file()]
    fitting = folds.get("seconds", 0.0) - folds.get("answering", 0.0)

    def rate(key: str, seconds: float) -> float | None:
        return folds[key] / seconds if folds.get(key) and seconds > 0 else None

    return {
        "seconds": folds.get("seconds"),
        "search": search.get("seconds"),
        "final": final.get("seconds"),
        "memory": folds.get("memory"),
        "trained": rate("rows", fitting),
        "tokens": rate("tokens", fitting),
        "answered": rate("answered", folds.get("answering", 0.0)),
        "parameters": parameters,
        "bytes": sum(file.stat().st_size for file in files) or None,
    }
