"""Delivery into real SQLite stores, with senders and stages that are really killed."""

from __future__ import annotations

import json
import math
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import tracking
from pipeline.core.errors import UserError
from pipeline.tracking import journal
from pipeline.tracking.delivery import Delivery
from pipeline.tracking.sender import Replaced, Sender, deliver_waiting
from pipeline.tracking.store import Unavailable, connect

PNG = b"\x89PNG\r\n\x1a\n"


def draw(name: str, data: dict) -> bytes:
    return PNG + f"{name} {data}".encode()


def record_a_stage(folds: int = 2) -> None:
    with tracking.run(
        competition="ames",
        stage="train",
        model="ridge",
        params={"fit": {"epochs": 3}, "long": "x" * 9000, "odd(key)": 1, **{f"p{i}": i for i in range(250)}},
        tags={"data.digest": "0123456789abcdef"},
    ) as run:
        for fold in range(folds):
            with run.child(f"fold {fold}", params={"fold": fold}) as child:
                child.curves({"train_loss": [1.0 / (i + 1) for i in range(40)], "valid_loss": [math.nan, 2.0]})
                child.metrics({"valid": fold / 4})
        run.figure("curves", {"loss": [1, 2]})
        run.text("samples.txt", "--- epoch 1\nété\n")
        run.metrics({"valid": 0.125})


def history(client, run, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]


