"""Executors that cannot be: a cluster's address where none is, a name of none."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from projects import free_port

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.training import ray_cluster
from pipeline.training.executors import Processes, Serial, make_executor


@pytest.fixture
def listening():
    """Ports of this machine: where nobody listens, where none answers, where a web server does."""
    with socket.create_server(("127.0.0.1", 0)) as mute, HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as web:
        Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
        yield {"FREE": free_port(), "MUTE": mute.getsockname()[1], "WEB": web.server_port}
        web.shutdown()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:FREE", r"no cluster answers at 127.0.0.1:\d+ \(Connection refused\); begin one there"),
        ("127.0.0.1:MUTE", r"no cluster answers at 127.0.0.1:\d+ \(timed out\); begin one there"),
        ("127.0.0.1:WEB", r"no cluster answers at 127.0.0.1:\d+ \(what listens there is no Ray\); begin one there"),
        ("ray://10.0.0.1:10001", "needs HOST:PORT of a cluster that this machine is a node of, got 'ray://10.0.0.1"),
        ("nowhere", "needs HOST:PORT, or auto, got 'nowhere'"),
    ],
)
def test_an_address_that_is_no_clusters_is_told_in_one_line(address, told, listening, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_cluster, "_connection", None)
    monkeypatch.setattr(ray_cluster, "ANSWERS", 1.0)
    host, _, port = address.rpartition(":")
    monkeypatch.setenv("RAY_ADDRESS", f"{host}:{listening[port]}" if port in listening else address)
    with pytest.raises(UserError, match=f"^RAY_ADDRESS: {told}") as refused:
        make_executor(Execution(executor="ray")).workers  # noqa: B018 - which connects
    assert "\n" not in str(refused.value)


def test_an_executor_of_no_name_is_told(monkeypatch):
    monkeypatch.setenv("PODIUM_EXECUTOR", "raye")
    with pytest.raises(UserError, match=r"^PODIUM_EXECUTOR: needs one of serial, processes, ray, got 'raye'"):
        make_executor(Execution())
    monkeypatch.setenv("PODIUM_EXECUTOR", "serial")
    assert make_executor(Execution()) == Serial(1)
    monkeypatch.delenv("PODIUM_EXECUTOR")
    assert isinstance(make_executor(Execution()), Processes)
