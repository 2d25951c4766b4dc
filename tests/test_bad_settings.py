"""Bad settings and command lines: a line for each fault, exit code 2; nothing written."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from bench import ROOT, changed

from pipeline.stages import check
from pipeline.stages.project import load_project

IN_PARAMS = {
    "a list of a list": ({"mute": [["POD301"]]}, ["competitions.toy.mute: no finding ['POD301']"]),
    "unknown metric": ({"metric": "rsme"}, ["competitions.toy.metric.name", "'rsme'", "did you mean 'rmse'"]),
    "unknown key": ({"spilt": {}}, ["competitions.toy.spilt", "unknown key", "did you mean 'split'"]),
    "unknown setting": (
        {"split": {"name": "shuffled", "fold": 3}},
        ["competitions.toy.split.fold", "did you mean 'folds'"],
    ),
    "metric of another task": (
        {"metric": "accuracy"},
        ["competitions.toy.metric", "'accuracy'", "'regression'", "suits"],
    ),
    "value out of range": ({"split": {"name": "shuffled", "folds": 1}}, ["competitions.toy.split.folds", "2", "got 1"]),
    "no format": (
        {"columns": {"id": "id", "target": "y", "formats": {"size": "1.234.5"}}},
        ["competitions.toy.columns.formats.size", "writes 1234.5 (1,234.5; 1.234,5;", "got '1.234.5'"],
    ),
    "no form of dates": (
        {"columns": {"id": "id", "target": "y", "formats": {"size": "%d.%Q"}}},
        ["competitions.toy.columns.formats.size", "no form of dates"],
    ),
    "a format of what has none": (
        {"columns": {"id": "id", "target": "y", "types": {"size": "text"}, "formats": {"size": "1.234,5"}}},
        ["competitions.toy.columns.formats.size", "columns.types.size says text"],
    ),
    "a number's format of a date": (
        {"columns": {"id": "id", "target": "y", "types": {"size": "date"}, "formats": {"size": "1.234,5"}}},
        ["competitions.toy.columns.formats.size", "how a number is written", "columns.types.size says date"],
    ),
    "a weight that is the target": (
        {"columns": {"id": "id", "target": "y", "weight": "y"}},
        ["competitions.toy.columns.weight", "'y' stands in columns.target too"],
    ),
    "a target that is left out": (
        {"columns": {"id": "id", "target": "y", "drop": ["y"]}},
        ["competitions.toy.columns.target", "'y' stands in columns.drop too"],
    ),
    "a text for a list": (
        {"columns": {"id": "id", "target": "y", "drop": "size"}},
        ["competitions.toy.columns.drop", "needs a list", "'size'"],
    ),
    "a mark of no rows": (
        {"source": {"name": "files", "path": "files", "mark": "elsewhere"}},
        ["competitions.toy.source.mark", "source.extra"],
    ),
    "a weight of no rows": (
        {"source": {"name": "kaggle", "competition": "titanic", "extra_weight": 0.5}},
        ["competitions.toy.source.extra_weight", "of the rows that source.extra brings"],
    ),
    "true for a number": (
        {"split": {"name": "shuffled", "seed": True}},
        ["competitions.toy.split.seed", "number", "got True"],
    ),
}


@pytest.mark.parametrize("case", IN_PARAMS)
def test_params_are_refused_before_any_stage_works(bench, case):
    changes, words = IN_PARAMS[case]
    bench.competition.update(changes)
    bench.write()
    for stage in ("fetch", "train"):
        bench.fails(stage, words, set())


def test_an_unknown_model_and_a_model_of_another_task_are_refused(bench):
    bench.model["model"] = {"name": "rigde"}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.model.name", "'rigde'", "did you mean 'ridge'"], set())
    params = yaml.safe_load((bench.root / "params.yaml").read_text())
    params["models"]["toy-ridge"]["model"] = {"name": "softmax"}
    (bench.root / "params.yaml").write_text(yaml.safe_dump(params))
    bench.fails("train", ["models.toy-ridge.model", "'softmax'", "'regression'"], set())


def test_class_weights_without_classes_are_refused(bench):
    bench.model["model"] = {"name": "extra_trees", "class_weights": "balanced"}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.model.class_weights", "'regression'", "take it out"], set())


@pytest.mark.parametrize("model", [{"name": "mlp", "normalization": "batch"}, {"name": "resnet"}])
def test_batch_normalization_over_one_row_is_refused(bench, model):
    if model["name"] == "resnet":
        bench.competition["features"] = {"numbers": {"name": "image"}}
    bench.model |= {"model": model, "fit": {"batch_size": 1}}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.fit.batch_size", "needs two, got 1", "use a larger one"], set())


@pytest.mark.parametrize("sampling", ["random", {"name": "sequential", "steps": 8}])
def test_windows_of_texts_for_an_answer_to_the_whole_text_are_refused(bench, sampling):
    """The last window of a text would answer for all of it."""
    bench.competition["features"] = {"numbers": {"name": "tokens", "column": "text"}}
    bench.model |= {"model": {"name": "text_cnn"}, "fit": {"sampling": sampling}}
    bench.write()
    bench.fails("fetch", ["models.toy-ridge.fit.sampling", "answers a text as a whole", "use bucketed"], set())


def test_a_network_too_large_for_the_memory_is_told_in_a_line(bench):
    bench.model |= {"model": {"name": "mlp", "hidden": [2**16, 2**31 - 1]}, "fit": {"epochs": 1}}
    bench.write()
    assert [bench.run(stage, "toy") for stage in ("fetch", "preprocess")] == [(0, [])] * 2
    code, lines = bench.run("train", "toy-ridge")
    assert code == 2 and len(lines) == 1 and "not enough memory" in lines[0] and "smaller model" in lines[0], lines
    assert not (bench.root / "data" / "toy" / "models" / "toy-ridge" / "cv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "../../etc"], ["lower-case letters", "'../../etc'"]),
        (["fetch", "a; touch P"], ["lower-case letters", "'a; touch P'"]),
        (["train", "$(touch P)"], ["lower-case letters"]),
        (["fetch", "toi"], ["no competition 'toi'", "did you mean 'toy'"]),
        (["train", "toy-rigde"], ["no model 'toy-rigde'", "did you mean 'toy-ridge'"]),
        (["preprocess", "toy"], ["train"]),
        (["train", "toy-ridge"], ["dvc repro"]),
        (["blend", "toy"], ["dvc repro"]),
        (["submit", "toy"], ["dvc repro"]),
        (["report", "toy"], ["dvc repro"]),
        (["score", "toy"], []),
        (["leaderboard", "toy"], ["dvc repro"]),
        (["predict", "toy", "--in", "files/test.csv", "--out", "p.csv"], ["dvc repro"]),
        (["kaggle", "submit", "toy"], ["toy", "--slug", "Kaggle"]),
    ],
)
def test_a_command_that_cannot_work_says_so_in_one_line(bench, arguments, words):
    bench.write()
    code, lines = bench.run(*arguments)
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), lines
    assert all(word in lines[0] for word in words), lines[0]
    assert not bench.written() and not (bench.root / "P").exists() and not (bench.root / "p.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "toy"], ["--in"]),
        (["score"], ["Missing argument", "NAME"]),
        (["nosuch"], ["nosuch"]),
        (["add", "x", "--minutes", "no"], ["--minutes", "number"]),
    ],
)
def test_a_wrong_command_line_ends_with_2(bench, arguments, words):
    bench.write()
    code, lines = bench.run(*arguments)
    assert code == 2 and all(word in "\n".join(lines) for word in words), lines
    assert not any("Traceback" in line for line in lines)


def test_every_fault_of_params_is_told_at_once_a_line_each(bench):
    bench.competition |= {"metric": "rsme", "spilt": 3}
    bench.model["model"] = {"name": "ridge", "alhpa": 1}
    bench.write()
    code, lines = bench.run("check")
    assert code == 2 and len(lines) == 3 and all(line.startswith("error: ") for line in lines), lines


@pytest.mark.parametrize(
    ("files", "changes", "stage", "words"),
    [
        ({"train.csv": None}, {}, "fetch", ["no train file"]),
        ({"train.csv": changed(7, 3, "dear")}, {}, "preprocess", ["train.csv", "row 7"]),
    ],
)
def test_the_real_command_line(bench, files, changes, stage, words):
    bench.files.update(files)
    bench.competition.update(changes)
    bench.write()
    if stage != "fetch":
        assert bench.run("fetch", "toy") == (0, [])
    check.write(load_project())
    before = bench.written()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", stage, "toy"],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=bench.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"error: .*\n", done.stderr) and all(word in done.stderr for word in words), done.stderr
    assert bench.written() == before


def test_a_competition_may_not_be_named_as_the_folder_of_check(bench):
    bench.write()
    params = bench.root / "params.yaml"
    params.write_text(
        params.read_text().replace("toy:", "checked:").replace("competition: toy", "competition: checked")
    )
    code, lines = bench.run("check")
    assert code == 2 and lines[0].startswith("error: competitions.checked: data/checked/ is where `check` writes"), (
        lines
    )


def test_a_name_that_yaml_takes_for_a_number_is_told_to_be_quoted(bench):
    bench.write()
    file = bench.root / "params.yaml"
    file.write_text(file.read_text().replace("  toy:\n", "  2024:\n").replace("competition: toy", "competition: 2024"))
    code, lines = bench.run("check")
    assert code == 2 and any(
        "competitions: a name is" in line and "got 2024; write it in quotes" in line for line in lines
    )


def test_a_lock_that_git_could_not_merge_is_told_with_the_way_out(bench):
    bench.write()
    (bench.root / "dvc.lock").write_text("schema: '2.0'\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> theirs\n")
    code, lines = bench.run("check")
    assert (code, len(lines)) == (2, 1) and "`git checkout --theirs dvc.lock`, then `dvc pull`" in lines[0]


@pytest.mark.parametrize(
    ("said", "told"), [("0", ["error: PODIUM_TRACKING: needs one of on, off, later, got '0'"]), ("", [])]
)
def test_what_the_variable_of_tracking_says_is_known(bench, monkeypatch, said, told):
    bench.write()
    monkeypatch.setenv("PODIUM_TRACKING", said)
    assert bench.run("check") == (2 if told else 0, told)
