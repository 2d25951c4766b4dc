from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from pipeline import tracking
from pipeline.tracking import journal


def records(path: Path) -> list[dict]:
    return journal.read_lines(path, 0, 1 << 30)[0]


def test_importing_and_recording_load_no_heavy_library(tracked):
    code = """
import sys
from pipeline import tracking
with tracking.run(competition="ames", stage="train", model="ridge", params={"a": 1}) as run:
    run.metrics({"valid": 0.5})
print(sorted(set(sys.modules) & {"mlflow", "numpy", "pandas", "torch", "sklearn", "matplotlib", "sqlalchemy"}))
"""
    assert tracked.run("-c", code).stdout.strip() == "[]"


def test_records_hold_what_was_said_in_order(tracked):
    with tracking.run(
        competition="ames", stage="train", model="ridge", params={"fit": {"epochs": 3, "name": "adam"}, "seed": None}
    ) as run:
        with run.child("fold 0", params={"fold": 0}) as child:
            child.metrics({"valid": np.float32(0.5), "left_out": None, "endless": float("inf")}, step=2)
            child.curves({"train_loss": [3.0, 2.0, 1.0]})
        run.figure("residuals", {"target": np.arange(3)})
    (path,) = tracked.journals()
    kinds = [(r["kind"], r.get("name")) for r in records(path)]
    assert kinds == [
        ("run", "ridge train"),
        ("run", "fold 0"),
        ("metrics", None),
        ("metrics", None),
        ("end", None),
        ("figure", None),
        ("end", None),
    ]
    first, fold, metrics, curves, _, figure, end = records(path)
    assert first["params"] == {"fit.epochs": "3", "fit.name": "adam", "seed": "null"}
    assert fold["parent"] == first["run"]
    assert str(metrics["points"]) == "[['valid', 0.5, 2], ['endless', nan, 2]]"
    assert curves["points"] == [["train_loss", 3.0, 1], ["train_loss", 2.0, 2], ["train_loss", 1.0, 3]]
    assert figure["data"] == {"target": [0, 1, 2]}
    assert end["status"] == "FINISHED"


def test_recording_costs_microseconds(tracked):
    with tracking.run(competition="ames", stage="train", model="ridge") as run:
        began = time.perf_counter()
        for step in range(1000):
            run.metrics({"loss": 0.1}, step=step)
        assert time.perf_counter() - began < 0.5  # 30 µs each, left much room for a busy machine


def test_long_curves_are_thinned_between_their_ends(tracked):
    with tracking.run(competition="ames", stage="train", model="trees") as run:
        run.curves({"valid_loss": [float(i) for i in range(5000)]})
    points = records(tracked.journals()[0])[1]["points"]
    assert len(points) == 250
    assert points[0] == ["valid_loss", 0.0, 1]
    assert points[-1] == ["valid_loss", 4999.0, 5000]
    assert all(step == value + 1 for _, value, step in points)


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "FINISHED")]
)
def test_an_exception_ends_the_runs_and_goes_on(tracked, error, status):
    with (
        pytest.raises(error),
        tracking.run(competition="ames", stage="train", model="ridge") as run,
        run.child("fold 0"),
    ):
        raise error
    ends = [r["status"] for r in records(tracked.journals()[0]) if r["kind"] == "end"]
    assert ends == [status, status]


