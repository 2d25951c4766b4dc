"""Where studies are kept: a journal that survives any kill, or a database named in the environment."""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

VARIABLE = "PODIUM_OPTUNA_STORAGE"
BEAT_SECONDS, GRACE_SECONDS = 20, 120
"""Between two heartbeats of a trial in a database, and after the last one until it counts as dead."""
OPENINGS = 10
"""Attempts at opening a database that others open for the first time too."""
RACES = ("already exists", "unique", "duplicate", "locked", "deadlock")
"""Words of the errors that such a race may raise."""

T = TypeVar("T")


def shared() -> bool:
    """Whether studies are in a database, which other machines may write to as well."""
    return bool(os.environ.get(VARIABLE))


def open_study(path: Path, name: str, higher_is_better: bool) -> optuna.Study:
    """The study in the database that PODIUM_OPTUNA_STORAGE names, else in the journal at ``path``; made where it
    is not there yet.

    Raises UserError where it cannot be opened; that holds nothing secret.
    """
    import optuna

    quiet_optuna()

    def opened() -> optuna.Study:
        return optuna.create_study(
            storage=_storage(path),
            study_name=name,
            direction="maximize" if higher_is_better else "minimize",
            load_if_exists=True,
        )

    return _again_where_others_begin(opened) if shared() else opened()


def _storage(path: Path) -> BaseStorage:
    if url := os.environ.get(VARIABLE):
        return _open_database(url)
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    with journal_lock(path):
        check_journal(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_JournalLock(path)))  # type: ignore[arg-type]


def _open_database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        # The message would quote the URL, password and all.
        raise UserError(
            f"{VARIABLE}: needs a database URL such as sqlite:///studies.db or postgresql://user:password@host/name"
        ) from None
    # Processes that tune side by side wait for each other rather than fail.
    options = {"connect_args": {"timeout": 60}} if backend == "sqlite" else {"pool_pre_ping": True}
    return RDBStorage(url, engine_kwargs=options, heartbeat_interval=BEAT_SECONDS, grace_period=GRACE_SECONDS)


def _again_where_others_begin(action: Callable[[], T]) -> T:
    """Open a fresh database anew where another machine was making its tables, or the study, at that moment."""
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(1, OPENINGS):
        try:
            return action()
        except Exception as error:
            told = f"{error} {error.__cause__}".lower()
            racing = isinstance(error, SQLAlchemyError) or type(error).__module__.startswith("optuna")
            if not racing or not any(word in told for word in RACES):
                raise
            time.sleep(attempt * random.uniform(0.05, 0.2))
    return action()


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what a disk or a database raises into a UserError of one line that holds no secret."""
    url = os.environ.get(VARIABLE)
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        file = f"{Path(error.filename).name}: " if isinstance(error.filename, str) else ""
        raise UserError(f"{file}the study cannot be kept: {error.strerror or type(error).__name__}") from None
    except Exception as error:
        origin = type(error).__module__.partition(".")[0]
        if not url or (origin not in ("sqlalchemy", "optuna", "alembic") and not isinstance(error, ImportError)):
            raise
        told = "its driver is missing" if isinstance(error, ImportError) else "the database failed"
        brings = ""
        if isinstance(error, ImportError) and url.startswith("postgresql"):
            brings = "; run `pip install -e '.[postgresql]'` and begin the URL with postgresql+psycopg://"
        raise UserError(f"{VARIABLE}: {told}: {_without_secrets(error, url)}{brings}") from None


def _without_secrets(error: Exception, url: str) -> str:
    text = " ".join(str(error.__cause__ or error).split())
    rest = url.partition("://")[2]
    name = rest.rpartition("@")[0]
    query = [value for _, value in parse_qsl(rest.partition("?")[2])]
    secrets = {url, rest, name, unquote(name), name.partition(":")[2], unquote(name.partition(":")[2]), *query}
    return type(error).__name__ if any(secret and secret in text for secret in secrets) else text


def quiet_optuna() -> None:
    """Silence Optuna's log lines and its warnings of things to come, once and for all: studies interleave."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # claims.py beats itself


def check_journal(path: Path) -> None:
    """Make a journal readable: cut a torn last line. Hold ``journal_lock``.

    A torn line at the end is a write that was killed, so nothing that happened is lost with it.
    A torn line before the end is damage from outside: UserError.
    """
    cut_torn_line(path)
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            if not isinstance(json.loads(line), dict):
                raise ValueError("not an object")
        except ValueError:
            if number < len(lines):
                raise UserError(
                    f"{path.name}: line {number} of the study's journal is not JSON; delete the file to tune anew"
                ) from None
            _truncate(path, path.stat().st_size - len(line))


def cut_torn_line(path: Path) -> None:
    """Cut a journal to its last newline. Reads backwards, so that it costs nothing on long ones."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        end = size = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 4096)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
    if end < size:
        _truncate(path, end)


def _truncate(path: Path, size: int) -> None:
    with path.open("rb+") as stream:
        stream.truncate(size)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def journal_lock(path: Path) -> Iterator[None]:
    """The lock under which a journal is written."""
    guard = _JournalLock(path)
    guard.acquire()
    try:
        yield
    finally:
        guard.release()


class _JournalLock:
    """Optuna's lock for a journal, held by the kernel: free the moment its holder dies.

    Optuna's own leaves a file behind when killed, and everybody waits 30 s for it. Each writer first
    cuts what another one, killed in the middle of its write, left torn.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: Any = None

    def acquire(self) -> bool:
        stream = self._path.with_name(f"{self._path.name}.lock").open("a")
        fcntl.flock(stream, fcntl.LOCK_EX)
        self._stream = stream
        cut_torn_line(self._path)
        return True

    def release(self) -> None:
        stream, self._stream = self._stream, None
        stream.close()
