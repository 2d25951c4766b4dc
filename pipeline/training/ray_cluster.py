"""The Ray cluster: reached, or begun on this machine alone, and what of it an executor uses."""

from __future__ import annotations

import atexit
import io
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.core.code import package_digests
from pipeline.core.errors import UserError, quoted
from pipeline.core.paths import main_root
from pipeline.training import ray_entrance
from pipeline.training.jobs import Job, available_cores
from pipeline.training.ray_worker import Order, Run, marker

LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "torch", "lightgbm", "xgboost", "catboost", "transformers", "timm")
"""What results hang on the version of."""
ANSWERS = 10.0
"""Seconds in which a cluster must answer."""
CARRIED = ("PODIUM_SAMPLES", "PODIUM_TRACKING")
"""Variables that jobs look at."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # nodes' errors would be printed among ours, tracebacks and all
}


class Connection:
    """This process among those that run jobs on a cluster."""

    def __init__(self) -> None:
        import ray
        from ray import cloudpickle
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        root, here = main_root().absolute(), Path.cwd()
        self.token = uuid.uuid4().hex
        self._mark = marker(root, self.token)
        self._mark.parent.mkdir(parents=True, exist_ok=True)
        self._mark.touch()
        environment = {name: os.environ[name] for name in CARRIED if name in os.environ}
        inside = str(here.relative_to(root)) if here.is_relative_to(root) else "."
        self._run = [ray.put(Run(self.token, str(root), inside, package_digests(), environment))]
        cloudpickle.register_pickle_by_value(ray_entrance)
        self._enter = ray.remote(ray_entrance.enter)
        beside = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        board: Any = ray.remote(ray_entrance.Board).options(num_cpus=0, scheduling_strategy=beside)
        self._board: Any = board.remote()
        self._news: Any = self._board.heard.remote()

    def nodes(self) -> list[dict[str, Any]]:
        """Those that are alive: ``NodeID``, ``NodeManagerAddress``, ``Resources``."""
        import ray

        return [node for node in ray.nodes() if node["Alive"]]

    def run(self, order: Order, options: Mapping[str, Any]) -> Any:
        """Give a job to the cluster; a reference to what will be its answer."""
        with _told(order.name):
            return self._enter.options(**options).remote(self.token, self._run, vars(order), self._board)

    def put(self, value: Any, name: str) -> Any:
        """Keep a value in the object store; a reference to it."""
        import ray

        with _told(name):
            return ray.put(value)

    def wait(self, answers: Sequence[Any], seconds: float) -> tuple[list[Any], dict[int, float]]:
        """Those that are there, and by job how far others are that have told of it, as soon as there is something."""
        import ray

        waited = [*answers, self._news]
        ready, _ = ray.wait(waited, num_returns=1, timeout=seconds)
        if not ready:
            return [], {}
        ready, _ = ray.wait(waited, num_returns=len(waited), timeout=0)
        parts: dict[int, float] = {}
        if self._news in ready:
            with suppress(ray.exceptions.RayError):
                parts = ray.get(self._news)
            ready.remove(self._news)
            self._news = self._board.heard.remote()
        return ready, parts

    def done(self, answers: Sequence[Any]) -> list[Any]:
        """Those that are there on some node, here or not."""
        import ray

        return ray.wait([*answers], num_returns=len(answers), timeout=0, fetch_local=False)[0] if answers else []

    def answer(self, answer: Any, name: str) -> tuple[str, Any, list[Any]]:
        """What the job of that name said (see ``ray_entrance.enter``), or ("died", why, [])."""
        import ray

        lost = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
            ray.exceptions.LocalRayletDiedError,
        )
        faults: tuple[type[Exception], ...] = (ray.exceptions.RayTaskError, *_full())  # there, or here
        try:
            kind, value, parcels = ray.get(answer)
        except lost as death:
            return "died", _how(death), []
        except faults as fault:
            if isinstance(getattr(fault, "cause", fault), _full()):
                raise UserError(no_room(f"{name}: its result")) from None
            raise
        return kind, value, parcels

    def cancel(self, answer: Any) -> None:
        import ray

        with suppress(ray.exceptions.RayError):
            ray.cancel(answer, force=True)

    def close(self) -> None:
        self._mark.unlink(missing_ok=True)


_connection: Connection | None = None


def connected(cpus: float) -> Connection:
    """The connection of this process, made where there is none yet.

    cpus: that a cluster of this machine alone is to have; 0: as many as there are cores. Raises UserError where Ray is
    not installed, or no cluster answers.
    """
    global _connection
    if _connection is None:
        os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
        try:
            import ray
        except ImportError:
            raise UserError(
                "execution.executor: ray needs the library ray, and it is not installed; `pip install 'podium[ray]'`, "
                "or take another executor"
            ) from None
        address = os.environ.get("RAY_ADDRESS") or "local"
        with _kept_signals(), _no_words():
            _begin_alone(ray, cpus) if address == "local" else _reach(ray, address)
        _connection = Connection()
        atexit.register(_close)
    return _connection


def _close() -> None:
    global _connection
    if _connection is not None:
        _connection.close()
        _connection = None


def _begin_alone(ray: Any, cpus: float) -> None:
    # Not below the project or TMPDIR: names of sockets are cut at a hundred letters.
    folder = tempfile.mkdtemp(prefix="podium-ray-", dir="/tmp")

    def end() -> None:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    ray.init(
        address="local",
        num_cpus=max(int(-(-cpus // 1)), 1) if cpus else available_cores(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )
    atexit.register(end)


def _reach(ray: Any, address: str) -> None:
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS: needs HOST:PORT of a cluster that this machine is a node of, got {quoted(address)}; run "
            "`ray start --address=HOST:PORT --num-cpus=0` here first"
        )
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise UserError(f"RAY_ADDRESS: needs HOST:PORT, or auto, got {quoted(address)}")
        if (reason := _silent(host, int(port))) is not None:
            raise UserError(
                f"RAY_ADDRESS: no cluster answers at {address} ({reason}); begin one there with "
                f"`ray start --head --port={port}`, or unset it for one of this machine alone"
            )
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as fault:
        raise UserError(
            f"RAY_ADDRESS: the cluster at {address} does not take this machine ({one_line(fault)}); it must be a node "
            f"of it: `ray start --address={address} --num-cpus=0`"
        ) from None


def _silent(host: str, port: int) -> str | None:
    """Why it is no cluster that listens there, as far as a moment tells; Ray itself would ask for many minutes."""
    try:
        with socket.create_connection((host, port), timeout=ANSWERS) as line:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return None
            # Whoever speaks gRPC is greeted, and greets, with a frame of settings (RFC 9113, 3.4), here without any.
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            frame = line.makefile("rb").read(9)
    except OSError as fault:
        return fault.strerror or str(fault)
    return None if frame[3:4] == b"\4" else "what listens there is no Ray"


def one_line(fault: BaseException) -> str:
    """The first line of an error that says something."""
    return next((line.strip() for line in str(fault).splitlines() if line.strip()), type(fault).__name__)[:200]


@contextmanager
def _kept_signals() -> Any:
    """Ray puts a handler of its own in place of whoever handles SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _no_words() -> Any:
    """Ray warns of what it will do in releases to come, and where no logger is asked."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _told(name: str) -> Any:
    """A full object store, told to people."""
    try:
        yield
    except _full():
        raise UserError(no_room(name)) from None


def _full() -> tuple[type[Exception], ...]:
    import ray

    return ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError


def no_room(name: str) -> str:
    """What is told where the object store is full."""
    return (
        f"{name}: does not fit into Ray's object store, nor onto the disk that it spills to; begin the nodes with a "
        "larger --object-store-memory, or make room"
    )


def _how(death: Exception) -> str:
    import ray

    if isinstance(death, ray.exceptions.OutOfMemoryError):
        return "its node ran out of memory; set execution.memory to what a job needs"
    if isinstance(death, ray.exceptions.WorkerCrashedError):
        return "its worker was killed or crashed"
    return "its node was lost"


def packed_call(job: Job) -> bytes:
    """Function and arguments, pickled; paths in the project are the project's wherever it lies."""
    from ray.cloudpickle import CloudPickler

    root = main_root().absolute()

    class Packing(CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, Path) and value.is_absolute() and value.is_relative_to(root):
                return in_project, (str(value.relative_to(root)),)
            return super().reducer_override(value)

    stream = io.BytesIO()
    Packing(stream).dump((job.function, job.arguments))
    return stream.getvalue()


def in_project(place: str) -> Path:
    """A path of the project, on this machine."""
    return main_root() / place
