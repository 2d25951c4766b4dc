"""Studies in a database, and what may never be read of its password."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_study import bowl, in_process, make, run

from pipeline.core.errors import UserError

CANARY = "s3cr3t-canary"


def test_a_database_keeps_the_study_and_gives_the_same(tmp_path, monkeypatch):
    expected = run(make(tmp_path / "journal", trials=13), bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    folder = tmp_path / "database"
    run(make(folder, trials=5), bowl)
    assert (tmp_path / "studies.db").exists()
    assert not (folder / "bowl.journal").exists()
    assert run(make(folder, trials=13), bowl) == expected


def test_only_trials_of_this_project_and_stale_ones_are_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    for module in ("storage", "claims"):
        monkeypatch.setattr(f"pipeline.tuning.{module}.GRACE_SECONDS", 3)
    here, there = make(tmp_path / "here", trials=4), make(tmp_path / "there", trials=4)
    with there.opened() as beside:
        alive, stale = beside._claims.claim(), beside._claims.claim()
        silent = beside._study.ask()  # killed before it could claim a number
        with here.opened() as mine:
            left_behind = mine._claims.claim()
        time.sleep(4.1)
        beside._claims._record_heartbeats([alive])
        result = run(here, bowl)
        states = [trial.state.name for trial in beside._study.trials]
        assert states[alive.number] == "RUNNING"
        assert [states[trial.number] for trial in (stale, silent, left_behind)] == ["FAIL"] * 3
        assert [trial.number for trial in result.trials] == [0, 2, 3]  # number 1 is still tried there


HOST = """from pipeline.tuning import claims, storage
    claims.GRACE_SECONDS = storage.GRACE_SECONDS = 3
    claims.BEAT_SECONDS = storage.BEAT_SECONDS = 1
    run(make(folder, trials=30), partial(slow, dies={name!r}.startswith('dies')))
"""


def test_hosts_share_a_database_from_its_first_moment(tmp_path, monkeypatch):
    """Each with a journal's path of its own, as two machines have; some are killed in the middle of a trial."""
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    names = ["one", "two", "three", "dies-1", "dies-2"]
    hosts = []
    for name in names:
        (tmp_path / name).mkdir()
        hosts.append(in_process(tmp_path / name, HOST.format(name=name)))
    codes = dict(zip(names, [host.wait(timeout=120) for host in hosts], strict=True))
    assert all((code == -signal.SIGKILL) == name.startswith("dies") for name, code in codes.items()), codes
    with make(tmp_path / "one", trials=30).opened() as opened:
        standing = [trial for trial in opened._study.trials if trial.state.name in ("COMPLETE", "PRUNED", "RUNNING")]
        numbers = [trial.user_attrs["number"] for trial in standing]
    # Those of the killed are asked again once they are stale: no number twice, none lost, the total exact.
    result = run(make(tmp_path / "one", trials=30), bowl)
    assert all(numbers.count(number) == 1 for number in range(1, 30) if number in numbers)
    assert [trial.number for trial in result.trials] == list(range(30))


def test_a_trial_killed_in_a_database_is_asked_again(tmp_path, monkeypatch):
    expected = run(make(tmp_path / "undisturbed", trials=13), bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    killed = in_process(tmp_path, "run(make(folder, trials=13), partial(bowl, killed_once=folder / 'at', at=11))")
    assert killed.wait() == -signal.SIGKILL
    assert run(make(tmp_path, trials=13), bowl) == expected


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
        run(make(tmp_path), bowl)
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
        run(make(tmp_path), bowl)


def test_nothing_in_a_traceback_or_a_file_tells_the_password(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from test_study import *\nrun(make(Path.cwd() / 'state'), bowl)\n")
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    url = f"postgresql://me:{CANARY}@localhost:1/none"
    environment = {**os.environ, "PYTHONPATH": path, "PODIUM_OPTUNA_STORAGE": url}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "PODIUM_OPTUNA_STORAGE" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes()
