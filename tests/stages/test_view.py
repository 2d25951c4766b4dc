"""What a stage shows while it works: on a terminal, elsewhere, and where nobody wants it."""

from __future__ import annotations

import os
import pty
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from projects import Project, small_competition

from pipeline.stages import fetch, preprocess, train, view
from pipeline.stages.project import load_project
from pipeline.stages.view import Line, View

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """stderr is a terminal; gives what arrives there."""
    master, slave = pty.openpty()
    arrived: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                return
            if not part:
                return
            arrived.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch, os.fdopen(slave, "w") as stream:
        patch.setattr(sys, "stderr", stream)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "100")
        patch.delenv("PODIUM_PROGRESS", raising=False)
        yield arrived
        stream.flush()
    reader.join(5)
    os.close(master)


def shown(arrived: list[bytes]) -> str:
    drawn_anew = b"".join(arrived).decode().replace("\r", "").replace("\x1b[2K", "\n")
    return CONTROL.sub("", drawn_anew)


def lines() -> list[Line]:
    return [
        Line("lines-ridge", "folds", 3, done=1.5, score=0.25, state="runs"),
        Line("lines-lasso", "folds", 3, state="kept"),
        Line("lines-mlp", "folds", 3),
    ]


def test_a_terminal_has_a_line_a_model_that_is_kept_up_to_date(monkeypatch):
    monkeypatch.setattr(view, "REFRESH_SECONDS", 0.0)
    with terminal(monkeypatch) as arrived:
        before = set(threading.enumerate())  # other tests' threads may end, and none may begin
        with View("lines: cross-validation", known := lines(), time.monotonic() + 125.4) as watched:
            watched.refresh()
            assert set(threading.enumerate()) <= before  # no thread of its own draws it: jobs are forked
            known[0].done, known[0].score, known[0].state = 3, 0.125, "done"
            known[2].state = "left out"
            watched.tell("lines-ridge", "3 folds")  # the table says it
    told = shown(arrived)
    assert re.search(r"lines: cross-validation: 2 min [45] s left", told)
    assert re.search(r"^lines-ridge +runs +1.5/3 folds +0.25000 *$", told, re.MULTILINE)
    assert re.search(r"^lines-lasso +kept *$", told, re.MULTILINE)
    assert re.search(r"^lines-mlp +waits *$", told, re.MULTILINE)
    assert re.search(r"^lines-ridge +done +3/3 folds +0.12500 *$", told, re.MULTILINE)
    assert re.search(r"^lines-mlp +left out *$", told, re.MULTILINE)
    assert "lines-ridge: 3 folds" not in told


def test_the_time_left_is_told_from_what_is_done(monkeypatch):
    watched = View("", lines())
    assert watched._left() == ""  # too early to tell
    watched._began -= 30  # for 1.5 of 6 folds, those of a kept model apart, which took no time
    assert watched._left() == ": about 1 min 30 s left"
    watched.lines[2].total = None
    assert watched._left() == ""
    for line in (watched.lines[0], watched.lines[2]):
        line.state = "done"
    watched.deadline = time.monotonic() + 100
    assert watched._left() == ""  # nothing is left to do


def test_without_a_terminal_each_thing_finished_is_a_line_with_the_time(capsys, monkeypatch):
    monkeypatch.setattr(view, "REFRESH_SECONDS", 0.0)
    with View("lines", lines()) as watched:
        watched.refresh()
        watched.tell("lines-ridge", "3 folds, rmse 0.25000, 1.0 s")
        watched.refresh()
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d lines-ridge: 3 folds, rmse 0.25000, 1.0 s\n", told.err)


def test_progress_off_silences_both(capsys, monkeypatch):
    monkeypatch.setenv("PODIUM_PROGRESS", "off")
    with View("lines", lines()) as watched:
        watched.refresh()
        watched.tell("lines-ridge", "3 folds")
    assert capsys.readouterr().err == ""
    with terminal(monkeypatch) as arrived:
        monkeypatch.setenv("PODIUM_PROGRESS", "off")
        with View("lines", lines()) as watched:
            watched.refresh()
            watched.tell("lines-ridge", "3 folds")
    assert arrived == []


def test_a_stage_shows_its_models(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = {"competition": "lines", "features": "numbers"}
    Project(tmp_path).params(
        {
            "competitions": {"lines": small_competition(rows=60, test_rows=20)},
            "models": {f"lines-{name}": {**model, "model": {"name": name}} for name in ("ridge", "lasso")},
            "execution": {"workers": 2},
        }
    )
    config = load_project()
    for stage in (fetch, preprocess, train):
        stage.run(config, "lines")
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2  # no feature set took long
    monkeypatch.setattr(preprocess, "TOLD_SECONDS", 0.0)
    preprocess.run(config, "lines")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d\d:\d\d:\d\d numbers: 4 encoders fitted, \d+\.\d s\n", line)
    for name, line in zip(("lines-lasso", "lines-ridge"), sorted(told, key=lambda line: line[9:]), strict=True):
        assert re.fullmatch(rf"\d\d:\d\d:\d\d {name}: 3 folds, rmse \d+\.\d{{5}}, \d+\.\d s", line)
    monkeypatch.setattr(view, "REFRESH_SECONDS", 0.0)
    with terminal(monkeypatch) as arrived:
        preprocess.run(config, "lines")
    assert re.search(
        r"^feature set +done *\n.*^numbers +done +4/4 encoders *$", shown(arrived), re.MULTILINE | re.DOTALL
    )
    with terminal(monkeypatch) as arrived:
        train.run(config, "lines", again=True)
    told = shown(arrived)
    for name in ("ridge", "lasso"):
        assert re.search(rf"^lines-{name} +runs +[0-3](\.\d)?/3 folds *$", told, re.MULTILINE)
        assert re.search(
            rf"^lines-{name} +done +3/3 folds +\d\.\d{{5}} *$", told.rpartition("cross-val")[2], re.MULTILINE
        )
