"""A job on a worker of a Ray cluster: what it needs is brought, done, and what it wrote sent back."""

from __future__ import annotations

import importlib
import os
import pickle
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.code import package_digests
from pipeline.core.errors import UserError
from pipeline.core.files import digest, lock, write_text
from pipeline.core.operators import IMPORTED_BY, declare_torchvision
from pipeline.core.processor import GPUS
from pipeline.training import encoded
from pipeline.training.jobs import listen, portable, prepare, seldom
from pipeline.training.travel import Parcel, pack, unpack

ARRIVES = 600.0
"""Seconds to wait for files to come, or for another worker of this machine that puts the same ones in their place."""
UNUSED = 7 * 86400.0
"""Seconds after which a project's files are cleared from a machine that they travelled to."""


@dataclass(frozen=True)
class Run:
    """What all jobs of one process that runs jobs on Ray have in common.

    token: its name, and that of a file in ``root``, the project, by which a machine knows that it shares the disk.
    inside: the working folder in it. code: digest of each file. environment: variables that jobs look at.
    """

    token: str
    root: str
    inside: str
    code: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Order:
    """A job as it travels. Places are relative to the project.

    key: its number. call: function and arguments, pickled. libraries: with their versions, that are to be loaded.
    reads: what it reads, with a digest, and in a list of its own a reference to its parcel; None: none was sent.
    brought: what lies at ``writes`` already.
    """

    name: str
    key: int
    threads: int
    call: bytes
    libraries: Mapping[str, str]
    reads: Sequence[tuple[str, str, list[Any]]] | None
    writes: Sequence[str]
    brought: Sequence[Parcel]


class Refused(Exception):
    """This machine is not fit for the run's jobs."""


def marker(root: Path, token: str) -> Path:
    return root / ".podium" / "ray" / token


def work(token: str, run: list[Any], fields: Mapping[str, Any], board: Any) -> tuple[str, Any, list[Parcel]]:
    """Do a job.

    run: in a list a reference to the run. fields: of its ``Order``. board: handle of the ``Board``.
    Gives ("result" or "error", pickled value, parcels of what it wrote); ("lacks", None, []) where files are to be
    sent with it first; ("refused", why, []) where this machine is not fit.
    """
    import ray

    order = Order(**fields)
    if not ray.get_gpu_ids():
        os.environ[GPUS] = ""  # Ray leaves a task that asks for none all of its node's
    try:
        root, shared = _settled(token, run)
        _load(order.libraries)
    except Refused as why:
        return "refused", str(why), []
    if not shared and order.reads is None:
        return "lacks", None, []
    listen(seldom(lambda part: board.tell.remote(order.key, part)))
    try:
        if not shared:
            _receive(root, order)
            encoded.elsewhere = _Elsewhere(root, board)
        function, arguments = pickle.loads(order.call)  # noqa: S301 - from who runs us
        prepare(order.name, order.threads)
        value = pickle.dumps(function(*arguments))
    except BaseException as error:
        return "error", pickle.dumps(portable(error)), []
    finally:
        listen(None)
    return "result", value, [] if shared else [pack(root / place, root) for place in order.writes]


_places: dict[str, tuple[Path, bool] | Refused] = {}
"""By run, where its project is on this machine, and whether that is the very project."""


def _settled(token: str, run: list[Any]) -> tuple[Path, bool]:
    """Settle in the run's project, once. Raises Refused."""
    import ray

    if token not in _places:
        try:
            _places[token] = _settle(ray.get(run[0]))
        except Refused as why:
            _places[token] = why
    place = _places[token]
    if isinstance(place, Refused):
        raise place
    return place


def _settle(run: Run) -> tuple[Path, bool]:
    mine = package_digests()
    others = sorted(name for name in {*mine, *run.code} if mine.get(name) != run.code.get(name))
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise Refused(
            f"has other code, {digest(mine)} and not {digest(run.code)}: pipeline/{others[0]}{more}; bring its "
            "checkout up to date"
        )
    root = Path(run.root)
    shared = marker(root, run.token).exists()
    if not shared:
        root = _own_folder(run.root)
    os.environ.update({**run.environment, "DVC_ROOT": str(root)})
    (root / run.inside).mkdir(parents=True, exist_ok=True)
    os.chdir(root / run.inside)
    return root, shared


def _own_folder(project: str) -> Path:
    """Where files of a project on another machine's disk lie. What has not been used for long is cleared away."""
    import shutil

    home = Path(tempfile.gettempdir()) / f"podium-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid():
        raise Refused(f"cannot keep files in {home}, which is another user's; set TMPDIR there")
    for folder in home.iterdir():
        if time.time() - folder.stat().st_mtime > UNUSED:
            shutil.rmtree(folder, ignore_errors=True)
    mine = home / digest(project)
    mine.mkdir(exist_ok=True)
    os.utime(mine)
    return mine


_loaded: set[str] = set()


def _load(libraries: Mapping[str, str]) -> None:
    """Import what the jobs compute with, which then is seeded and capped like the rest. Raises Refused where it is
    not there, or is of another version: results would differ."""
    for name, version in libraries.items():
        if name in _loaded:
            continue
        try:
            if name in IMPORTED_BY:
                declare_torchvision()
            mine = importlib.import_module(name).__version__
        except ImportError:
            raise Refused(f"lacks the library {name} {version}; install there what is installed here") from None
        if mine.partition("+")[0] != version.partition("+")[0]:
            raise Refused(f"has {name} {mine} and not {version}, with which results would differ; install that one")
        _loaded.add(name)


_arrived: set[tuple[str, str]] = set()


def _receive(root: Path, order: Order) -> None:
    """Put in its place what the job reads, where that is not there yet, and what it is to go on from."""
    import ray

    for name, mine, box in order.reads or ():
        if (name, mine) in _arrived:
            continue
        mark = root / ".podium" / "arrived" / digest(name)
        with lock(mark.with_suffix(".lock"), wait=ARRIVES, held=name):
            if not mark.exists() or mark.read_text(encoding="utf-8") != mine:
                mark.unlink(missing_ok=True)
                try:
                    parcel = ray.get(box[0], timeout=ARRIVES)
                except ray.exceptions.GetTimeoutError:
                    raise UserError(
                        f"{order.name}: {name} has not come to node {ray.util.get_node_ip_address()} in {ARRIVES:.0f} "
                        "seconds; begin it with a larger --object-store-memory, or make room on the disk it spills to"
                    ) from None
                unpack(parcel, root, sync=False)
                write_text(mark, mine)
        _arrived.add((name, mine))
    for parcel in order.brought:
        unpack(parcel, root, sync=False)


@dataclass(frozen=True)
class _Elsewhere:
    """Encoded folds, which any machine of the cluster may have encoded."""

    root: Path
    board: Any

    def fetch(self, place: Path) -> None:
        import ray

        with suppress(ray.exceptions.RayError, OSError, UserError):  # lost with its machine: encoded anew
            box = ray.get(self.board.find.remote(str(place.relative_to(self.root))))
            if box:
                unpack(ray.get(box[0]), self.root, sync=False)

    def offer(self, place: Path) -> None:
        import ray

        with suppress(ray.exceptions.RayError):
            self.board.keep.remote(str(place.relative_to(self.root)), [ray.put(pack(place, self.root))])