def check_the_stage(stored, folds: int = 2) -> None:
    """All of ``record_a_stage`` is in the store, exactly once."""
    runs, client = stored.runs(), stored.client()
    assert set(runs) == {"ridge train", *(f"fold {fold}" for fold in range(folds))}
    parent = runs["ridge train"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["fit.epochs"] == "3"
    assert parent.data.params["odd_key_"] == "1"
    assert len(parent.data.params) == 253
    assert len(parent.data.params["long"]) == 6000
    assert parent.data.metrics == {"valid": 0.125}
    assert [d.dataset.digest for d in parent.inputs.dataset_inputs] == ["0123456789abcdef"]
    assert [f.path for f in client.list_artifacts(parent.info.run_id, "figures")] == ["figures/curves.png"]
    (written,) = [file.path for file in client.list_artifacts(parent.info.run_id) if not file.is_dir]
    text = Path(client.download_artifacts(parent.info.run_id, written)).read_text(encoding="utf-8")
    assert (written, text) == ("samples.txt", "--- epoch 1\nété\n")
    for fold in range(folds):
        child = runs[f"fold {fold}"]
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params == {"fold": str(fold)}
        assert history(client, child, "train_loss") == [(i + 1, 1.0 / (i + 1)) for i in range(40)]
        assert [step for step, _ in history(client, child, "valid_loss")] == [1, 2]
        assert history(client, child, "valid") == [(0, fold / 4)]


def test_everything_arrives_in_a_fresh_store(tracked, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "train@ridge")
    record_a_stage()
    sender = deliver_waiting(draw)
    assert sender.refused == []
    check_the_stage(tracked)
    tags = tracked.runs()["ridge train"].data.tags
    assert tags["dvc.stage"] == "train@ridge"
    assert tags["podium.stage"] == "train"
    assert tags["podium.model"] == "ridge"
    assert tags["data.digest"] == "0123456789abcdef"
    assert sorted(path.name for path in tracked.outbox.iterdir()) == ["address", "sender.lock", "status.json"]
    assert (tracked.root / "mlruns" / "ames").is_dir()


def test_a_saved_view_that_somebody_changed_stays_as_they_have_it(stored):
    view = tracking.View("podium.rmse", "Models", {"orderByKey": "metrics.`rmse`"})
    tag, client = "mlflow.sharedViewState.podium.rmse", stored.client()
    for turn in ("first", "second"):
        summary = tracking.Summary("one", "ridge", view=view)
        with tracking.run(competition="ames", stage="train", model="ridge", summary=summary):
            pass
        deliver_waiting(draw)
        experiment = client.get_experiment_by_name("ames")
        if turn == "first":
            kept = json.loads(experiment.tags[tag])
            assert kept["name"] == "Models" and json.loads(kept["state"]) == {"orderByKey": "metrics.`rmse`"}
            client.set_experiment_tag(experiment.experiment_id, tag, "their own")
    assert experiment.tags[tag] == "their own"


class Interrupted:
    """The store's real client, which does its ``allowed`` calls and then loses each answer."""

    def __init__(self, client, allowed: int):
        self.client, self.left = client, allowed

    def __getattr__(self, name: str):
        method = getattr(self.client, name)

        def call(*arguments, **options):
            result = method(*arguments, **options)
            self.left -= 1
            if self.left < 0:
                raise ConnectionResetError("the answer was lost")
            return result

        return call


def test_an_answer_lost_at_any_call_doubles_nothing(stored, monkeypatch):
    monkeypatch.setattr("pipeline.tracking.delivery.CHUNK", 600)  # many notes of the place
    client = connect()
    record_a_stage()
    (path,) = stored.journals()
    interruptions = 0
    while path.exists():
        # Each try gets a little further than the last before it breaks off after a call was done.
        try:
            delivery = Delivery(Interrupted(client, interruptions % 9), path, draw)
            while not delivery.done:
                delivery.advance()
        except Unavailable:
            interruptions += 1
    assert interruptions > 10
    check_the_stage(stored)


def test_a_refused_record_does_not_hold_the_others_back(stored):
    with tracking.run(competition="ames", stage="train", model="ridge", params={"a": 1}) as run:
        run.params({"a": 2, "b": 3})  # a param never changes in MLflow
        run.metrics({"valid": 0.5, "../up": 1.0})
        run.figure("broken", {})
    with tracking.run(competition="ames", stage="tune", model="ridge") as run:
        run.metrics({"valid": 0.25})

    def broken(name: str, data: dict) -> bytes:
        raise KeyError("no data")

    sender = deliver_waiting(broken)
    assert {refused.partition(":")[0] for refused in sender.refused} == {"metric ../up", "figure broken"}
    runs = stored.runs()
    assert runs["ridge train"].data.metrics == {"valid": 0.5}
    assert runs["ridge train"].data.params == {"a": "2", "b": "3"}
    assert runs["ridge tune"].data.metrics == {"valid": 0.25}


STAGE = """
import time
from pipeline import tracking
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    with run.child("fold 0") as child:
        child.metrics({"valid": 0.5})
    with run.child("fold 1") as child:
        child.curves({"train_loss": [3.0, 2.0]})
        print("ready", flush=True)
        time.sleep(60)
"""


def test_a_killed_stages_runs_end_as_killed_with_their_metrics(stored):
    stage = stored.start("-c", STAGE)
    assert stage.stdout.readline() == "ready\n"
    deliver_waiting(draw)  # sends what is there, and does not wait for the living
    assert {name: run.info.status for name, run in stored.runs().items()} == {
        "ridge train": "RUNNING",
        "fold 0": "FINISHED",
        "fold 1": "RUNNING",
    }
    stage.send_signal(signal.SIGKILL)
    stage.communicate()
    deliver_waiting(draw)
    runs = stored.runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        "ridge train": "KILLED",
        "fold 0": "FINISHED",
        "fold 1": "KILLED",
    }
    assert history(stored.client(), runs["fold 1"], "train_loss") == [(1, 3.0), (2, 2.0)]
    assert stored.journals() == []


def test_a_killed_senders_work_is_completed_without_doubles(stored):
    record_a_stage(folds=40)
    (path,) = stored.journals()
    sender = stored.start("-m", "pipeline.commands.track")
    with closing(sqlite3.connect(stored.root / "mlflow.db", timeout=60)) as store:
        while store.execute("SELECT count(*) FROM runs").fetchone()[0] < 10:  # it is in the middle of it
            assert sender.poll() is None
            time.sleep(0.005)
    sender.send_signal(signal.SIGKILL)
    sender.communicate()
    assert path.exists()
    assert journal.read_progress(path)["position"] < path.stat().st_size
    deliver_waiting(draw)
    check_the_stage(stored, folds=40)


def test_two_senders_at_once_are_one(stored):
    stored.outbox.mkdir(parents=True)
    first = stored.start("-m", "pipeline.commands.track", "--background")
    while not (stored.outbox / "status.json").exists():
        time.sleep(0.05)
        assert first.poll() is None
    stored.run("-m", "pipeline.commands.track", "--background")  # ends at once
    assert first.poll() is None
    first.kill()
    first.communicate()


