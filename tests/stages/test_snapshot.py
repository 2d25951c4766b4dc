"""What each stage hangs on is settled once, by ``check``; a run sees that and nothing else."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable

import pytest
import yaml
from bench import Bench, changed
from projects import ROOT, Project, small_competition

from pipeline.commands import add
from pipeline.core import code
from pipeline.core.files import read_json
from pipeline.stages import check
from pipeline.stages.project import load_project
from pipeline.stages.snapshot import STAGES, contents, read, snapshot
from pipeline.training.identity import fitted_parts


def texts() -> dict[str, str]:
    """By stage, what its file in ``data/checked/`` would hold now."""
    code.read_again()
    config = load_project()
    return {f"{name}/{stage}": snapshot(config, name, stage) for name in config.competitions for stage in STAGES}


def settings() -> dict:
    common = {"competition": "lines", "features": "numbers"}
    search = {"trials": 4, "space": {"model.alpha": {"log_float": [0.01, 100]}}}
    return {
        "competitions": {"lines": small_competition(rows=60, test_rows=20)},
        "models": {
            "lines-ridge": {**common, "model": {"name": "ridge", "alpha": 1.0}, "tune": search},
            "lines-lasso": {**common, "model": {"name": "lasso"}},
        },
        "execution": {"executor": "serial"},
    }


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


FITS = {"train", "tune", "retrain"}
EDITS: dict[str, tuple[Callable[[dict], object], set[str]]] = {
    "a model's setting": (
        lambda p: p["models"]["lines-ridge"]["model"].update(alpha=2.0),
        FITS | {"blend", "report"},
    ),
    "its seed": (lambda p: p["models"]["lines-ridge"].update(seed=7), FITS | {"report"}),
    "its search": (lambda p: p["models"]["lines-ridge"]["tune"].update(trials=9), {"tune", "retrain", "report"}),
    "the order of models": (
        lambda p: p.update(models=dict(reversed(p["models"].items()))),
        FITS | {"blend", "report"},
    ),
    "the blend": (lambda p: p["competitions"]["lines"].update(blend="equal"), {"blend", "submit", "report"}),
    "the submission": (
        lambda p: p["competitions"]["lines"].update(submission={"format": "values"}),
        {"preprocess", "retrain", "submit", "report"},  # the first holds the sample against it
    ),
    "the source": (
        lambda p: p["competitions"]["lines"]["source"].update(seed=2),
        {"fetch", "preprocess", "report"},
    ),
    "the metric": (
        lambda p: p["competitions"]["lines"].update(metric="mae"),
        FITS | {"blend", "submit", "report"},
    ),
    "the split": (
        lambda p: p["competitions"]["lines"]["split"].update(seed=3),
        FITS | {"preprocess", "report"},
    ),
    "the cleaning": (
        lambda p: p["competitions"]["lines"].update(clean=["default", "case"]),
        {"preprocess", "report"},
    ),
    "how jobs run": (lambda p: p["execution"].update(threads=2), FITS),
    "another competition": (
        lambda p: (
            p["competitions"].update(more=small_competition()),
            p["models"].update({"more-ridge": {"competition": "more", "features": "numbers", "model": "ridge"}}),
        ),
        set(),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_stages_file_changes_only_for_what_it_hangs_on(project, edit):
    change, expected = EDITS[edit]
    params = settings()
    project.params(params)
    before = texts()
    changed_params = copy.deepcopy(params)
    change(changed_params)
    project.params(changed_params)
    after = texts()
    assert {name for name in before if after[name] != before[name]} == {f"lines/{stage}" for stage in expected}


def test_check_by_hand_writes_nothing_and_dvcs_own_only_what_is_new(project, monkeypatch):
    project.params(settings())
    check.run()
    assert sorted(path.name for path in project.root.iterdir()) == ["params.yaml"]
    monkeypatch.setenv("DVC_STAGE", "check")
    check.run()
    folder = project.data("checked", "lines")
    assert {path.stem for path in folder.iterdir()} == set(STAGES)
    marks = {path.stem: path.stat().st_ino for path in folder.iterdir()}
    params = settings()
    params["competitions"]["lines"]["blend"] = "equal"
    project.params(params)
    check.run()
    assert {path.stem for path in folder.iterdir() if path.stat().st_ino != marks[path.stem]} == {
        "blend",
        "submit",
        "report",
    }
    params["competitions"] = {"other": params["competitions"]["lines"]}
    for model in params["models"].values():
        model["competition"] = "other"
    project.params(params)
    (project.data("checked") / ".DS_Store").write_text("")  # as a file manager leaves
    check.run()
    assert sorted(path.name for path in project.data("checked").iterdir()) == [".DS_Store", "other"]


def test_models_stay_in_the_order_of_params(project):
    for order in (["lines-ridge", "lines-lasso"], ["lines-lasso", "lines-ridge"]):
        params = settings()
        params["models"] = {name: params["models"][name] for name in order}
        project.params(params)
        check.write(load_project())
        config, _ = read("lines", "train")
        assert [model.name for model in config.models_of("lines")] == order


@pytest.fixture
def edited(project, monkeypatch):
    """Edits files of a copy of Podium's code, whose digests are taken then; gives which stages' files change, and
    the models whose fits are others."""
    copied = project.root / "pipeline"
    shutil.copytree(ROOT / "pipeline", copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", copied)
    add.run("digits", source=None, target=None, id=None, metric=None, minutes=None)
    declared = yaml.safe_load((project.root / "params.yaml").read_text())
    declared["competitions"]["digits"]["features"]["pixels"] = {"name": "tabular"}
    declared["models"]["digits-softmax"] = {"competition": "digits", "features": "pixels", "model": {"name": "softmax"}}
    project.params(declared)

    def seen() -> tuple[dict[str, str], dict[str, str]]:
        code.read_again()
        config = load_project()
        fits = {
            model.name: code.code_digest(
                code.code_files(("core", "training"), fitted_parts(config.competition("digits"), model))
            )
            for model in config.models_of("digits")
        }
        return {stage: json.dumps(contents(config, "digits", stage)) for stage in STAGES}, fits

    def edit(*files: str) -> tuple[set[str], set[str]]:
        before = seen()
        for file in files:
            with (copied / file).open("a") as stream:
                stream.write("\n# edited\n")
        after = seen()
        stages, fits = (
            {name for name in one if one[name] != two[name]} for one, two in zip(before, after, strict=True)
        )
        return stages, fits

    yield edit
    monkeypatch.undo()
    code.read_again()


def test_a_new_model_changes_nothing_for_the_others(edited):
    assert edited("models/brand_new.py", "models/__init__.py") == (set(), set())


def test_an_edit_of_lenet_changes_lenets_alone(edited, project):
    before = contents(load_project(), "digits", "train")["code_of_models"]
    assert edited("models/lenet.py") == (FITS, {"digits-lenet"})
    after = contents(load_project(), "digits", "train")["code_of_models"]
    assert {name for name in before if before[name] != after[name]} == {"digits-lenet"}


def test_an_edit_of_the_loop_changes_every_fit(edited):
    stages, fits = edited("training/loop.py")
    assert stages == FITS | {"submit"}
    assert fits == {"digits-lenet", "digits-softmax"}


def test_an_edit_of_a_stage_changes_that_stage(edited):
    assert edited("stages/blend.py") == ({"blend"}, set())
    assert edited("core/seeds.py") == (set(STAGES), {"digits-lenet", "digits-softmax"})
    assert edited("reporting/page.py") == ({"report"}, set())


def test_a_new_step_of_cleaning_changes_nothing_and_an_edit_of_one_the_rows(edited):
    assert edited("text/cleaning/brand_new.py", "text/cleaning/__init__.py") == (set(), set())
    assert edited("text/cleaning/addresses.py") == (set(), set())  # not among the default's
    assert edited("text/cleaning/spaces.py") == ({"preprocess", "report"}, set())


def test_a_sources_file_changed_in_place_is_fetched_again(bench: Bench, capsys):
    bench.write()
    check.write(load_project())
    before = texts()
    (bench.root / "files" / "train.csv").write_text(changed(4, 2, "99"))
    after = texts()
    assert {name for name in before if after[name] != before[name]} == {"toy/fetch"}
    old, new = (json.loads(one["toy/fetch"])["files"] for one in (before, after))
    assert {name for name in old if old[name] != new[name]} == {"train.csv"}


def test_each_of_a_sources_files_is_looked_at_where_several_have_one_name(bench: Bench):
    places = ["files/train.csv", "files/last/train.csv", "elsewhere/train.csv"]
    bench.competition["source"]["extra"] = ["last/train.csv", str(bench.root / places[2])]
    bench.write()
    for place in places[1:]:
        (bench.root / place).parent.mkdir()
        (bench.root / place).write_text((bench.root / places[0]).read_text())
    check.write(load_project())
    for place in places:
        before = texts()
        (bench.root / place).write_text(changed(4, 2, "99"))
        after = texts()
        assert {one for one in before if after[one] != before[one]} == {"toy/fetch"}, place


def test_a_source_that_cannot_be_reached_is_taken_to_be_unchanged(bench: Bench, capsys):
    bench.write()
    check.write(load_project())
    place = bench.root / "data" / "checked" / "toy" / "fetch.json"
    before = place.read_bytes()
    (bench.root / "files").rename(bench.root / "unmounted")
    capsys.readouterr()
    check.write(load_project())
    assert place.read_bytes() == before and read_json(place)["files"]
    assert "warning: toy: its files cannot be looked at" in capsys.readouterr().err


def test_check_by_hand_warns_of_a_path_where_nothing_is(bench: Bench):
    bench.competition["source"]["path"] = "flies"
    bench.write()
    code, lines = bench.run("check")
    assert code == 0
    assert lines == [
        "warning: toy: its files cannot be looked at (No such file or directory: flies); mend its source, or bring "
        "them before `dvc repro`"
    ]


def test_check_by_hand_refuses_an_encoder_that_dvcs_own_refuses(bench: Bench, monkeypatch):
    texts = {"name": "pretrained_tokens", "column": "colour"}
    bench.competition["features"] |= {"pickled": {**texts, "encoder": "pickled"}, "bare": {**texts, "encoder": "bare"}}
    bench.write()
    for folder, files in {"pickled": ("tokenizer.json", "pytorch_model.bin"), "bare": ("model.safetensors",)}.items():
        (bench.root / folder).mkdir()
        for name in ("config.json", *files):
            (bench.root / folder / name).write_text("{}")
    code, lines = bench.run("check")
    assert code == 2 and [line.split(";")[0] for line in lines] == [
        "error: pickled: weights are read from model.safetensors alone, got pytorch_model.bin, a pickle or the like "
        "that may run code",
        "error: bare: has no tokenizer.json",
    ]
    monkeypatch.setenv("DVC_STAGE", "check")
    assert bench.run("check") == (2, lines[:1])
