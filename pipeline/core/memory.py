"""Memory: of large tables, and where there is not enough."""

from __future__ import annotations

import os
from pathlib import Path


def give_memory_back() -> None:
    """Return to the system what Arrow has let go and keeps for later: after reading a large table that
    is more than the table."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def own_bytes() -> int:
    """Of this process in memory, without what is mapped from files. Linux."""
    resident, shared = Path("/proc/self/statm").read_text(encoding="ascii").split()[1:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def no_memory(error: BaseException) -> str | None:
    """What to tell where an error says that there is not enough memory, None where it says something else.

    Torch raises RuntimeError for it, with words of its own on the processor and on a GPU.
    """
    told = str(error)
    known = ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
    if not isinstance(error, MemoryError) and not any(words in told for words in known):
        return None
    what = told.strip().splitlines()[0] if told.strip() else "the system gave no more"
    return f"not enough memory ({what}); take a smaller model or batch, or fewer workers"
