"""A proxy before a database of studies: many workers share its few connections, and need no password."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from pipeline.core.errors import UserError
from pipeline.tuning.storage import (
    PROXY,
    VARIABLE,
    again_where_others_begin,
    open_database,
    quiet_optuna,
    told_plainly,
)

THREADS = 10
"""Calls answered at once, each with a connection."""


def serve(host: str, port: int) -> None:
    """Answer for the database that PODIUM_OPTUNA_STORAGE names until the process is ended.

    Raises UserError where it names none, the database cannot be opened, or the port is taken.
    """
    quiet_optuna()
    url = os.environ.get(VARIABLE, "")
    if not url or url.startswith(f"{PROXY}:"):
        got = "that of a proxy" if url else "none"
        raise UserError(f"{VARIABLE}: a proxy needs the URL of a database, got {got}")
    with told_plainly():
        from optuna.storages import get_storage, run_grpc_proxy_server

        storage = get_storage(again_where_others_begin(lambda: open_database(url)))
        print(f"workers reach it with {VARIABLE}={PROXY}://{host}:{port}", file=sys.stderr, flush=True)  # noqa: T201
        try:
            run_grpc_proxy_server(storage, host=host, port=port, thread_pool=ThreadPoolExecutor(THREADS))
        except RuntimeError as error:
            raise UserError(f"proxy: cannot listen at {host}:{port}: {' '.join(str(error).split())}") from None
