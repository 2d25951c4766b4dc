"""Jobs as tasks of a Ray cluster, the one at ``RAY_ADDRESS`` or one of this machine alone."""

from __future__ import annotations

import importlib
import pickle
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.core.kept_digests import kept_digest
from pipeline.core.paths import main_root
from pipeline.training.jobs import ATTEMPTS, Event, Job
from pipeline.training.ray_cluster import LIBRARIES, Connection, connected, no_room, packed_call
from pipeline.training.ray_worker import Order
from pipeline.training.travel import pack, unpack

LOOK_SECONDS = 1.0
"""Between two looks at which nodes there are."""
PATIENCE = 30.0
"""Seconds without a node that could run a job, after which jobs end: a cluster may be about to grow."""
ARRIVES = 300.0
"""Seconds within which the answer of a job that is done comes here."""


@dataclass
class _Running:
    job: Job
    call: bytes
    key: int
    attempt: int = 1
    done: float = inf
    """When its answer was first seen to be on some node."""


@dataclass
class OnRay:
    """Runs each job as a task that reserves what ``execution`` says of a node.

    A job whose worker or node dies is done again, twice at most. A node whose machine has other code, lacks a library
    or has another version of one is told of once and left out. Files travel to nodes that do not share this disk.
    """

    execution: Execution
    _running: dict[Any, _Running] = field(default_factory=dict, init=False)
    """By reference to what will be its answer."""
    _keys: Any = field(default_factory=count, init=False)
    _sent: dict[Path, tuple[str, str, list[Any]]] = field(default_factory=dict, init=False)
    """What of the project is in the object store."""
    _travels: bool = field(default=False, init=False)
    """Whether some node does not share this disk."""
    _refused: dict[str, str] = field(default_factory=dict, init=False)
    """By node that is left out, why."""
    _nodes: list[Mapping[str, float]] = field(default_factory=list, init=False)
    """What each node has that can run a job."""
    _looked: float = field(default=-inf, init=False)
    _checked: float = field(default=-inf, init=False)
    _seen: float = field(default=-inf, init=False)
    """When there last was a node that can run a job."""

    @property
    def cpus(self) -> float:
        """Cores that a job reserves."""
        return self.execution.cpus or self.execution.threads

    @property
    def workers(self) -> int:
        """As many jobs as the nodes have room for, which may come and go."""
        self._look()
        return self.execution.workers or max(sum(map(self._room, self._nodes)), 1)

    def places(self, threads: int | None) -> int:
        return min(-(-(threads or self.execution.threads) // self.execution.threads), self.workers)

    @property
    def _needs(self) -> dict[str, float]:
        """Of a node, for a job."""
        asked = {"CPU": self.cpus, "GPU": self.execution.gpus, "memory": self.execution.memory * 2**30}
        return {name: amount for name, amount in asked.items() if amount}

    def _room(self, node: Mapping[str, float]) -> int:
        return int(min(node.get(name, 0.0) / amount + 1e-9 for name, amount in self._needs.items()))

    @property
    def _ray(self) -> Connection:
        return connected(self.execution.workers * self.cpus)

    def _look(self) -> None:
        """See which nodes there are. Raises UserError where none ever could run a job."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        first = self._looked == -inf
        nodes = [node for node in self._ray.nodes() if node["NodeID"] not in self._refused]
        self._nodes = [node["Resources"] for node in nodes if self._room(node["Resources"])]
        self._looked = time.monotonic()
        if self._nodes:
            self._seen = self._looked
        elif first:
            raise UserError(self._no_room([node["Resources"] for node in nodes]))

    def _no_room(self, nodes: list[Mapping[str, float]]) -> str:
        if self._refused:
            return f"ray: no node is left that can run a job; {'; '.join(self._refused.values())}"
        if not nodes:
            return f"ray: for {PATIENCE:.0f} seconds there has been no node that can run a job; begin some"
        units = {"CPU": ("cpus", 1), "GPU": ("gpus", 1), "memory": ("memory", 2**30)}
        for name, amount in self._needs.items():
            key, unit = units[name]
            most = max(node.get(name, 0.0) for node in nodes)
            if most < amount:
                kind = " GiB" if name == "memory" else ""
                asked = f"execution.{key}: a job asks for {amount / unit:g}{kind} of a node"
                return f"{asked}, and the largest of {len(nodes)} has {most / unit:.4g}{kind}; ask for less"
        return f"execution: none of {len(nodes)} nodes has all at once that a job asks for; ask for less"

    def start(self, job: Job) -> None:
        self._look()
        self._submit(_Running(job, packed_call(job), next(self._keys)))

    def _submit(self, running: _Running) -> None:
        job, threads = running.job, running.job.threads or self.execution.threads
        most = max((node.get("CPU", 0.0) for node in self._nodes), default=inf)
        options = {
            "name": job.name,
            "num_cpus": min(self.cpus * max(threads / self.execution.threads, 1), most),
            "num_gpus": self.execution.gpus,
            "memory": int(self.execution.memory * 2**30) or None,
            "max_retries": 0,  # those are counted here
        }
        if self._refused:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(self._refused)})"}
        root = main_root().absolute()
        order = Order(
            job.name,
            running.key,
            threads,
            running.call,
            _libraries(),
            [self._send(place, root) for place in job.reads if self._known(place, root)] if self._travels else None,
            [str(place.absolute().relative_to(root)) for place in job.writes],
            [pack(place.absolute(), root) for place in job.writes if place.exists()] if self._travels else (),
        )
        self._running[self._ray.run(order, options)] = running

    def _known(self, place: Path, root: Path) -> bool:
        """Whether it is the project's to send: libraries lie where each machine has them."""
        return place.exists() and place.absolute().is_relative_to(root) and "site-packages" not in place.parts

    def _send(self, place: Path, root: Path) -> tuple[str, str, list[Any]]:
        """Put a file or folder into the object store, once."""
        if place not in self._sent:
            parcel = pack(place.absolute(), root)
            self._sent[place] = parcel[0], kept_digest(place), [self._ray.put(parcel, parcel[0])]
        return self._sent[place]

    def wait(self, seconds: float | None) -> list[Event]:
        deadline = inf if seconds is None else time.monotonic() + seconds
        while self._running:
            left = max(deadline - time.monotonic(), 0.0)
            answers, parts = self._ray.wait(list(self._running), min(left, LOOK_SECONDS))
            jobs = {running.key: running.job for running in self._running.values()}
            events = [Event(jobs[key], "progress", part) for key, part in parts.items() if key in jobs]
            for answer in answers:
                events += self._hear(self._running.pop(answer), answer)
            events += self._given_up()
            if events or left <= LOOK_SECONDS:
                return events
        return []

    def _hear(self, running: _Running, answer: Any) -> list[Event]:
        """Take a job's answer; do it again where there is none, and that may help."""
        job = running.job
        try:
            kind, value, parcels = self._ray.answer(answer, job.name)
            if kind == "lacks":
                self._travels = True
                self._submit(running)
                return []
            if kind in ("refused", "died"):
                return self._again(running, kind, value)
            for parcel in parcels:
                unpack(parcel, main_root().absolute())
            return [Event(job, kind, pickle.loads(value))]  # type: ignore[arg-type]  # noqa: S301 - from our own worker
        except Exception as fault:
            return [Event(job, "error", fault)]

    def _again(self, running: _Running, kind: str, why: Any) -> list[Event]:
        job = running.job
        if kind == "refused":
            node, told = why
            if node not in self._refused:
                self._refused[node], self._looked = told, time.monotonic() - 2 * LOOK_SECONDS
                print(f"warning: ray: {told}; it is left out", file=sys.stderr)  # noqa: T201
            self._look()
            if not self._nodes:
                raise UserError(self._no_room([]))
        elif running.attempt == ATTEMPTS:
            raise UserError(f"{job.name}: its process died {ATTEMPTS} times, last: {why}")
        else:
            running.attempt += 1
        running.key = next(self._keys)  # what the other still tells is not of this one
        self._submit(running)
        return [Event(job, "progress", 0.0)]  # what it had done is lost

    def _given_up(self) -> list[Event]:
        """Errors of jobs whose answers cannot come, and of all, where for long no node has been there for them."""
        self._look()
        now = time.monotonic()
        if now - self._checked < LOOK_SECONDS:
            return []
        self._checked = now
        if not self._nodes and now - self._seen >= PATIENCE:
            fault = UserError(self._no_room([]))
            jobs = [running.job for running in self._running.values()]
            self.close()
            return [Event(job, "error", fault) for job in jobs]
        events = []
        for answer in self._ray.done([*self._running]):
            running = self._running[answer]
            running.done = min(running.done, now)
            if now - running.done >= ARRIVES:  # Ray waits for room, without end
                fault = UserError(no_room(f"{running.job.name}: its result, {ARRIVES:.0f} seconds on its way"))
                events.append(Event(self._running.pop(answer).job, "error", fault))
        return events

    def stop(self, job: Job) -> None:
        for answer, running in list(self._running.items()):
            if running.job is job:
                self._ray.cancel(answer)
                del self._running[answer]

    def close(self) -> None:
        for running in list(self._running.values()):
            self.stop(running.job)


def _libraries() -> dict[str, str]:
    """Those that are loaded here, since models were built, with their versions."""
    return {name: importlib.import_module(name).__version__ for name in LIBRARIES if name in sys.modules}
