"""One contract for all executors; on Ray what dies is done again and nothing else, on hosts that share no disk too."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pytest
import yaml
from hosts import QUIET, ROOT, SPILLED, STORE, Hosts
from projects import small_competition
from ray_jobs import SOON, appear, counted, dies, held, large, length, long, meeting, reserved
from test_executors import running, wait_until

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.stages import fetch, preprocess, train, tune
from pipeline.stages.project import load_project
from pipeline.training import on_ray, ray_cluster
from pipeline.training.executors import make_executor
from pipeline.training.jobs import Job
from pipeline.training.pool import Pool, Stop, Task, gather, run_alone

os.environ.update(QUIET | ray_cluster.QUIET)  # before Ray is loaded, which reads them once
pytest.importorskip("ray")
pytestmark = pytest.mark.ray
ALONE = {"executor": "serial"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Rows of a competition in an own folder, where this process stays."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PODIUM_TRACKING", "off")
        write_params(ALONE)
        fetch.run(load_project(), "lines")
        preprocess.run(load_project(), "lines")
        yield folder


def write_params(execution):
    common = {"competition": "lines", "features": "numbers", "retrain": {"mode": "folds"}}
    trees = {"model": {"name": "lightgbm"}, "fit": {"iterations": 20}}
    network = {"model": {"name": "linear"}, "fit": {"epochs": 2, "learning_rate": 0.1}}
    rates = {"log_float": [0.01, 0.3]}
    models = {
        "lines-trees": {**common, **trees, "tune": {"trials": 4, "space": {"model.learning_rate": rates}}},
        "lines-network": {
            **common,
            **network,
            "tune": {"trials": 3, "batch": 2, "space": {"fit.learning_rate": rates}},
        },
    }
    competitions = {"lines": small_competition(rows=150, test_rows=30)}
    params = {"competitions": competitions, "models": models, "execution": execution}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def trained_and_tuned(**execution):
    """What the stages write of both models, by file, made anew."""
    for place in (*Path("data/lines").glob("cv"), *Path("data/lines").glob("tuned"), *Path(".podium").glob("*")):
        if place.name != "ray":
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    write_params(execution)
    config = load_project()
    train.run(config, "lines")
    tune.run(config, "lines")
    files = [file for stage in ("cv", "tuned") for file in sorted(Path("data/lines", stage).rglob("*"))]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module")
def expected(project):
    return trained_and_tuned(**ALONE)


def test_processes_give_the_same_as_one_process(expected):
    assert len(expected) > 40
    assert trained_and_tuned(executor="processes", workers=2) == expected


# This machine alone.


@pytest.fixture(scope="module")
def hosts(expected, tmp_path_factory):
    """The cluster, which this process belongs to."""
    import ray

    made = Hosts(tmp_path_factory.mktemp("nodes"))
    try:
        os.environ["RAY_ADDRESS"] = made.address
        made.wait(connects)
        yield made
    finally:
        ray_cluster._close()
        ray.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
        made.close()


def connects():
    """Whether the head takes this process, which it does once it has begun."""
    try:
        return bool(ray_cluster.connected(0))
    except UserError:
        return False


@pytest.fixture
def light(monkeypatch):
    """Jobs that need no library; else workers load all that this process has ever loaded."""
    monkeypatch.setattr(on_ray, "LIBRARIES", ())


def executor(**settings):
    return make_executor(Execution(executor="ray", **settings))


def jobs(function, folder, count, *more):
    return [Job(f"{function.__name__} {number}", function, (folder, number, *more)) for number in range(count)]


def test_trials_of_all_models_run_at_once_and_give_the_same(expected, hosts, tmp_path, monkeypatch):
    def packed(job):
        return ray_cluster.packed_call(Job(job.name, meeting, (tmp_path, job.name, job.function, job.arguments)))

    monkeypatch.setattr(on_ray, "packed_call", packed)
    monkeypatch.setenv("PODIUM_EXECUTOR", "ray")
    assert trained_and_tuned(cpus=0.5) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines-network", "lines-trees"]


def test_a_killed_workers_job_is_done_again_and_nothing_else(hosts, light, tmp_path):
    tasks = [Task("a", gather([Job("dies", dies, (tmp_path,))])), Task("b", gather(jobs(counted, tmp_path, 3)))]
    Pool(executor(cpus=0.5)).run(tasks)
    assert str(tasks[0].error) == "dies: its process died 3 times, last: its worker was killed or crashed"
    assert len((tmp_path / "died").read_text().splitlines()) == 3
    assert tasks[1].result == [0, 1, 2]
    assert [len((tmp_path / f"tries-{n}").read_text().splitlines()) for n in range(3)] == [1, 2, 1]


def test_stopped_jobs_end_and_the_deadline_ends_all(hosts, light, tmp_path):
    delivered = []

    def stopping():
        both = [Job("long", long, (tmp_path, 0)), Job("quick", appear, (tmp_path / "began-0",))]
        yield both[0]
        delivered.extend((yield both[1]))
        while not delivered:
            delivered.extend((yield None))
        yield Stop(both)
        return (yield from gather([Job("next", abs, (-2,))]))

    task = Task("work", stopping())
    Pool(executor(cpus=0.5)).run([task])
    assert task.result == [2] and [one.job.name for one in delivered] == ["quick"]
    began = time.monotonic()
    late = Task("late", gather([Job("long", long, (tmp_path, 1))]))
    Pool(executor(), deadline=began + 1).run([late])
    assert type(late.error).__name__ == "OutOfTime"
    assert time.monotonic() - began < 20
    pids = [int(place.read_text()) for place in tmp_path.glob("began-*")]
    wait_until(lambda: not any(map(running, pids)), SOON)


def test_a_job_has_what_it_reserves(hosts, light, tmp_path):
    task = Task("work", gather(jobs(reserved, tmp_path, 2, 2)))
    Pool(executor(cpus=0.5, gpus=1, memory=0.5)).run([task])
    for assigned, _ in task.result:
        assert (assigned["CPU"], assigned["GPU"], assigned["memory"]) == (0.5, 1.0, 2**29)
    assert sorted(gpus for _, gpus in task.result) == ["0", "1"]
    (tmp_path / "none").mkdir()
    ((assigned, gpus),) = run_alone(gather(jobs(reserved, tmp_path / "none", 1, 1)), executor())
    assert (assigned, gpus) == ({"CPU": 1.0}, "")


def test_what_no_node_has_is_refused_in_one_line(hosts):
    for settings, told in (
        ({"memory": 500}, r"execution.memory: a job asks for 500 GiB of a node, and the largest of 1 has 1.8\d* GiB"),
        ({"cpus": 99}, r"execution.cpus: a job asks for 99 of a node, and the largest of 1 has 1;"),
        ({"gpus": 4}, r"execution.gpus: a job asks for 4 of a node, and the largest of 1 has 2;"),
    ):
        with pytest.raises(UserError, match=told) as refused:
            Pool(executor(**settings)).run([Task("work", gather([Job("job", abs, (-1,))]))])
        assert "\n" not in str(refused.value)


# Other nodes.


def alive(hosts, count):
    """Wait until so many nodes are."""
    hosts.wait(lambda: len(ray_cluster.connected(0).nodes()) == count)


@pytest.fixture
def refused(hosts, tmp_path):
    """Addresses of two nodes: one has other code, one lacks a library."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "pipeline" / "models" / "lenet.py").open("a") as stream:
        stream.write("\n# another checkout\n")
    (tmp_path / "lacks").mkdir()
    (tmp_path / "lacks" / "lightgbm.py").write_text("raise ModuleNotFoundError('No module named lightgbm')")
    begun = [hosts.node("--num-cpus=1", there=hosts.apart, code=tmp_path)]
    alive(hosts, 2)  # two that begin at once on one machine may take the same names of sockets
    begun.append(hosts.node("--num-cpus=1", code=f"{tmp_path / 'lacks'}:{ROOT}"))
    alive(hosts, 3)
    yield hosts.there or hosts.here, hosts.here
    for node in begun:
        hosts.end(node)
    alive(hosts, 1)


