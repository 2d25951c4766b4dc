"""The tracking store: where it is, whether it answers, and MLflow made ready for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pipeline.core.files import lock
from pipeline.core.paths import main_root, state_folder
from pipeline.tracking.redact import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own limits would hold a dead server's caller for many minutes.
BOUNDED = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Of databases whose address names none. MLflow asks one that is away for two minutes."""


class Unavailable(Exception):
    """The store cannot be used now; what was to be written to it must be kept."""


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI``, by default the project's ``mlflow.db``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{main_root().resolve() / 'mlflow.db'}"


def shown_uri() -> str:
    """The tracking URI as it may be printed."""
    return redact(tracking_uri())


def is_server() -> bool:
    return tracking_uri().startswith(("http://", "https://"))


def database_file() -> Path | None:
    """The file of an SQLite store."""
    uri = tracking_uri()
    return main_root() / uri.removeprefix("sqlite:///") if uri.startswith("sqlite:///") else None


def artifact_location(experiment: str) -> str | None:
    """Where a new experiment keeps its files: beside a database file, else the server's choice."""
    return None if database_file() is None else (main_root().resolve() / "mlruns" / experiment).as_uri()


def probe(timeout: float = 3.0) -> None:
    """Raise Unavailable when nobody listens where the server or the database is. Costs no MLflow import."""
    place = _server() if is_server() else _database()
    if place is None:
        return
    try:
        socket.create_connection(place, timeout=timeout).close()
    except (OSError, ValueError) as error:  # ValueError: of a name that no host has
        raise Unavailable(getattr(error, "strerror", None) or str(error)) from error


def _server() -> tuple[str, int] | None:
    """Host and port; None where only a proxy can tell."""
    try:
        parts = urlsplit(tracking_uri())
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # whose words may hold a part of a password
        raise Unavailable("it is no address such as http://host:5000") from None
    return None if parts.scheme in getproxies() and not proxy_bypass(host) else (host, port)


def _database() -> tuple[str, int] | None:
    """Host and port; None where there is no host, or MLflow itself tells best what is wrong."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(tracking_uri())
    except (ArgumentError, ValueError):
        return None
    port = url.port or PORTS.get(url.drivername.partition("+")[0])
    return (url.host, port) if url.host and port else None


def connect() -> MlflowClient:
    """A client of the store. A database is created or upgraded by one process at a time:
    several that open a fresh one at once crash. Takes 2 to 5 s."""
    import logging

    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # two lines a run, with the password of the address
    for name, value in BOUNDED.items():
        os.environ.setdefault(name, value)
    with lock(state_folder() / "store.lock", wait=120, held="the tracking store"):
        import mlflow

        for library in ("mlflow", "alembic"):
            logging.getLogger(library).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(tracking_uri())
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client