def test_the_lock_lives_as_long_as_the_process(tracked):
    code = """
import time
from pipeline import tracking
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    run.metrics({"valid": 0.5})
    print("ready", flush=True)
    time.sleep(60)
"""
    process = tracked.start("-c", code)
    assert process.stdout.readline() == "ready\n"
    (path,) = tracked.journals()
    assert journal.is_alive(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not journal.is_alive(path)
    assert [r["kind"] for r in records(path)] == ["run", "metrics"]


def test_torn_lines_are_left_out(tracked):
    with tracking.run(competition="ames", stage="train", model="ridge") as run:
        run.metrics({"valid": 0.5})
    (path,) = tracked.journals()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"metr')  # the last one, cut by a kill
    found, position = journal.read_lines(path, 0, 1 << 20)
    assert [r["kind"] for r in found] == ["run", "metrics", "end"]
    assert position == len(whole)
    path.write_bytes(b'{"kind":"metr\n' + whole)  # in the middle, cut by a full disk
    assert [r["kind"] for r in journal.read_lines(path, 0, 1 << 20)[0]] == ["run", "metrics", "end"]


def test_reading_in_small_pieces_gives_the_same(tracked):
    with tracking.run(competition="ames", stage="train", model="ridge") as run:
        for step in range(50):
            run.metrics({"valid": step / 7}, step=step)
    (path,) = tracked.journals()
    found, position = [], 0
    while (piece := journal.read_lines(path, position, 200))[1] != position:
        found += piece[0]
        position = piece[1]
    assert found == records(path)


def test_a_full_disk_is_one_warning_and_training_goes_on(tracked):
    # A limit on file sizes fails in the middle of a line, as a full disk does.
    code = """
import resource, signal
from pipeline import tracking
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    for step in range(200):
        run.metrics({"valid": 0.5}, step=step)
print("trained")
"""
    done = tracked.run("-c", code)
    assert done.stdout == "trained\n"
    assert len(re.findall("warning", done.stderr)) == 1
    found = records(tracked.journals()[0])
    assert found[0]["kind"] == "run"
    assert 5 < len(found) < 200


def test_an_outbox_that_cannot_be_made_is_one_warning(tracked, capsys):
    tracked.outbox.parent.write_text("a file stands in the way")
    with tracking.run(competition="ames", stage="train", model="ridge") as run, run.child("fold 0") as child:
        child.metrics({"valid": 0.5})
    assert capsys.readouterr().err.count("\n") == 1


def test_artifacts_stay_as_they_were(tracked):
    folder = tracked.root / "final"
    folder.mkdir()
    (folder / "weights.json").write_text("old")
    with tracking.run(competition="ames", stage="retrain", model="ridge") as run:
        run.artifact(folder / "weights.json")
        run.model(folder, name="ridge", register="ames")
        run.artifact(folder / "missing.txt")
    (folder / "new").write_text("new")
    (folder / "new").rename(folder / "weights.json")  # as every stage replaces its files
    (path,) = tracked.journals()
    kept = sorted(file.read_text() for file in journal.attachments(path).rglob("weights.json"))
    assert kept == ["old", "old"]
    assert [r["kind"] for r in records(path)] == ["run", "artifact", "model", "end"]


def write_trials(run: tracking.Run, worker: int) -> None:
    for trial in range(20):
        with run.child(f"trial {worker}-{trial}") as child:
            child.metrics({"valid": trial / 3})
            child.figure("importance", {f"column {i}": i / 7 for i in range(500)})


def test_workers_write_to_their_parents_run(tracked):
    with tracking.run(competition="ames", stage="tune", model="ridge") as run:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=write_trials, args=(run, number)) for number in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    found = records(tracked.journals()[0])
    assert {r["name"] for r in found if r["kind"] == "run"} == {
        "ridge tune",
        *(f"trial {worker}-{trial}" for worker in range(2) for trial in range(20)),
    }
    assert len(found) == 2 + 40 * 4  # no line was lost or mixed with another


def test_switched_off_nothing_is_written(tracked, monkeypatch):
    monkeypatch.setenv("PODIUM_TRACKING", "off")
    with tracking.run(competition="ames", stage="train", model="ridge") as run, run.child("fold 0") as child:
        child.metrics({"valid": 0.5})
        child.artifact(Path(sys.executable))
    assert not tracked.outbox.exists()


def test_records_are_valid_json_but_for_nan(tracked):
    with tracking.run(competition="ames", stage="train", model="ridge", params={"text": 'a "b"\n\u2028é\ud800'}) as run:
        run.metrics({"valid": 1.0})
    for line in tracked.journals()[0].read_bytes().splitlines():
        json.loads(line)


def test_the_outbox_keeps_within_its_size(tracked):
    for _ in range(3):
        with tracking.run(competition="ames", stage="train", model="ridge") as run:
            run.figure("curves", {"loss": list(range(1000))})
    oldest, _, newest = tracked.journals()
    given_up = journal.sweep(tracked.outbox, limit=2 * oldest.stat().st_size + 100)
    assert given_up == [oldest.name]
    assert newest in tracked.journals()


def test_a_killed_stages_journal_is_final_although_a_child_it_forked_lives(tracked):
    code = """
import os, time
from pipeline import tracking
with tracking.run(competition="ames", stage="train", model="ridge") as run:
    if (child := os.fork()) == 0:
        run.metrics({"valid": 0.5})  # not its own to write to
        time.sleep(60)
        os._exit(0)
    time.sleep(0.3)
    print(child, flush=True)
    time.sleep(60)
"""
    process = tracked.start("-c", code)
    child = int(process.stdout.readline())
    (path,) = tracked.journals()
    assert journal.is_alive(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.kill(child, 0)
    assert not journal.is_alive(path)
    os.kill(child, signal.SIGKILL)
    process.communicate()
    assert [r["kind"] for r in records(path)] == ["run"]


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read all files; within, this is somebody who may not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_journals_that_one_may_not_read_are_somebody_elses():
    with TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        own, theirs = folder / "1-own.jsonl", folder / "2-theirs.jsonl"
        for file, mode in ((own, 0o666), (theirs, 0)):
            file.write_text("{}\n")
            file.chmod(mode)
            journal.attachments(file).mkdir()
        with nobody():
            assert journal.journals(folder) == [own]
            assert journal.count_waiting(folder, "anywhere") == 1
            assert journal.sweep(folder, 1 << 30) == []
        assert journal.attachments(theirs).is_dir()
