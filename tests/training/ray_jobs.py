"""What the jobs of Ray's tests do. Workers import this and little else, so that one begins soon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

SOON = 90.0
"""Seconds within which what a job waits for happens, also on a busy machine."""


def appear(*places: Path) -> None:
    """Wait until all are there."""
    deadline = time.monotonic() + SOON
    while not all(place.exists() for place in places):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not there: {', '.join(place.name for place in places if not place.exists())}")
        time.sleep(0.02)


def note(place: Path, what: object) -> int:
    """Add a line; how many there are."""
    with place.open("a") as stream:
        stream.write(f"{what}\n")
    return len(place.read_text().splitlines())


def counted(folder: Path, number: int) -> int:
    """Kills its worker where it is number 1, the first time."""
    if note(folder / f"tries-{number}", number) == 1 and number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies(folder: Path) -> None:
    note(folder / "died", os.getpid())
    os._exit(3)


def long(folder: Path, number: int) -> None:
    note(folder / f"began-{number}", os.getpid())
    time.sleep(1000)


def held(folder: Path, number: int) -> int:
    """Says on which node it runs, and ends when the test lets it."""
    import ray

    note(folder / f"on-{number}", ray.get_runtime_context().get_node_id())
    (folder / f"held-{number}").touch()
    appear(folder / "let-go")
    return number


def reserved(folder: Path, number: int, others: int) -> tuple[dict[str, float], str]:
    """What it has of its node, and the GPUs that it sees, once so many run beside it."""
    import ray

    (folder / f"runs-{number}").touch()
    appear(*(folder / f"runs-{other}" for other in range(others)))
    return ray.get_runtime_context().get_assigned_resources(), os.environ["CUDA_VISIBLE_DEVICES"]


def meeting(folder: Path, name: str, function, arguments):
    """Do a job of a stage. The last fold of the trees' first trial ends only once a trial of the network has begun."""
    if ": trial" in name:
        (folder / name.partition(":")[0]).touch()
    if name == "lines-trees: trial 1: fold 2":
        appear(folder / "lines-network")
    return function(*arguments)


def length(file: Path) -> int:
    return file.stat().st_size


def large(size: int) -> bytes:
    return bytes(size)
