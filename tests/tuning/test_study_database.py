"""Studies in a database, and what may never be read of its password."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import optuna
import pytest
from test_study import bowl, in_process, make, run

from pipeline.core.errors import UserError
from pipeline.tuning.claims import Claims

CANARY = "s3cr3t-canary"


def test_a_database_keeps_the_study_and_gives_the_same(tmp_path, monkeypatch):
    expected = run(make(tmp_path / "journal", trials=13), bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    folder = tmp_path / "database"
    run(make(folder, trials=5), bowl)
    assert (tmp_path / "studies.db").exists()
    assert not (folder / "bowl.journal").exists()
    assert run(make(folder, trials=13), bowl) == expected


def test_who_joins_a_study_says_nothing_of_optunas(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    facts = dict.fromkeys(("model", "data", "folds", "settings", "total", "code"), "bowl")
    run(make(tmp_path / "home", trials=1, facts=facts), bowl)
    code = f"run(make(folder, trials=3, facts={facts}, joins=True), bowl)"
    joins = in_process(tmp_path, code, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    told = joins.communicate(timeout=120)[0]
    assert (joins.returncode, told) == (0, "")
    assert standing(f"sqlite:///{tmp_path}/studies.db") == [0, 1, 2]


def test_a_trial_killed_in_a_database_is_asked_again(tmp_path, monkeypatch):
    expected = run(make(tmp_path / "undisturbed", trials=13), bowl)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    killed = in_process(tmp_path, "run(make(folder, trials=13), partial(bowl, killed_once=folder / 'at', at=11))")
    assert killed.wait() == -signal.SIGKILL
    assert run(make(tmp_path, trials=13), bowl) == expected


def host(folder: Path, number: int, begins: float = 0.0) -> int:
    """A fork of this process at work as another machine: a project of its own on the common database."""
    if pid := os.fork():
        return pid
    try:
        while time.monotonic() < begins:
            pass
        run(make(folder / str(number), trials=24, batch=1 + number % 3), slowly)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def slowly(overrides, asked):
    time.sleep(0.03)
    return bowl(overrides, asked)


def race(folder: Path, seed: int) -> None:
    """Five machines begin at once on an empty database and are killed at random moments, to begin again but for
    the last, whose trials come back with time."""
    from pipeline.tuning import claims

    claims.BEAT_SECONDS, claims.GRACE_SECONDS, claims.CLAIM_SECONDS = 0.5, 2, 1
    with pytest.MonkeyPatch.context() as patch:  # all libraries loaded, so that the forks begin at once
        patch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{folder}/aside.db")
        run(make(folder / "aside", trials=2), bowl)
    chance, codes, begins = random.Random(seed), [], time.monotonic() + 0.1
    running = {host(folder, number, begins): number for number in range(5)}
    for kill in range(6):
        time.sleep(chance.uniform(0.1, 0.35))
        pid = chance.choice(list(running))
        os.kill(pid, signal.SIGKILL)
        codes.append(os.waitpid(pid, 0)[1])
        number = running.pop(pid)
        if kill < 5:
            running[host(folder, number)] = number
    codes += [os.waitpid(pid, 0)[1] for pid in running]
    assert set(codes) <= {0, signal.SIGKILL}, codes
    assert len(run(make(folder / "last", trials=24), bowl).trials) == 24
    assert standing(os.environ["PODIUM_OPTUNA_STORAGE"]) == list(range(24))


def test_machines_that_share_a_database_claim_no_number_twice_and_lose_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    code = "from test_study_database import race; race(folder, seed=1)"
    raced = in_process(tmp_path, code, stderr=subprocess.PIPE, text=True)
    told = raced.communicate(timeout=120)[1]
    assert raced.returncode == 0 and "Traceback" not in told, told


def standing(url: str) -> list[int]:
    """Of the only study in a database, the numbers of the trials that count."""
    [summary] = optuna.get_all_study_summaries(url)
    trials = optuna.load_study(study_name=summary.study_name, storage=url).trials
    return sorted(t.user_attrs["number"] for t in trials if t.state.name != "FAIL" and "number" in t.user_attrs)


def test_two_first_starts_make_one_trial_0(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/studies.db"
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", url)
    look, looked = Claims.standing, []

    def meanwhile(claims):
        seen = look(claims)
        if not looked:
            looked.append(seen)
            run(make(tmp_path / "other", trials=3), bowl)
        return seen

    monkeypatch.setattr(Claims, "standing", meanwhile)
    result = run(make(tmp_path / "one", trials=3), bowl)
    assert looked == [{}] and [trial.number for trial in result.trials] == standing(url) == [0, 1, 2]


def test_who_finds_trial_0_half_made_waits_until_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.claims.GRACE_SECONDS", 1)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Claims, "finish", raises_interrupt)
        run(make(tmp_path / "dies", trials=1), bowl)
    result = run(make(tmp_path / "other", trials=1), bowl)
    assert [trial.number for trial in result.trials] == [0]


def raises_interrupt(*arguments, **settings):
    raise KeyboardInterrupt


def test_who_is_slow_but_alive_keeps_its_trial(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.claims.BEAT_SECONDS", 0.3)
    monkeypatch.setattr("pipeline.tuning.claims.GRACE_SECONDS", 1.2)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    with (
        make(tmp_path / "slow", trials=3).opened() as slow,
        make(tmp_path / "fast", trials=3).opened() as fast,
    ):
        [mine], [other] = slow.ask(), fast.ask()
        assert fast.tell(other, bowl(other.overrides, other), 0.1).number == 2
        ends = time.monotonic() + 2.5
        while time.monotonic() < ends:
            assert fast.ask() == [] and fast.unfinished()
            time.sleep(0.1)
        assert slow.tell(mine, bowl(mine.overrides, mine), 2.5).number == 1
        assert not fast.unfinished()
        assert [trial.number for trial in fast.result().trials] == [0, 1, 2]


def test_who_was_taken_for_dead_leaves_its_trial_to_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.claims.GRACE_SECONDS", 0.5)  # and no heartbeat so soon
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    with make(tmp_path / "asleep", trials=2).opened() as asleep:
        [mine] = asleep.ask()
        assert mine.report(0, 1.0) is False
        result = run(make(tmp_path / "awake", trials=2), bowl)
        assert mine.report(1, 1.0) is True
        assert asleep.tell(mine, 1.0, 3.0) is None
        asleep.give_back([mine])
        assert asleep.result() == result
        assert asleep.ask() == []


def test_a_trial_that_comes_free_after_asking_is_asked_before_the_study_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.claims.GRACE_SECONDS", 0.3)
    monkeypatch.setenv("PODIUM_OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    with make(tmp_path / "one", trials=2).opened() as one, make(tmp_path / "other", trials=2).opened() as other:
        given_back = one.ask()
        assert other.ask() == []
        one.give_back(given_back)
        assert other.unfinished()
        [dead] = other.ask()
        assert one.ask() == []
        time.sleep(0.4)
        assert one.unfinished()  # which finds it dead
        [last] = one.ask()
        assert dead.number == last.number == 1


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
