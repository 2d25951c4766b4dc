"""Studies in a database, and what may never be read of its password."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from test_study import bowl, in_process, make

from pipeline.core.errors import UserError
from pipeline.tuning.running import mark

CANARY = "s3cr3t-canary"


def test_a_database_keeps_the_study_and_gives_the_same(tmp_path, monkeypatch):
    expected = make(tmp_path / "journal", trials=13).run(bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    folder = tmp_path / "database"
    make(folder, trials=5).run(bowl)
    assert (tmp_path / "studies.db").exists()
    assert not (folder / "bowl.journal").exists()
    assert make(folder, trials=13).run(bowl) == expected


def test_workers_share_a_database(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    result = make(tmp_path, trials=8, workers=2).run(bowl)
    assert [trial.number for trial in result.trials] == list(range(8))


def running(study, **process):
    """A trial that runs as ``process`` says; its number in the storage."""
    trial = study.ask()
    trial.set_user_attr("process", mark(**process))
    return trial.number


def test_only_trials_of_dead_processes_are_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    monkeypatch.setattr("pipeline.tuning.running.CLAIM_SECONDS", 0.1)
    declared = make(tmp_path / "here", trials=3)
    study = declared.open()
    done = subprocess.Popen(["true"])
    done.wait()
    there = tmp_path / "there" / "bowl.journal"
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another")
        foreign = running(study, path=declared.path, pid=done.pid)
    beside = running(study, path=there)
    dead = [
        running(study, path=there, pid=done.pid),
        running(study, path=declared.path),  # a process now, but it does not hold the lock that this run holds
        study.ask().number,  # killed before it was marked
    ]
    assert [trial.number for trial in declared.run(bowl).trials] == [0, 1, 2]
    states = [trial.state.name for trial in study.trials]
    assert states[foreign] == states[beside] == "RUNNING"
    assert [states[number] for number in dead] == ["FAIL"] * 3


def test_a_trial_killed_in_a_database_is_asked_again(tmp_path, monkeypatch):
    expected = make(tmp_path / "undisturbed", trials=13).run(bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    killed = in_process(tmp_path, "make(folder, trials=13).run(partial(bowl, killed_once=folder / 'at', at=11))")
    assert killed.wait() == -signal.SIGKILL
    assert make(tmp_path, trials=13).run(bowl) == expected


def test_a_worker_killed_in_a_database_takes_no_other_hosts_trial_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    declared = make(tmp_path, trials=4, workers=2)
    study = declared.open()
    unmarked = []

    def told(trial):
        if not unmarked:
            unmarked.append(study.ask().number)  # as on another machine, before it is marked

    result = declared.run(partial(bowl, killed_once=tmp_path / "killed", at=2), told)
    assert (tmp_path / "killed").exists() and len(result.trials) == 4
    assert study.trials[unmarked[0]].state.name == "RUNNING"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{CANARY}@localhost:1/none",
        f"postgresql+psycopg2://me:{CANARY}@localhost:1/none?password={CANARY}",
        f"postgres//me:{CANARY}@localhost/none",
        f"nodatabase://me:{CANARY}@localhost/none",
        f"sqlite:////none/{CANARY}/studies.db?password={CANARY}",
        f"{CANARY}",
    ],
)
def test_a_database_that_fails_is_told_in_one_line_without_its_password(tmp_path, monkeypatch, capfd, caplog, url):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", url)
    with pytest.raises(UserError) as caught:
        make(tmp_path).run(bowl)
    assert str(caught.value).startswith("PODIUM_OPTUNA_STORAGE: ")
    assert "\n" not in str(caught.value)
    printed = capfd.readouterr()
    for text in (str(caught.value), repr(make(tmp_path)), printed.out, printed.err, caplog.text):
        assert CANARY not in text


@pytest.mark.parametrize("driver", ["", "+psycopg2", "+psycopg"])
def test_a_missing_driver_is_told_with_the_extra_that_brings_it(tmp_path, monkeypatch, driver):
    for module in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"postgresql{driver}://me:{CANARY}@localhost:1/none")
    with pytest.raises(
        UserError, match=r"its driver is missing: .*pip install -e '\.\[postgresql\]'.*postgresql\+psycopg"
    ):
        make(tmp_path).run(bowl)


def test_nothing_in_a_traceback_or_a_file_tells_the_password(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from test_study import *\nmake(Path.cwd() / 'state').run(bowl)\n")
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    url = f"postgresql://me:{CANARY}@localhost:1/none"
    environment = {**os.environ, "PYTHONPATH": path, "PODIUM_OPTUNA_STORAGE": url}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "PODIUM_OPTUNA_STORAGE" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes()
