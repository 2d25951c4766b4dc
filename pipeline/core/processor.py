"""What the processor can do, and which GPUs are beside it."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path


def multiplies_bfloat16() -> bool:
    """Whether it has products of 16 bits of its own; where it has none they take longer than those of 32."""
    return not _flags().isdisjoint({"avx512_bf16", "amx_bf16"})


@lru_cache
def _flags() -> frozenset[str]:
    """As Linux tells them; elsewhere none."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(next((line for line in told.splitlines() if line.startswith("flags")), "").split())


GPUS = "CUDA_VISIBLE_DEVICES"
"""The variable that tells CUDA which GPUs there are for a process; read when it first computes on one."""


def gpus() -> list[str]:
    """The GPUs that this process may use, as ``GPUS`` names them. Nothing is asked of CUDA: a process that has, can
    fork none that computes there. Where the system has no device files of them, none."""
    if (visible := os.environ.get(GPUS)) is not None:
        names = [name.strip() for name in visible.split(",")]
        none = next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:none]  # CUDA reads so far too
    found = [re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*")]
    return [str(number) for number in range(sum(one is not None for one in found))]


def take_gpu(place: int) -> None:
    """Leave this process one GPU of several, by its place among those that work side by side."""
    if len(names := gpus()) > 1:
        os.environ[GPUS] = names[place % len(names)]
