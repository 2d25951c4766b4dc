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
PROXY, PROXY_PORT = "grpc", 13000
"""Scheme of a URL that names a proxy, and its port unless the URL says one."""
CONNECT_SECONDS = 10
"""Until a server that does not answer counts as not there."""
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

    def opened() -> optuna.Study:
        return optuna.create_study(
            storage=open_storage(path),
            study_name=name,
            direction="maximize" if higher_is_better else "minimize",
            load_if_exists=True,
        )

    return again_where_others_begin(opened) if shared() else opened()


def open_storage(path: Path) -> BaseStorage:
    """The database, or the journal at ``path``; from here on Optuna is quiet."""
    quiet_optuna()
    if url := os.environ.get(VARIABLE):
        return again_where_others_begin(lambda: open_database(url))
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    with journal_lock(path):
        check_journal(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_JournalLock(path)))  # type: ignore[arg-type]


def open_database(url: str) -> BaseStorage:
    """A database, or the proxy before one."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, ProgrammingError

    try:
        parsed = make_url(url)
        backend = parsed.drivername.partition("+")[0]
    except (ArgumentError, ValueError):
        # The message would quote the URL, password and all.
        raise UserError(
            f"{VARIABLE}: needs a database URL such as sqlite:///studies.db or postgresql://user:password@host/name"
        ) from None
    if backend == PROXY:
        return _open_proxy(parsed.host or "localhost", parsed.port or PROXY_PORT)
    from optuna.storages import RDBStorage

    options: dict[str, Any] = {"pool_pre_ping": True}
    if backend == "sqlite":  # processes that tune side by side wait for each other rather than fail
        options = {"connect_args": {"timeout": 60}}
    elif backend == "postgresql":
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
    try:
        return RDBStorage(url, engine_kwargs=options)
    except RuntimeError as error:  # Optuna's word for tables that it does not know
        raise UserError(f"{VARIABLE}: the database is of another version: {_without_secrets(error, url)}") from None
    except ProgrammingError as error:
        told = _without_secrets(error, url)
        if any(word in told.lower() for word in (*RACES, "permission denied")):
            raise
        raise UserError(f"{VARIABLE}: the database has tables of something else ({told}); name an empty one") from None


def _open_proxy(host: str, port: int) -> BaseStorage:
    """The database behind a proxy that ``python -m pipeline proxy`` runs."""
    from optuna.storages import GrpcStorageProxy

    storage = GrpcStorageProxy(host=host, port=port)
    try:
        storage.wait_server_ready(timeout=CONNECT_SECONDS)
    except ConnectionError:
        raise UserError(
            f"{VARIABLE}: no proxy answers at {host}:{port}; `python -m pipeline proxy` starts one, where it reaches "
            "the database"
        ) from None
    return storage


def again_where_others_begin(action: Callable[[], T]) -> T:
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
        libraries = ("sqlalchemy", "optuna", "alembic", "grpc")
        if not url or (origin not in libraries and not isinstance(error, ImportError)):
            raise
        told = "its driver is missing" if isinstance(error, ImportError) else "the database failed"
        brings = ""
        if isinstance(error, ImportError) and url.startswith("postgresql"):
            brings = "; run `pip install -e '.[postgresql]'` and begin the URL with postgresql+psycopg://"
        elif isinstance(error, ImportError) and url.startswith(PROXY):
            brings = "; run `pip install -e '.[grpc]'`"
        raise UserError(f"{VARIABLE}: {told}: {_without_secrets(error, url)}{brings}") from None


def _without_secrets(error: Exception, url: str) -> str:
    text = " ".join(str(error.__cause__ or error).split())
    rest = url.partition("://")[2]
    name = rest.rpartition("@")[0]
    name = name if ":" in name else ""  # a user alone is no secret, and may be a part of any word
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
