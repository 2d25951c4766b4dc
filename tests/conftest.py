"""Fixtures of all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench
from canaries import locked_studies, planted
from in_process import Commands
from projects import ROOT, Project, free_port, make_project, three_models


def forget_surroundings() -> None:
    """Before the first test, since fixtures of whole files come before those of a test, and after each: MLflow
    sets its variable itself where it is told an address."""
    for name in ("DVC_STAGE", "DVC_ROOT", "MLFLOW_TRACKING_URI", "PODIUM_OPTUNA_STORAGE"):
        os.environ.pop(name, None)


forget_surroundings()
if os.environ.get("PODIUM_TEST_CUDA") == "1":
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # tests ask torch for CUDA, and fork later
else:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # most tests hold results against the CPU's


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tracking sender in the background unless a test asks for it, no variables of a stage."""
    monkeypatch.setenv("PODIUM_TRACKING", "off")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as a stage's jobs have it
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    yield
    forget_surroundings()


DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)
"""A PNG of one pixel."""


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Reports without pictures, which take most of their time: for tests of what else is in them, or in what comes
    before. All pictures are drawn by ``reporting/test_figures.py``, those of whole competitions by ``test_gallery``."""
    monkeypatch.setattr("pipeline.reporting.page.draw", lambda name, data: DOT)


@pytest.fixture
def bench(tmp_path, capsys, monkeypatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path, capsys, monkeypatch)


@pytest.fixture
def commands(capsys, monkeypatch) -> Commands:
    return Commands(capsys, monkeypatch)


SHARING = (
    "test_stages",
    "test_what_a_stage_uses",
    "test_what_a_person_sees",
    "test_secrets",
    "test_faults",
    "test_kills",
    "test_experiments",
    "test_sharing",
)
"""Files that share two clean runs of every stage: one worker has them all, and makes the runs once."""

APART = ("test_notebooks", "test_gallery")
"""Files whose tests, or whose parameters of a module's fixture, go to whichever worker is free."""

DEAREST = (*SHARING, *APART, "test_contracts", "test_server", "test_budget", "test_checkpoints")
"""Begun before all others, in this order, so that none is what the other workers wait for at the end."""


def together(item: pytest.Item) -> str:
    """What has the same name stays on one worker, as a file's fixtures want it."""
    if item.path.stem in SHARING:
        return "clean runs"
    if item.path.stem not in APART:
        return str(item.path)
    shared = getattr(item, "callspec", None) and item.callspec.params.get("name", "")
    return f"{item.path}[{shared or item.name}]"


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which worker has which test; the dearest come first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(together(item)))
    items.sort(key=lambda item: DEAREST.index(item.path.stem) if item.path.stem in DEAREST else len(DEAREST))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """``three_models`` through every stage, in two folders side by side.

    The first is tracked, to a server that is down, and ``tracer/`` notes in its ``trace/`` what
    each stage imports, executes and reads. The second is not, and its study lies in a database.
    Around both are secrets, for ``test_secrets``.
    """
    folder = tmp_path_factory.mktemp("runs")
    tracer, server = str(ROOT / "tests" / "tracer"), f"127.0.0.1:{free_port()}"
    secrets, longer = planted(folder, server), folder / "another"
    first = make_project(folder / "first", **secrets, PODIUM_TRACKING="on", PYTHONPATH=tracer)
    second = make_project(longer / "and longer place", **secrets, **locked_studies(longer), PODIUM_TRACKING="off")
    (first.root / "trace").mkdir()
    runs = []
    for project in (first, second):
        project.params(three_models())
        runs.append(project.start("dvc", "repro"))
    for project, run in zip((first, second), runs):
        project.output = run.communicate(timeout=800)[0]
        if run.returncode:
            runs[1].kill()
            pytest.fail(project.output)
    return first, second


@pytest.fixture(scope="session")
def undisturbed(two_runs: tuple[Project, Project]) -> Project:
    """A project whose stages have all run. Not to be written to: ``copy`` it."""
    return two_runs[0]


@pytest.fixture(scope="session")
def delivered(undisturbed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The records kept while the server was down, sent to the project's own store."""
    folder = tmp_path_factory.mktemp("delivered")
    project = undisturbed.copy(folder / "project")
    forget = shutil.ignore_patterns("*.lock", "status.json", "address")
    outbox = Path(".podium", "outbox")
    shutil.copytree(undisturbed.root / outbox, project.root / outbox, ignore=forget)
    project.extra |= planted(folder, "")
    del project.extra["MLFLOW_TRACKING_URI"]
    project.output = project.podium("track")
    return project
