"""Settings and code that are edited while a stage runs change nothing of that run; the next one sees them."""

from __future__ import annotations

import shutil
import sys

from bench import Bench
from projects import make_project
from test_snapshot import settings

from pipeline.core.files import digest_files
from pipeline.stages import check
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import read

MEDDLING = """
import os
from pathlib import Path
def score(target, predictions):
    place = Path({place!r})
    aside = place.with_name(f"{{place.name}}.{{os.getpid()}}")  # folds are scored side by side
    aside.write_text(place.read_text().replace({old!r}, {new!r}))
    aside.replace(place)
    return (target - predictions["prediction"]).abs().mean()
"""


def meddled(bench: Bench, place: str, old: str, new: str) -> None:
    """A project whose own metric edits a file as soon as a fold is scored."""
    metric = bench.root / "pipeline" / "metrics" / "own" / "meddling.py"
    metric.parent.mkdir(parents=True)
    metric.write_text(MEDDLING.format(place=str(bench.root / place), old=old, new=new))
    bench.competition["metric"] = {
        "name": "file",
        "path": "pipeline/metrics/own/meddling.py",
        "higher_is_better": False,
    }
    bench.model["model"] = {"name": "ridge", "alpha": 2.0}
    bench.write()
    check.write(load_project())
    for stage in ("fetch", "preprocess"):
        assert bench.run(stage, "toy")[0] == 0


def test_settings_edited_while_a_stage_runs_change_nothing_of_that_run(bench: Bench):
    from pipeline.stages.train import run

    meddled(bench, "params.yaml", "alpha: 2.0", "alpha: 500.0")
    cv = bench.root / "data" / "toy" / "cv"
    assert bench.run("train", "toy")[0] == 0
    assert "alpha: 500.0" in (bench.root / "params.yaml").read_text()
    first = digest_files(cv)
    for stage in ("train", "tune"):  # as `dvc repro` goes on: by the files that `check` wrote before the edit
        config, _ = read("toy", stage)
        assert config.models["toy-ridge"].model.alpha == 2.0
    run(read("toy", "train")[0], "toy", again=True)
    assert digest_files(cv) == first
    assert bench.run("train", "toy")[0] == 0  # the next run checks, and sees it
    assert digest_files(cv) != first


def test_a_stages_file_that_changed_while_it_ran_is_refused_at_its_end(bench: Bench):
    meddled(bench, "data/checked/toy/train.json", '"alpha": 2.0', '"alpha": 500.0')
    code_, lines = bench.run("train", "toy")
    assert code_ == 2
    assert lines[-1] == "error: train toy: its settings were checked anew while it ran; run `dvc repro` again"


EDITED = """
from pathlib import Path
from pipeline.stages import runner, snapshot

verify = snapshot.verify_code

def verified_then_edited(*arguments):
    verify(*arguments)
    for file in ("stages/train.py", "training/cross_validation.py", "training/pool.py", "models/ridge.py"):
        Path("pipeline", file).write_text("raise RuntimeError('half an edit')")

snapshot.verify_code = verified_then_edited
runner.run_stage("train", "lines")
"""


def test_code_edited_while_a_stage_runs_belongs_to_the_next_run(tmp_path):
    project = make_project(tmp_path / "project", PODIUM_TRACKING="off")
    params = settings()
    params["models"] = {"lines-ridge": params["models"]["lines-ridge"]}
    project.params(params)

    def under_dvc(stage: str, code: int = 0) -> str:
        project.extra["DVC_STAGE"] = stage if stage == "check" else f"{stage}@lines"
        told = project.podium(stage, code=code)
        del project.extra["DVC_STAGE"]
        return told

    for stage in ("check", "fetch", "preprocess", "train"):
        under_dvc(stage)
    cv = project.data("lines", "cv")
    undisturbed = digest_files(cv)
    shutil.rmtree(cv)
    shutil.rmtree(project.root / ".podium" / "models")
    before = {path: path.read_text() for path in (project.root / "pipeline").rglob("*.py")}
    project.run(sys.executable, "-c", EDITED)
    assert digest_files(cv) == undisturbed
    for path, text in before.items():
        path.write_text(text)

    # Between `check` and the stage it is refused, in a line.
    loop = project.root / "pipeline" / "training" / "loop.py"
    loop.write_text(f"{before[loop]}\n# edited\n")
    assert under_dvc("train", code=2) == (
        "error: train lines: code was edited since `check` ran; run `dvc repro` again\n"
    )
    told = project.podium("train", "lines", code=2)
    assert (
        told == "error: train lines: params.yaml or code was edited since it was checked; run `dvc repro check` first\n"
    )
    assert digest_files(cv) == undisturbed
