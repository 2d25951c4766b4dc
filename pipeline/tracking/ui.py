"""MLflow's pages for the project's tracking store, on this machine alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pipeline.core.errors import UserError
from pipeline.core.paths import main_root, refuse_below
from pipeline.tracking.faults import reason
from pipeline.tracking.store import connect, is_server, probe, shown_uri, tracking_uri

HOST = "127.0.0.1"
START = 90.0  # seconds MLflow may take to answer


def serve(port: int = 5000) -> None:
    """Run ``mlflow ui`` on loopback until Ctrl-C or SIGTERM, and print its address once it answers.

    port: taken when it is free, else any free one.
    Raises UserError when the store cannot be opened, or MLflow does not start.
    """
    if is_server():
        print(f"MLflow runs already at {shown_uri()} (MLFLOW_TRACKING_URI)")  # noqa: T201
        return
    refuse_below()
    try:
        probe()
        connect()  # the store is made or upgraded once, before MLflow's own workers open it
    except Exception as error:
        told = f"MLflow's store {shown_uri()} cannot be opened: {reason(error)}"
        raise UserError(f"{told}; mend it, or name another in MLFLOW_TRACKING_URI") from None
    port = _free_port(port)
    # The store's address goes by the environment: a command line is for all to read.
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": tracking_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job workers serve language models
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    quiet = subprocess.DEVNULL
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # left to itself, it would leave the server running
    with subprocess.Popen(command, env=environment, cwd=main_root(), stdout=quiet, stderr=quiet) as server:
        try:
            _wait_until_it_answers(server, port)
            print(f"MLflow: http://{HOST}:{port} (Ctrl-C ends it)", flush=True)  # noqa: T201
            server.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.terminate()


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise UserError(f"no port is free on {HOST}; close a program that listens there")


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    direct = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise UserError(f"`mlflow ui` ended with code {server.returncode}; run `mlflow ui` by hand to see why")
        try:
            with direct.open(f"http://{HOST}:{port}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise UserError(f"`mlflow ui` did not answer on port {port} within {START:.0f} s")
