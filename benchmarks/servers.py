"""What the servers of a team take: a tracking server, a database of studies, the file system of checkpoints.

    PYTHONPATH=.:tests python -P benchmarks/servers.py [--clients 1 2 4] [--workers 1 2 4 8 16] [--trials 400]

All of them on this machine, whose cores clients and servers share; "busy" is the server's and its database's own time
on a core for one of what is counted: its inverse, times the cores of a machine of its own, is what that takes at most.
Linux, with PostgreSQL's programs.

- **tracking**: the server of ``docs/deploy/compose.yaml`` as it stands, two workers, on a PostgreSQL. So many senders
  deliver journals of trials: a run with 5 params, 6 metrics (and of curves, folds of 500 points).
- **studies**: so many workers claim trials of one study in a PostgreSQL, report 5 folds of no work, and tell.
- **checkpoints**: folders of a network's weights with AdamW's state, whole and synced, by so many processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import compose
import postgresql

from pipeline.core.files import whole_folder, write_json
from pipeline.stages.records import trial_record
from pipeline.tracking import outbox, sender
from pipeline.tuning.study import Study

TICK = os.sysconf("SC_CLK_TCK")
SPACE = {f"model.setting_{k}": {"float": [0.0, 1.0]} for k in range(5)}
DECLARED = dict.fromkeys(SPACE, 0.5)
SETTINGS = {"ADMIN_PASSWORD": "a-password-of-admin", "SECRET_KEY": "4f1c" * 16, "DATABASE_PASSWORD": "ofMlflow2"}


def busy(*roots: int) -> float:
    """Seconds on a core of these processes, with all below them."""
    stats = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(file.parent.name)] = int(after[1]), sum(map(int, after[11:15]))
    below = set(roots)
    while more := {pid for pid, (parent, _) in stats.items() if parent in below} - below:
        below |= more
    return sum(stats[pid][1] for pid in below if pid in stats) / TICK


def together(count: int, prepare: Callable[[int], Callable[[], object]]) -> float:
    """Seconds from a common begin until the last of so many forks has done what it has prepared."""
    ready, begins = os.pipe(), os.pipe()
    pids = []
    for number in range(count):
        if pid := os.fork():
            pids.append(pid)
            continue
        code = 1
        try:
            action = prepare(number)
            os.write(ready[1], b"x")
            os.close(begins[1])
            os.read(begins[0], 1)  # the end of the pipe
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(ready[1])
    for _ in pids:
        os.read(ready[0], 1)
    os.close(begins[0])
    began = time.perf_counter()
    os.close(begins[1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    seconds = time.perf_counter() - began
    os.close(ready[0])
    if any(codes):
        raise SystemExit(f"ended with {codes}")
    return seconds


def tracking(folder: Path, clients: list[int], trials: int) -> None:
    import psycopg

    print(
        "| senders | sent | a second | busy: server, ms | busy: database, ms |\n|---:|---|---:|---:|---:|", flush=True
    )
    with postgresql.server() as database, ExitStack() as ended:
        with psycopg.connect(f"postgresql://{database.address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE ROLE mlflow LOGIN PASSWORD '{SETTINGS['DATABASE_PASSWORD']}'")
            connection.execute("CREATE DATABASE mlflow OWNER mlflow")
        moved = {
            "@database/": f"@{database.address.rpartition('@')[2]}/",
            "^--artifacts-destination=.*": f"--artifacts-destination={folder / 'artifacts'}",
        }
        settings = dict.fromkeys(compose.names(), "anything") | SETTINGS
        server = compose.Server(folder, settings, moved)
        ended.callback(server.kill)
        server.start()
        os.environ.update({"MLFLOW_TRACKING_URI": server.uri, "PODIUM_TRACKING": "later"})
        for kind, count in (("trials", trials), ("folds of 500 points", max(trials // 4, 1))):
            for many in clients:
                part = -(-count // many)

                def prepare(number: int, kind: str = kind, many: int = many, part: int = part) -> Callable[[], object]:
                    import mlflow  # noqa: F401 - before the clock starts

                    root = folder / f"{kind[:6]}-{many}-{number}"
                    root.mkdir()
                    os.environ["DVC_ROOT"] = str(root)
                    with outbox.run(competition=f"team-{number}", stage="tune", model="trees") as record:
                        for trial in range(part):
                            if kind == "trials":
                                trial_record(record, trial, DECLARED, 0.5, [0.1, 0.2, 0.3, 0.4, 0.5], "rmse")
                                continue
                            with record.child(f"fold {trial}", params={"fold": trial}, tags={}) as child:
                                child.curves({"train": [0.1] * 250, "valid": [0.2] * 250})
                    return lambda: sender.deliver_waiting(wait=60)

                before = busy(server.process.pid), busy(database.process)
                seconds = together(many, prepare)
                used = [1000 * (busy(pid) - b) for pid, b in zip((server.process.pid, database.process), before)]
                sent = many * part
                cells = [str(many), kind, f"{sent / seconds:.1f}", *(f"{one / sent:.1f}" for one in used)]
                print("| " + " | ".join(cells) + " |", flush=True)


def studies(folder: Path, workers: list[int], trials: int) -> None:
    print(
        "| workers | trials | a second | busy: database, ms | a worker's own, ms |\n|---:|---:|---:|---:|---:|",
        flush=True,
    )
    with postgresql.server() as database:
        for many in workers:
            os.environ["PODIUM_OPTUNA_STORAGE"] = database.database()

            def study(number: int, many: int = many) -> Study:
                place = folder / f"{many}-{number}" / "study.journal"
                scores = [0.1, 0.2, 0.3, 0.4, 0.5]
                facts = {"model": "trees", "code": "0", "data": "0", "folds": "0", "settings": "0", "total": [trials]}
                return Study(
                    "study", place, SPACE, DECLARED, 0.3, scores, False, trials=trials, sampler="random", facts=facts
                )

            with study(-1).opened():
                pass

            def prepare(number: int, study: Callable[[int], Study] = study) -> Callable[[], object]:
                held = ExitStack()
                opened = held.enter_context(study(number).opened())

                def work() -> None:
                    while asked := opened.ask():
                        for one in asked:
                            for fold in range(5):
                                one.report(fold, 0.1)
                            opened.tell(one, 0.1, 0.0)
                    held.close()

                return work

            before, own = busy(database.process), os.times()
            seconds = together(many, prepare)
            used = 1000 * (busy(database.process) - before) / trials
            now = os.times()
            mine = 1000 * (now.children_user + now.children_system - own.children_user - own.children_system) / trials
            print(f"| {many} | {trials} | {trials / seconds:.1f} | {used:.1f} | {mine:.1f} |", flush=True)
        del os.environ["PODIUM_OPTUNA_STORAGE"]


def checkpoints(folder: Path, writers: list[int]) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    print("| writers | MB a checkpoint | checkpoints a second | MB a second |\n|---:|---:|---:|---:|", flush=True)
    for megabytes in (0.1, 10):
        tensors = {"weights": np.random.default_rng(0).normal(size=int(megabytes * 125_000))}
        for many in writers:
            count = 40 if megabytes < 1 else 10

            def prepare(number: int, tensors: dict = tensors, count: int = count) -> Callable[[], object]:
                def work() -> None:
                    for _ in range(count):
                        with whole_folder(folder / f"fit-{number}") as aside:
                            save_file(tensors, aside / "tensors.safetensors")
                            write_json(aside / "progress.json", {"epoch": 1})

                return work

            seconds = together(many, prepare)
            rate = many * count / seconds
            print(f"| {many} | {megabytes:g} | {rate:.1f} | {rate * megabytes:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4], help="senders, and writers of checkpoints")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="of one study")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--only", choices=["tracking", "studies", "checkpoints"])
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("mlflow", "optuna", "psycopg"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, action in {
        "checkpoints": lambda place: checkpoints(place, options.clients),
        "studies": lambda place: studies(place, options.workers, options.trials),
        "tracking": lambda place: tracking(place, options.clients, options.trials),
    }.items():
        if options.only in (None, name):
            print(f"\n{name}\n", flush=True)
            with tempfile.TemporaryDirectory() as place:
                action(Path(place))


if __name__ == "__main__":
    main()