def test_a_stage_starts_a_sender_that_outlives_it_and_holds_none_of_its_pipes(stored):
    code = """
import os, time
from pipeline import tracking
began = time.perf_counter()
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    run.metrics({"valid": 0.5})
print(time.perf_counter() - began)
"""
    began = time.monotonic()
    done = stored.run("-c", code, PODIUM_TRACKING="on")  # returns when both pipes are closed
    assert time.monotonic() - began < 3
    assert done.stderr == ""
    assert float(done.stdout) < 0.5
    deadline = time.monotonic() + 60
    while stored.journals() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stored.runs()["ridge train"].data.metrics == {"valid": 0.5}
    from os import kill

    from pipeline.tracking.background import read_status

    kill(read_status()["process"], signal.SIGTERM)


def test_a_store_deleted_between_two_stages_is_made_anew(stored):
    sender = Sender(draw)
    record_a_stage()
    (path,) = stored.journals()
    kept = path.read_bytes()
    sender.deliver()
    for file in stored.root.glob("mlflow.db*"):
        file.unlink()
    path.write_bytes(kept)
    with pytest.raises(Replaced):
        sender.deliver()
    deliver_waiting(draw)
    check_the_stage(stored)


def test_a_store_that_cannot_be_written_keeps_the_records(stored, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{stored.root}/missing/folder/mlflow.db")
    record_a_stage()
    (stored.root / "missing").write_text("a file stands in the way")
    with pytest.raises(UserError, match=r"\d+ records are kept in .podium/outbox"):
        deliver_waiting(draw, wait=0)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    deliver_waiting(draw)
    check_the_stage(stored)


NOBODY = "http://127.0.0.1:9"  # a port where nothing listens


def state_of(project) -> dict:
    from pipeline.tracking.background import read_status

    return read_status() if project.outbox.is_dir() else {}


def waited_for(condition, seconds: float = 90.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


ONE_RUN = """
from pipeline import tracking
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    run.metrics({"valid": 0.5})
from pipeline.tracking.background import warn_if_unreachable
warn_if_unreachable()
"""


def test_records_go_where_the_sender_is_told_now_whatever_a_last_run_was_told(stored):
    from os import kill

    dead = {"PODIUM_TRACKING": "on", "MLFLOW_TRACKING_URI": NOBODY}
    stored.run("-c", ONE_RUN, **dead)
    assert waited_for(lambda: state_of(stored).get("state") == "unreachable")
    old = state_of(stored)["process"]
    again = stored.run("-c", ONE_RUN.replace("ridge", "trees"), **dead)
    assert NOBODY in again.stderr
    done = stored.run("-c", ONE_RUN.replace("train", "tune"), PODIUM_TRACKING="on")
    assert done.stderr == ""  # no word of an address that it was never told
    assert waited_for(lambda: not stored.journals(), 60)
    assert set(stored.runs()) == {"ridge train", "trees train", "ridge tune"}
    assert state_of(stored)["process"] != old
    kill(state_of(stored)["process"], signal.SIGTERM)


def test_track_waits_for_no_sender_of_another_address(stored):
    stored.run("-c", ONE_RUN, PODIUM_TRACKING="on", MLFLOW_TRACKING_URI=NOBODY)
    assert waited_for(lambda: state_of(stored).get("state") == "unreachable")
    stored.run("-m", "pipeline.commands.track", "--wait", "10")
    assert stored.journals() == []
    assert set(stored.runs()) == {"ridge train"}


def test_a_journal_sent_elsewhere_in_between_doubles_nothing(stored, monkeypatch):
    monkeypatch.setattr("pipeline.tracking.delivery.CHUNK", 600)
    here, elsewhere = stored.uri, f"sqlite:///{stored.root}/other.db"
    with tracking.run(competition="ames", stage="train", model="ridge") as run:
        for fold in range(4):
            with run.child(f"fold {fold}", params={"fold": fold, "long": "x" * 300}) as child:
                child.metrics({"valid": fold / 4})
        for address in (here, elsewhere, here):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            deliver_waiting(draw)
    deliver_waiting(draw)
    expected = {"ridge train", *(f"fold {fold}" for fold in range(4))}
    assert set(stored.runs()) == expected
    assert set(stored.runs(elsewhere)) == expected
