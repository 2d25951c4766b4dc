"""A real MLflow server on loopback: down at start, killed midway, and what it gets to see."""

from __future__ import annotations

import base64
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import compose
import pytest
from compose import Server, answers, wait_until
from projects import free_port

from pipeline import tracking
from pipeline.core.errors import UserError
from pipeline.tracking.sender import deliver_waiting

CANARY = "canary-9f31c5d7"


@pytest.fixture(scope="module")
def server(tmp_path_factory, fresh_store):
    folder = tmp_path_factory.mktemp("server")
    (folder / "server.db").write_bytes(fresh_store.read_bytes())
    moved = {  # two databases that are files, and a worker, start soonest
        "^database_uri = .*": "database_uri = sqlite:///users.db",
        "^postgresql.*": f"sqlite:///{folder / 'server.db'}",
        "^--artifacts-destination=.*": f"--artifacts-destination={folder / 'artifacts'}",
        "^--workers=.*": "--workers=1",
    }
    settings = dict.fromkeys(compose.names(), "anything") | {"ADMIN_PASSWORD": CANARY}
    server = Server(folder, settings, moved)
    yield server
    server.kill()


STAGE = """
import sys, time
from pathlib import Path
from pipeline import tracking
with tracking.run(
    competition=sys.argv[1], stage="train", model="ridge",
    params={"url": "postgresql://u:CANARY@db/x", "api_key": "CANARY", "note": "it is CANARY", "fit.epochs": 3},
    tags={"data.digest": "abc", "note": "CANARY"},
) as run:
    for fold in range(4):
        with run.child(f"fold {fold}", params={"fold": fold, "password": "CANARY"}) as child:
            child.curves({"train_loss": [1 / (i + 1) for i in range(300)]})
            child.metrics({"valid": fold / 4})
        while fold == 1 and not Path("go_on").exists():
            time.sleep(0.05)
    run.figure("importance", {"area CANARY": 0.5, "rooms": 0.25})
    Path("notes.txt").write_text("kept")
    run.artifact("notes.txt", "texts")
    run.metrics({"valid": 0.125})
from pipeline.tracking.background import warn_if_unreachable
warn_if_unreachable()
""".replace("CANARY", CANARY)


def check_all_arrived(tracked, server: Server, experiment: str) -> None:
    runs, client = tracked.runs(server.uri, experiment), tracked.client(server.uri)
    assert set(runs) == {"ridge train", "fold 0", "fold 1", "fold 2", "fold 3"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs["ridge train"]
    assert parent.data.metrics == {"valid": 0.125}
    assert parent.data.params["fit.epochs"] == "3"
    assert [f.path for f in client.list_artifacts(parent.info.run_id, "figures")] == ["figures/importance.png"]
    assert [f.path for f in client.list_artifacts(parent.info.run_id, "texts")] == ["texts/notes.txt"]
    for fold in range(4):
        run = runs[f"fold {fold}"]
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [point.step for point in history] == sorted({point.step for point in history})
        assert len(history) == 250
        assert history[-1].step == 300
        assert run.data.metrics["valid"] == fold / 4
    assert not tracked.journals()


def contains_canary(*folders: Path) -> list[Path]:
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if CANARY.encode() in file.read_bytes()]


def test_a_server_down_at_start_is_one_warning_and_the_records_are_sent_later(tracked, server):
    surroundings = {"MLFLOW_TRACKING_URI": server.uri, "KAGGLE_KEY": CANARY}
    stage = tracked.start("-c", STAGE, "down", PODIUM_TRACKING="on", **surroundings)
    status = tracked.outbox / "status.json"
    wait_until(lambda: status.exists() and "unreachable" in status.read_text())  # the sender has tried
    began = time.monotonic()
    (tracked.root / "go_on").touch()
    _, errors = stage.communicate(timeout=60)
    assert stage.returncode == 0
    assert time.monotonic() - began < 10
    (line,) = errors.splitlines()
    assert f"MLflow at http://[redacted]@127.0.0.1:{server.port} does not answer" in line
    assert "21 records are kept in .podium/outbox and will be sent by the next run" in line
    refused = tracked.run("-m", "pipeline.commands.track", "--wait", "0", code=2, **surroundings)
    assert "does not answer" in refused.stderr
    assert CANARY not in errors + refused.stderr
    assert contains_canary(tracked.outbox) == []
    server.start()
    sent = tracked.run("-m", "pipeline.commands.track", **surroundings)
    assert sent.stdout == ""
    check_all_arrived(tracked, server, "down")
    assert contains_canary(tracked.outbox, server.folder) == []


