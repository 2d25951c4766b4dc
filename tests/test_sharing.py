"""A finished project pushed to a remote, and pulled where nothing was ever trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import yaml
from projects import ROOT, Project, free_port

from pipeline.core.files import read_json

pytestmark = [
    pytest.mark.timeout(900),  # whichever comes first waits for `two_runs`
    pytest.mark.skipif(shutil.which("git") is None, reason="sharing needs git"),
]


@pytest.fixture(scope="module")
def shared(undisturbed, tmp_path_factory) -> Project:
    """The finished project in a git repository, as docs/sharing.md has it: its remote is a folder."""
    folder = tmp_path_factory.mktemp("shared")
    project = undisturbed.copy(folder / "project")
    shutil.copyfile(ROOT / ".dvc" / "config", project.root / ".dvc" / "config")
    for file in (".gitignore", ".dvc/.gitignore"):
        shutil.copyfile(ROOT / file, project.root / file)
    shutil.rmtree(project.root / "trace")
    project.run("git", "init", "--quiet")
    project.run("git", "config", "user.name", "somebody")
    project.run("git", "config", "user.email", "somebody@example.com")
    project.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    project.run("dvc", "push", "--quiet")
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "--message", "as it is")
    return project


def clone(shared: Project, folder) -> Project:
    shared.run("git", "clone", "--quiet", str(shared.root), str(folder))
    return Project(folder, PODIUM_TRACKING="off")


def test_a_clone_pulls_the_same_submission_and_trains_nothing(shared, tmp_path):
    other = clone(shared, tmp_path / "clone")
    assert not other.data("lines", "submission.csv").exists()
    other.run("dvc", "pull", "--quiet")
    pulled = other.outputs()
    assert pulled == {name: body for name, body in shared.outputs().items() if name in pulled}
    assert "lines/submission.csv" in pulled and "lines/cv/lines-ridge/scores.json" in pulled
    told = other.repro()
    ran = [line for line in told.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'check':"], told
    assert other.outputs() == pulled


def changed(project: Project, model: str, section: str, **settings) -> str:
    """A person's work on a branch: settings of one model, its folds, pushed and committed; what `dvc repro` says."""
    params = yaml.safe_load((project.root / "params.yaml").read_text())
    params["models"][model].setdefault(section, {}).update(settings)
    project.params(params)
    told = project.repro("train@lines")
    project.run("dvc", "push", "--quiet")
    project.run("git", "add", ".")
    project.run("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", f"another {model}")
    return told


def test_two_peoples_locks_merge_and_neither_ones_models_are_fitted_again(shared, tmp_path):
    mine, theirs = clone(shared, tmp_path / "mine"), clone(shared, tmp_path / "theirs")
    for project in (mine, theirs):
        project.run("dvc", "pull", "--quiet")
    assert "lines-ridge: 3 folds" in changed(mine, "lines-ridge", "model", alpha=3.0)
    assert "lines-trees: 3 folds" in changed(theirs, "lines-trees", "fit", iterations=10)
    scores = [
        read_json(project.data("lines", "cv", f"lines-{model}", "scores.json"))
        for project, model in ((mine, "ridge"), (theirs, "trees"))
    ]
    # As docs/sharing.md has it.
    mine.run("git", "fetch", "--quiet", str(theirs.root))
    told = mine.run("git", "merge", "FETCH_HEAD", code=1)
    assert told.count("CONFLICT") == 1 and "dvc.lock" in told
    mine.run("git", "checkout", "--theirs", "dvc.lock")
    mine.run("dvc", "pull", "--quiet")
    told = mine.repro("train@lines")
    assert "Running stage 'train@lines'" in told and "3 folds" not in told, told
    assert scores == [
        read_json(mine.data("lines", "cv", f"lines-{model}", "scores.json")) for model in ("ridge", "trees")
    ]
    assert "Data and pipelines are up to date" in mine.run("dvc", "status", "train@lines")


@pytest.fixture
def bucket(monkeypatch) -> Iterator[str]:
    """The address of an S3-compatible store on this machine, with an empty bucket ``podium``."""
    pytest.importorskip("dvc_s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    import boto3

    boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(Bucket="podium")
    yield address
    server.stop()


def test_an_s3_compatible_remote_brings_the_same(shared, bucket, tmp_path):
    shared.run("dvc", "remote", "add", "--local", "cloud", "s3://podium/store")
    shared.run("dvc", "remote", "modify", "--local", "cloud", "endpointurl", bucket)
    shared.run("dvc", "push", "--quiet", "--remote", "cloud", "submit@lines")
    other = clone(shared, tmp_path / "clone")
    shutil.copyfile(shared.root / ".dvc" / "config.local", other.root / ".dvc" / "config.local")
    other.run("dvc", "pull", "--quiet", "--remote", "cloud", "submit@lines")
    assert other.data("lines", "submission.csv").read_bytes() == shared.data("lines", "submission.csv").read_bytes()
