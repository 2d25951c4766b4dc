"""What the processor can do."""

from __future__ import annotations

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
