"""Workers of one study in a real PostgreSQL: killed, refused, behind a proxy."""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr
from pathlib import Path

import postgresql
import pytest
import yaml
from projects import free_port, small_competition

from pipeline.__main__ import main
from pipeline.commands import worker
from pipeline.core.files import read_json
from pipeline.stages import check, fetch, preprocess, train, tune
from pipeline.stages.project import load_project
from pipeline.training import folds
from pipeline.tuning import claims, proxy, search, storage

psycopg = pytest.importorskip("psycopg")
for module in ("optuna.storages._rdb.storage", "sqlalchemy.dialects.postgresql.psycopg"):
    importlib.import_module(module)  # once, and not in each fork

TRIALS = 20
VARIABLE = "PODIUM_OPTUNA_STORAGE"


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with postgresql.server() as running:
        yield running


def params(trials: int = TRIALS, alpha: float = 1.0, executor: str = "serial", **changes) -> dict:
    tuned = {"trials": trials, "sampler": "random", "batch": 1, "space": {"model.alpha": {"log_float": [0.01, 100]}}}
    model = {"competition": "lines", "features": "numbers", "model": {"name": "ridge", "alpha": alpha}, "tune": tuned}
    competition = small_competition(rows=60, test_rows=10, **changes)
    return {
        "competitions": {"lines": competition},
        "models": {"lines-ridge": model},
        "execution": {"executor": executor, "workers": 1},
    }


def begin(folder: Path, settings: dict) -> Path:
    """A project whose models are cross-validated."""
    folder.mkdir()
    write(folder, settings)
    with chdir(folder):
        config = load_project()
        for stage in (fetch, preprocess, train):
            stage.run(config, "lines")
    return folder