def test_nodes_with_other_code_or_without_a_library_are_left_out(refused, tmp_path, monkeypatch, capsys):
    import lightgbm

    monkeypatch.setattr(on_ray, "LIBRARIES", ("lightgbm",))
    told = []

    def heard():
        told.extend(capsys.readouterr().err.splitlines())
        if len(told) == 2:
            (tmp_path / "let-go").touch()

    task = Task("work", gather(jobs(held, tmp_path, 3)))
    Pool(executor(), heard=heard).run([task])
    assert task.result == [0, 1, 2]
    other, lacking = sorted(told, key=lambda line: "lacks" in line)
    assert other.startswith(f"warning: ray: node {refused[0]} has other code, ")
    assert other.endswith("pipeline/models/lenet.py; bring its checkout up to date; it is left out")
    lacks = f"lacks the library lightgbm {lightgbm.__version__}; install there what is installed here"
    assert lacking == f"warning: ray: node {refused[1]} {lacks}; it is left out"


@pytest.fixture(scope="module")
def there(hosts, project, tmp_path_factory):
    """A node of another host, with the same code in another place and nothing else of this machine's project."""
    if not hosts.apart:
        pytest.skip("makes a host of namespaces, as root")
    folder = tmp_path_factory.mktemp("there")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--num-cpus=2", "--memory=4000000000")
    node = hosts.node(*options, there=True, before=f"mount -t tmpfs none {project}", code=folder, TMPDIR=str(folder))
    alive(hosts, 2)
    return node, folder


