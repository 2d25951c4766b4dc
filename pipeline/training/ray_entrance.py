"""What Ray's workers are sent by value, since they may not have Podium: nothing of it is imported above."""

from __future__ import annotations

import asyncio
from typing import Any


def enter(*arguments: Any) -> tuple[str, Any, list[Any]]:
    """Do a job, see ``ray_worker.work``; where this machine is not fit ("refused", (its node, why), [])."""
    import ray

    try:
        from pipeline.training.ray_worker import work

        kind, value, parcels = work(*arguments)
    except ImportError as fault:
        kind, value, parcels = "refused", f"cannot import Podium ({fault})", []
    if kind == "refused":
        value = ray.get_runtime_context().get_node_id(), f"node {ray.util.get_node_ip_address()} {value}"
    return kind, value, parcels


class Board:
    """One for a run, beside who runs it: what jobs tell of how far they are, and what is encoded already."""

    def __init__(self) -> None:
        self._parts: dict[int, float] = {}
        self._kept: dict[str, list[Any]] = {}
        self._news = asyncio.Event()

    async def tell(self, job: int, part: float) -> None:
        self._parts[job] = part
        self._news.set()

    async def heard(self) -> dict[int, float]:
        """By job, how far those are that told of it since this was last asked; once one has."""
        await self._news.wait()
        self._news.clear()
        parts, self._parts = self._parts, {}
        return parts

    async def keep(self, place: str, box: list[Any]) -> None:
        """Where a parcel is, in a list, so that nobody fetches it on the way."""
        self._kept[place] = box

    async def find(self, place: str) -> list[Any]:
        return self._kept.get(place, [])