def write(folder: Path, settings: dict) -> None:
    """Settings, and what `dvc repro check` makes of them."""
    (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    with chdir(folder):
        check.write(load_project())


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    """A project in which one process alone has searched, without a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PODIUM_TRACKING", "off")
        patch.setenv("PODIUM_PROGRESS", "off")
        folder = begin(tmp_path_factory.mktemp("one") / "project", params())
        with chdir(folder):
            tune.run(load_project(), "lines")
    return folder


@pytest.fixture
def copy(searched, tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Copies of that project in which nothing is searched yet."""
    monkeypatch.setenv("PODIUM_PROGRESS", "off")

    def made(name: str) -> Path:
        ignored = shutil.ignore_patterns("tuned", "studies", "models")
        return Path(shutil.copytree(searched, tmp_path / name, ignore=ignored))

    return made


def forked(folder: Path, action: Callable[[], object], url: str | None = None) -> int:
    """A fork of this process that acts in a folder."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.chdir(folder)
        if url is not None:
            os.environ[VARIABLE] = url
        action()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def begins() -> None:
    """The project at home: it begins the study, and writes what it found."""
    tune.run(load_project(), "lines")


def joins() -> None:
    worker.run("lines-ridge", wait=30)


def ended(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def slow_and_soon_dead(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Trials that take so long, and whose processes count as dead soon."""

    def slowly(*arguments):
        time.sleep(seconds)
        return folds.fit_folds(*arguments)

    monkeypatch.setattr(search, "fit_folds", slowly)
    for name, value in {"BEAT_SECONDS": 0.3, "GRACE_SECONDS": 1.5, "CLAIM_SECONDS": 1.0}.items():
        monkeypatch.setattr(claims, name, value)


def rows(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(query).fetchall()


def asked(url: str) -> int:
    """Trials that were ever begun."""
    try:
        return rows(url, "SELECT count(*) FROM trials")[0][0]
    except psycopg.errors.UndefinedTable:
        return 0


def numbers(url: str) -> list[int]:
    """Of the trials that count."""
    query = (
        "SELECT value_json::int FROM trial_user_attributes JOIN trials USING (trial_id)"
        " WHERE key = 'number' AND state != 'FAIL' ORDER BY 1"
    )
    return [number for (number,) in rows(url, query)]


def kill_at(url: str, moments: list[int], running: list[int], chance: random.Random) -> list[int]:
    """Kill one of the processes each time so many trials have begun; those killed."""
    killed: list[int] = []
    for moment in sorted(moments):
        ends = time.monotonic() + 60
        while asked(url) < moment:
            assert time.monotonic() < ends
            time.sleep(0.05)
        killed.append(chance.choice([pid for pid in running if pid not in killed]))
        os.kill(killed[-1], signal.SIGKILL)
    return killed


def test_eight_workers_of_whom_three_are_killed_find_what_one_alone_does(server, searched, copy, monkeypatch):
    slow_and_soon_dead(monkeypatch, 0.1)
    url, home, away, chance = server.database(), copy("home"), copy("away"), random.Random(3)
    running = [forked(home, begins, url), *(forked(home if i % 2 else away, joins, url) for i in range(7))]
    killed = kill_at(url, chance.sample(range(5, TRIALS - 5), 3), running, chance)
    codes = dict(zip(running, ended(running)))
    assert {pid for pid, code in codes.items() if code} == set(killed) and set(codes.values()) == {0, -signal.SIGKILL}
    if running[0] in killed:
        assert ended([forked(home, begins, url)]) == [0]
    assert numbers(url) == list(range(TRIALS))
    assert rows(url, "SELECT count(*) FROM trials WHERE state = 'FAIL'")[0][0] > 0  # what the killed had begun
    found, alone = (folder / "data/lines/tuned/lines-ridge/trials.json" for folder in (home, searched))
    assert found.read_bytes() == alone.read_bytes()


def test_workers_behind_a_proxy_find_the_same(server, searched, copy, monkeypatch):
    slow_and_soon_dead(monkeypatch, 0.05)
    url, home, port = server.database(), copy("home"), free_port()
    write(home, params(trials=10, executor="processes"))  # whose jobs are forked from processes that hold calls open
    stands = forked(home, lambda: proxy.serve("127.0.0.1", port), url)
    through = f"grpc://127.0.0.1:{port}"
    try:
        running = [forked(home, action, through) for action in (begins, joins, joins, joins)]
        killed = kill_at(url, [5], running[1:], random.Random(0))
        assert sorted(ended(running)) == [-signal.SIGKILL, 0, 0, 0] and killed
    finally:
        os.kill(stands, signal.SIGKILL)
        ended([stands])
    assert numbers(url) == list(range(10))
    found, alone = (read_json(folder / "data/lines/tuned/lines-ridge/trials.json") for folder in (home, searched))
    assert found["trials"] == alone["trials"][:10]


def refused(folder: Path, url: str | None, *command: str) -> str:
    """What a command says that ends with code 2: one line, without the password."""

    def runs() -> None:
        sys.argv = ["pipeline", *(command or ("worker", "lines-ridge"))]
        with (folder / "said").open("w") as said, redirect_stderr(said):
            main()

    assert ended([forked(folder, runs, url)]) == [2]
    [line] = (folder / "said").read_text().splitlines()
    assert line.startswith("error: ") and postgresql.PASSWORD not in line, line
    return line


def test_a_worker_says_why_it_cannot_join_and_leaves_the_others_work_alone(server, copy, monkeypatch, tmp_path):
    url, home, other = server.database(), copy("home"), copy("other")
    assert "no study of it is in the database; `dvc repro`" in refused(other, url)
    write(home, params(trials=4))
    assert ended([forked(home, begins, url)]) == [0]
    write(other, params(trials=4, alpha=2.0))
    assert "other settings (params.yaml)" in refused(other, url)
    write(other, params(trials=9))
    assert "other trials, minutes or batch" in refused(other, url)
    write(other, params(trials=4))
    assert "needs a model that is searched, one of lines-ridge, got lines" in refused(other, url, "worker", "lines")
    assert "a worker needs the database" in refused(other, None)
    # A project of someone else's, with the same names and other rows.
    source = {"name": "synthetic", "task": "linear", "rows": 60, "test_rows": 10, "features": 5, "seed": 2}
    stranger = begin(tmp_path / "stranger", params(trials=4, source=source))
    assert "other rows (bring them with `dvc pull`)" in refused(stranger, url)
    # Another commit: the study in the database is of that code.
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE studies SET study_name = study_name || 'x'")
        facts = json.loads(rows(url, "SELECT value_json FROM study_user_attributes WHERE key = 'facts'")[0][0])
        connection.execute(
            "UPDATE study_user_attributes SET value_json = %s WHERE key = 'facts'",
            [json.dumps({**facts, "code": "0123456789abcdef"})],
        )
    assert refused(other, url).endswith("has other code (check out the same commit)")
    assert numbers(url) == [0, 1, 2, 3] and len(rows(url, "SELECT * FROM studies")) == 1


def test_a_database_that_cannot_be_used_is_told_in_one_line(server, copy, monkeypatch):
    folder, url = copy("project"), server.database()
    write(folder, params(trials=2))
    wrong = url.replace(postgresql.PASSWORD, "wrong")
    assert 'password authentication failed for user "podium"' in refused(folder, wrong)
    nowhere = f"postgresql+psycopg://me:{postgresql.PASSWORD}@127.0.0.1:{free_port()}/studies"
    assert "Connection refused" in refused(folder, nowhere)
    assert 'database "none" does not exist' in refused(folder, f"{url.rpartition('/')[0]}/none")
    others = server.database()
    with psycopg.connect(others.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE studies (subject text, year int)")
    assert "the database has tables of something else" in refused(folder, others)
    monkeypatch.setattr(storage, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls, and never answers
        port = silent.getsockname()[1]
        assert "timeout" in refused(folder, f"postgresql+psycopg://me@127.0.0.1:{port}/studies")
    assert "no proxy answers at 127.0.0.1" in refused(folder, f"grpc://127.0.0.1:{free_port()}")
    assert "a proxy needs the URL of a database, got that of a proxy" in refused(folder, "grpc://here", "proxy")
    assert ended([forked(folder, begins, url)]) == [0]
    rows(url, "UPDATE alembic_version SET version_num = 'v0.9.0.a' RETURNING 1")
    assert "the database is of another version" in refused(folder, url)
    assert numbers(url) == [0, 1]


def test_what_a_worker_found_is_written_by_the_project_at_home(server, copy):
    home = copy("home")
    write(home, params(trials=3))
    url = server.database()
    assert ended([forked(home, begins, url), forked(home, joins, url)]) == [0, 0]
    assert read_json(home / "data/lines/tuned/lines-ridge/trials.json")["count"] == 3
    assert not list((home / ".podium/checkpoints/lines/lines-ridge").glob("trials*"))
