"""Memory of large tables."""

from __future__ import annotations


def give_memory_back() -> None:
    """Return to the system what Arrow has let go and keeps for later: after reading a large table that
    is more than the table."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