def test_a_server_lost_midway_gets_every_record_once(tracked, server):
    if server.process is None:
        server.start()
    stage = tracked.start("-c", STAGE, "lost", PODIUM_TRACKING="on", MLFLOW_TRACKING_URI=server.uri)
    client = tracked.client(server.uri)

    def arrived() -> bool:
        experiment = client.get_experiment_by_name("lost")
        return experiment is not None and len(client.search_runs([experiment.experiment_id])) > 1

    wait_until(arrived)
    server.kill()
    (tracked.root / "go_on").touch()
    _, errors = stage.communicate(timeout=60)
    assert stage.returncode == 0
    assert errors.count("does not answer") <= 1
    assert tracked.journals()
    server.start()
    # The sender that stayed beside the stage, or this one where it has lost patience.
    tracked.run("-m", "pipeline.commands.track", "--wait", "100", MLFLOW_TRACKING_URI=server.uri)
    check_all_arrived(tracked, server, "lost")


def status(server: Server, password: str | None = CANARY, **headers: str) -> int:
    """What a call of the server's interface is answered with."""
    if password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(f'admin:{password}'.encode()).decode()}"
    request = Request(f"{server.address}/api/2.0/mlflow/experiments/search?max_results=1", headers=headers)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_strangers_and_calls_by_another_name_are_refused(server):
    if server.process is None:
        server.start()
    assert status(server) == 200
    assert status(server, None) == status(server, "another-password") == 401
    assert status(server, Host="elsewhere.example") == status(server, Host="127.0.0.1") == 403
    assert answers(server.address)  # whether it lives, anybody may ask


def test_records_stay_while_the_server_refuses_and_are_sent_once_it_does_not(tracked, server, monkeypatch):
    if server.process is None:
        server.start()
    with tracking.run(competition="gate", stage="train", model="ridge") as run:
        run.metrics({"valid": 0.5})
    for uri, code in (
        (server.uri.replace(CANARY, "another-password"), 401),
        (server.uri.replace("127.0.0.1", "localhost"), 403),  # a name that it does not go by
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(UserError, match=rf"{code}.* 3 records are kept in \.podium/outbox") as refused:
            deliver_waiting(wait=0)
        assert "another-password" not in str(refused.value) and CANARY not in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    assert deliver_waiting().refused == []
    assert tracked.runs(server.uri, "gate")["ridge train"].data.metrics == {"valid": 0.5}
    assert not tracked.journals()


def serving(stored, port: int) -> subprocess.Popen[str]:
    """The command that shows the pages, on this port where it is free."""
    code = f"""
import signal
from pipeline.tracking.ui import serve
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
serve({port})
"""
    return stored.start("-c", code)


def test_the_pages_open_on_loopback_alone_and_end_with_their_command(stored):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    pages = serving(stored, port)
    address = pages.stdout.readline().split()[1]
    try:
        assert address.startswith("http://127.0.0.1:")
        assert not address.endswith(f":{port}")  # that one is taken
        with build_opener(ProxyHandler({})).open(address) as page:
            assert b"MLflow" in page.read()
        listening = Path("/proc/net/tcp").read_text()
        own = f"{int(address.rpartition(':')[2]):04X}"
        assert f"0100007F:{own} 00000000:0000 0A" in listening
        assert f"00000000:{own} 00000000:0000 0A" not in listening
    finally:
        pages.send_signal(signal.SIGTERM)
        pages.communicate(timeout=30)
        taken.close()
    assert pages.returncode == 0
    wait_until(lambda: not answers(address))


def test_ctrl_c_ends_the_pages_while_they_begin(stored):
    """It raises in the same place as SIGTERM once they are there."""
    pages = serving(stored, free_port())
    children = Path(f"/proc/{pages.pid}/task/{pages.pid}/children")

    def of_mlflow() -> list[Path]:
        found = [Path(f"/proc/{child}/cmdline") for child in children.read_text().split()]
        return [one for one in found if b"mlflow" in one.read_bytes()]

    [server] = wait_until(of_mlflow)
    time.sleep(0.2)  # from its start to the wait for its answer
    pages.send_signal(signal.SIGINT)
    told, errors = pages.communicate(timeout=30)
    assert (pages.returncode, told, errors) == (0, "", "")
    assert not server.exists()
