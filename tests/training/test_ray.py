"""One contract for all executors, and on Ray two hosts that share no disk: what dies is done again, nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml
from projects import free_port, small_competition
from test_executors import wait_until

from pipeline.core.config import Execution
from pipeline.core.errors import UserError
from pipeline.stages import fetch, preprocess
from pipeline.stages.project import load_project
from pipeline.training import ray_cluster
from pipeline.training.cross_validation import cross_validation
from pipeline.training.data import Rows
from pipeline.training.executors import Serial, make_executor
from pipeline.training.jobs import Job
from pipeline.training.pool import Pool, Stop, Task, gather, run_alone

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
os.environ.update(QUIET)  # before Ray is loaded, which reads them once
pytest.importorskip("ray")
needs_hosts = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None,
    reason="makes hosts of namespaces, as root",
)
NET, SPACE, LINK = f"10.231.{os.getpid() % 250}", f"podium-{os.getpid()}", f"pod{os.getpid() % 100000}"
HERE, THERE = f"{NET}.1", f"{NET}.2"
ROOT = Path(__file__).parents[2]
PORT = free_port()


def ray_node(*arguments, code=ROOT, space=(), before="true", **environment):
    """Begin a node that ends with its process; jobs import what this test has beside ``code``."""
    ray = Path(sys.executable).with_name("ray")
    command = f"{before} && exec {ray} start {' '.join(arguments)} --block --disable-usage-stats --num-gpus=0"
    search = f"{code}:{Path(__file__).parent}:{Path(__file__).parents[1]}"
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc") if space else ()
    return subprocess.Popen(
        [*space, *apart, "sh", "-c", command],
        env={**os.environ, **QUIET, "PYTHONPATH": search, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(node):
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


@pytest.fixture
def node(cluster):
    """Begins nodes of the cluster; all of them end with the test, whatever comes of it."""
    begun = []

    def begin(*arguments, **how):
        begun.append(ray_node(f"--address={cluster}", *arguments, **how))
        return begun[-1]

    yield begin
    for one in begun:
        end(one)
    nodes(1)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Rows of a competition in an own folder, where this process stays."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("project")
    os.chdir(folder)
    common = {"competition": "lines", "features": "numbers"}
    models = {
        "lines-trees": {**common, "model": {"name": "lightgbm"}, "fit": {"iterations": 20}},
        "lines-network": {**common, "model": {"name": "linear"}, "fit": {"epochs": 2}},
    }
    params = {"competitions": {"lines": small_competition(rows=150, test_rows=30)}, "models": models}
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    fetch.run(load_project(), "lines")
    preprocess.run(load_project(), "lines")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def cluster(project):
    """A head with room for one job; gives its address."""
    made = os.geteuid() == 0 and shutil.which("ip") is not None
    if made:
        for words in (
            f"netns add {SPACE}",
            f"link add {LINK} type veth peer name {LINK}b netns {SPACE}",
            f"addr add {HERE}/30 dev {LINK}",
            f"link set {LINK} up",
            f"-n {SPACE} addr add {THERE}/30 dev {LINK}b",
            f"-n {SPACE} link set {LINK}b up",
            f"-n {SPACE} link set lo up",
        ):
            subprocess.run(["ip", *words.split()], check=True)
    address = f"{HERE if made else '127.0.0.1'}:{PORT}"
    place = ("--head", f"--node-ip-address={address.partition(':')[0]}", f"--port={PORT}", "--num-cpus=1")
    head = ray_node(*place, "--include-dashboard=false", "--object-store-memory=100000000", "--memory=2000000000")
    import ray

    try:
        wait_until(lambda: reached(address), 120)
        os.environ["RAY_ADDRESS"] = address
        yield address
    finally:
        ray_cluster._close()
        ray.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
        end(head)
        if made:
            subprocess.run(["ip", "netns", "del", SPACE], check=False)
            subprocess.run(["ip", "link", "del", LINK], check=False, stderr=subprocess.DEVNULL)


def reached(address):
    """Whether this process could connect."""
    import ray

    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    except Exception:
        return False
    ray.shutdown()
    return True


def on_ray(**settings):
    return make_executor(Execution(executor="ray", **settings))


def nodes(count):
    """Wait until so many nodes are alive."""
    wait_until(lambda: len(ray_cluster.connected(0).nodes()) == count, 60)


@pytest.fixture(scope="module")
def expected(project):
    return {name: folds(Serial(), name) for name in ("lines-trees", "lines-network")}


def folds(executor, name, forget=True):
    """Out-of-fold predictions of a model, as bytes; encoded anew."""
    if forget:
        shutil.rmtree(".podium/encoded", ignore_errors=True)
    config = load_project()
    data = Rows(config.competition("lines")).data("numbers")
    done = run_alone(cross_validation(data, config.model(name), executor.workers, predictors=Path("members")), executor)
    kept = {str(path): path.read_bytes() for path in sorted(Path("members").rglob("*")) if path.is_file()}
    shutil.rmtree("members")
    return done.out_of_fold().to_csv(float_format="%.17g").encode(), kept


@pytest.mark.parametrize("name", ["lines-trees", "lines-network"])
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_every_executor_gives_the_same_out_of_fold_predictions(executor, name, expected, cluster, monkeypatch):
    monkeypatch.setenv("PODIUM_EXECUTOR", executor)
    found = folds(make_executor(Execution(workers=2)), name)
    assert found == expected[name]


# Deaths.


def counted(folder, number):
    with (folder / f"tries-{number}").open("a") as stream:
        stream.write("x")
    if number == 1 and (folder / "tries-1").read_text() == "x":
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_workers_job_is_done_again_and_nothing_else(cluster, tmp_path):
    jobs = [Job(f"job {number}", counted, (tmp_path, number)) for number in range(3)]
    assert run_alone(gather(jobs), on_ray(workers=3)) == [0, 1, 2]
    assert [(tmp_path / f"tries-{number}").read_text() for number in range(3)] == ["x", "xx", "x"]


def dies(folder):
    (folder / f"died-{os.getpid()}").touch()
    os._exit(3)


def test_a_job_that_always_dies_ends_its_own_work_alone(cluster, tmp_path):
    tasks = [Task("a", gather([Job("dies", dies, (tmp_path,))])), Task("b", gather([Job("fine", abs, (-1,))]))]
    Pool(on_ray()).run(tasks)
    assert str(tasks[0].error) == "dies: its process died 3 times, last: its worker was killed or crashed"
    assert len(list(tmp_path.iterdir())) == 3
    assert tasks[1].result == [1]


def where_and_wait(folder, number):
    import ray

    mine = ray.get_runtime_context().get_node_id()
    with (folder / f"on-{number}").open("a") as stream:
        stream.write(f"{mine}\n")
    if number:
        wait_until(lambda: (folder / "gone").exists(), 60)
    return number


@needs_hosts
def test_the_job_of_a_node_that_is_lost_is_done_again_and_nothing_else(node, tmp_path):
    lost = node(f"--node-ip-address={HERE}", "--num-cpus=1", space=("nice",))
    ray_cluster.connected(0)
    nodes(2)
    first = next(n["NodeID"] for n in ray_cluster.connected(0).nodes() if n["Resources"].get("memory", 0) < 3e9)
    told = []

    def heard():
        marks = {path.name: path.read_text().split() for path in tmp_path.glob("on-*")}
        if not told and {"on-1", "on-2"} <= set(marks):
            told.append(marks)
            end(lost)
            (tmp_path / "gone").touch()

    task = Task("work", gather([Job(f"job {number}", where_and_wait, (tmp_path, number)) for number in range(3)]))
    Pool(on_ray(), heard=heard).run([task])
    assert task.result == [0, 1, 2]
    tries = {path.name: len(path.read_text().split()) for path in tmp_path.glob("on-*")}
    again = [name for name, marks in told[0].items() if name != "on-0" and marks[0] != first]
    assert {name: count for name, count in tries.items() if count > 1} == dict.fromkeys(again, 2)


# Another host.


@needs_hosts
def test_another_host_is_sent_what_it_lacks_and_one_with_other_code_is_refused(
    node, project, expected, tmp_path, capsys
):
    for name, other in (("same", ""), ("changed", "\n# another checkout\n")):
        shutil.copytree(ROOT / "pipeline", tmp_path / name / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        with (tmp_path / name / "pipeline" / "models" / "lenet.py").open("a") as stream:
            stream.write(other)
    place = (f"--node-ip-address={THERE}", "--num-cpus=4")
    host = partial(node, *place, space=("ip", "netns", "exec", SPACE), before=f"mount -t tmpfs none {project}")

    there = host(code=tmp_path / "changed", TMPDIR=str(tmp_path))
    nodes(2)
    assert folds(on_ray(workers=3), "lines-trees") == expected["lines-trees"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: ray: node {THERE} has other code, ")
    assert line.endswith("pipeline/models/lenet.py; bring its checkout up to date; it is left out")
    end(there)
    nodes(1)

    host(code=tmp_path / "same", TMPDIR=str(tmp_path))
    nodes(2)
    for model in expected:
        assert folds(on_ray(cpus=2), model) == expected[model]  # for which there is room on that host alone
    assert capsys.readouterr().err == ""
    assert list(tmp_path.glob("podium-0/*/data/lines/rows/train.parquet"))


def slowly(number):
    """For so long that all nodes are asked."""
    time.sleep(3)
    return number


def test_a_node_without_a_needed_library_is_left_out(cluster, node, tmp_path, capsys):
    import lightgbm

    (tmp_path / "lightgbm.py").write_text("raise ModuleNotFoundError('No module named lightgbm')")
    where = cluster.partition(":")[0]
    node(f"--node-ip-address={where}", "--num-cpus=3", code=f"{tmp_path}:{ROOT}")
    nodes(2)
    assert run_alone(gather([Job(f"{n}", slowly, (n,)) for n in range(4)]), on_ray()) == [0, 1, 2, 3]
    told = capsys.readouterr().err
    lacks = f"lacks the library lightgbm {lightgbm.__version__}; install there what is installed here"
    assert told == f"warning: ray: node {where} {lacks}; it is left out\n"


# Stopping, and time.


def long(folder, number):
    (folder / f"began-{number}").touch()
    time.sleep(100)


def test_stopped_jobs_end_and_the_deadline_ends_all(cluster, tmp_path):
    delivered = []

    def stopping():
        jobs = [Job("long", long, (tmp_path, 0)), Job("quick", wait_until, ((tmp_path / "began-0").exists, 60))]
        yield jobs[0]
        delivered.extend((yield jobs[1]))
        while not delivered:
            delivered.extend((yield None))
        yield Stop(jobs)
        return (yield from gather([Job("next", abs, (-2,))]))

    began = time.monotonic()
    task = Task("work", stopping())
    Pool(on_ray(cpus=0.5)).run([task])
    assert task.result == [2] and [one.job.name for one in delivered] == ["quick"]
    assert time.monotonic() - began < 60  # not the hundred seconds of the long one
    late = Task("late", gather([Job("long", long, (tmp_path, 1))]))
    began = time.monotonic()
    Pool(on_ray(), deadline=began + 1).run([late])
    assert type(late.error).__name__ == "OutOfTime"
    assert time.monotonic() - began < 20


# Bad input.


def test_what_no_node_has_is_refused_in_one_line(cluster):
    for settings, told in (
        ({"memory": 500}, r"execution.memory: a job asks for 500 GiB of a node, and the largest of 1 has 1.8\d* GiB"),
        ({"cpus": 99}, r"execution.cpus: a job asks for 99 of a node, and the largest of 1 has 1;"),
        ({"gpus": 1}, r"execution.gpus: a job asks for 1 of a node, and the largest of 1 has 0;"),
    ):
        with pytest.raises(UserError, match=told) as refused:
            Pool(on_ray(**settings)).run([Task("work", gather([Job("job", abs, (-1,))]))])
        assert "\n" not in str(refused.value)