def test_another_host_is_sent_what_it_lacks(there, expected, capsys):
    assert trained_and_tuned(executor="ray", cpus=2) == expected  # for which there is room on that host alone
    assert "warning" not in capsys.readouterr().err
    assert list(there[1].glob("podium-*/*/data/lines/rows/train.parquet"))


def test_rows_that_do_not_fit_the_object_store_are_spilled_or_told_of(there, light, project):
    sizes = {"fits": 100, "spilled": STORE + (10 << 20), "too large": STORE + SPILLED}
    files = {name: project / name for name in sizes}
    for name, size in sizes.items():
        with files[name].open("wb") as stream:
            stream.truncate(size)
    tasks = [Task(name, gather([Job(name, length, (file,), reads=(file,))])) for name, file in files.items()]
    Pool(executor(cpus=2)).run(tasks)
    assert {task.name: task.result for task in tasks[:2]} == {name: [sizes[name]] for name in ("fits", "spilled")}
    assert str(tasks[2].error) == (
        "too large: does not fit into Ray's object store, nor onto the disk that it spills to; begin the nodes with a "
        "larger --object-store-memory, or make room"
    )


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_result_that_does_not_fit_is_told_and_the_others_are_kept(there, light, cpus, monkeypatch, capsys):
    monkeypatch.setattr(on_ray, "ARRIVES", 3.0)
    tasks = [Task(str(size), gather([Job(f"{size} bytes", large, (size,))])) for size in (STORE + SPILLED, 10)]
    Pool(executor(cpus=cpus)).run(tasks)
    assert re.match(
        rf"{STORE + SPILLED} bytes: its result.*: does not fit into Ray's object store", str(tasks[0].error)
    )
    assert tasks[1].result == [bytes(10)]
    assert capsys.readouterr() == ("", "")


def begins(executor, *places):
    """Wait for what jobs write; that host's are sent anew, with what it lacks."""
    deadline = time.monotonic() + SOON
    while not all(place.exists() for place in places):
        assert not [event for event in executor.wait(0.1) if event.kind != "progress"]
        assert time.monotonic() < deadline


def ends(executor, count):
    """How so many jobs end."""
    found = []
    while len(found) < count:
        found += [event for event in executor.wait(SOON) if event.kind != "progress"]
    return found


def test_the_jobs_of_a_node_that_is_lost_are_done_again_or_told_of(there, hosts, light, tmp_path, monkeypatch):
    both = "none of 2 nodes has all at once that a job asks for; ask for less"
    with pytest.raises(UserError, match=both):
        run_alone(gather([Job("job", abs, (-1,))]), executor(gpus=1, memory=3))
    monkeypatch.setattr(on_ray, "PATIENCE", 3.0)
    (tmp_path / "one").mkdir()
    only_there, anywhere = executor(memory=3), executor()
    (one,) = jobs(held, tmp_path / "one", 1)
    only_there.start(one)
    begins(only_there, tmp_path / "one" / "held-0")
    for job in jobs(held, tmp_path, 2):
        anywhere.start(job)  # one on each
    begins(anywhere, tmp_path / "held-0", tmp_path / "held-1")
    head = {(tmp_path / f"on-{number}").read_text().strip() for number in range(2)}
    head -= {(tmp_path / "one" / "on-0").read_text().strip()}
    assert len(head) == 1
    hosts.end(there[0])
    alive(hosts, 1)  # not before do its processes end for sure
    (tmp_path / "let-go").touch()
    found = {event.job.name: event.value for event in ends(anywhere, 2)}
    assert found == {"held 0": 0, "held 1": 1}
    tries = [(tmp_path / f"on-{number}").read_text().split() for number in range(2)]
    assert sorted(map(len, tries)) == [1, 2]
    assert {tried[-1] for tried in tries} == head
    (event,) = ends(only_there, 1)
    assert str(event.value) == "ray: for 3 seconds there has been no node that can run a job; begin some"
