"""Several targets that are classes, from the files to the submission; and files that are refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from several_classes import NUMBERS, ROWS, SCHEMA, TARGETS, guesses, lacking
from sklearn.metrics import accuracy_score

from pipeline.answering.submissions import format_predictions, submission_layout
from pipeline.commands import add
from pipeline.core.errors import UserError
from pipeline.core.types import FOLD
from pipeline.features.settling import settle
from pipeline.stages.project import load_project


def files(bench, kind: str = "words", rows: int = ROWS) -> pd.DataFrame:
    """Write a competition of two targets; the test rows' answers. kind: words, or whole numbers."""
    answers = TARGETS
    if kind == "numbers":
        answers = pd.DataFrame({name: TARGETS[name].factorize(sort=True)[0] + 1 for name in TARGETS})
    table = pd.DataFrame(NUMBERS, columns=list("wxyz")).assign(id=range(rows))
    train = pd.concat([table, lacking(answers) if kind == "words" else answers], axis=1)[:180]
    sample = table[["id"]][180:].assign(colour=answers["colour"][0], shape=answers["shape"][0])
    bench.files = {
        "train.csv": train.to_csv(index=False),
        "test.csv": table[180:].to_csv(index=False),
        "sample_submission.csv": sample.to_csv(index=False),
    }
    return answers[180:].assign(id=range(180, rows))


@pytest.mark.parametrize("kind", ["words", "numbers"])
def test_add_sees_several_classes_in_the_sample_submission(bench, kind):
    files(bench, kind)
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    found = load_project().competition("mine")
    assert found.columns.targets == ("colour", "shape") and found.task.name == "multioutput_classification"
    assert (found.metric.label, found.submission.format) == ("mean accuracy", "classes")
    assert found.split.name == "stratified"


def test_add_sees_a_column_of_probabilities_a_class(bench):
    files(bench)
    names = [f"{name}_{level}" for name in ("shape", "colour") for level in sorted(TARGETS[name].unique())]
    sample = pd.DataFrame(0.2, index=range(60), columns=names)
    sample.insert(0, "id", range(180, ROWS))
    bench.files["sample_submission.csv"] = sample.to_csv(index=False)
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    found = load_project().competition("mine")
    assert set(found.columns.targets) == {"colour", "shape"}
    assert (found.metric.label, found.submission.format) == ("mean log_loss", "probabilities")
    layout = submission_layout(
        sample,
        id_column="id",
        target_column="",
        submission_format="probabilities",
        classes=SCHEMA.target_classes,
        targets=SCHEMA.targets,
    )
    told = guesses()
    made = format_predictions(told, pd.Series(range(ROWS)), layout, ())
    assert list(made) == list(sample)
    np.testing.assert_array_equal(made["colour_red"], told["colour=red"])


def test_from_the_files_to_the_submission(bench):
    solution = files(bench)
    bench.competition |= {
        "columns": {"id": "id", "target": ["shape", "colour"]},
        "task": "multioutput_classification",
        "metric": {"name": "mean_over_targets", "of": {"name": "f1", "average": "macro"}},
        "split": {"name": "stratified", "folds": 3, "seed": 0},
        "submission": "classes",
        "blend": {"name": "greedy", "bags": 1},
    }
    bench.model["model"] = {"name": "logistic_regression"}
    fit = {"epochs": 20, "learning_rate": 0.01}
    bench.write(mlp={"competition": "toy", "features": "numbers", "model": "mlp", "fit": fit})
    bench.through()
    made = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert list(made) == ["id", "colour", "shape"] and made["id"].tolist() == list(range(180, ROWS))
    for name in TARGETS:
        assert accuracy_score(TARGETS[name][180:], made[name]) > 0.75
    predicted = pd.read_parquet(bench.root / "data/toy/cv/toy-mlp/predictions.parquet")
    assert {*SCHEMA.prediction_names, FOLD} <= set(predicted)
    report = json.loads((bench.root / "data/toy/report/report.json").read_text())
    assert report["baseline"]["what"] == "the share of each class"
    assert (bench.root / "data/toy/report/index.html").read_text().count("Confusion matrices of 2 targets") >= 2

    (bench.root / "new.csv").write_text(bench.files["test.csv"])
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")[0] == 0
    assert (bench.root / "answers.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "chances.csv", "--probabilities")[0] == 0
    chances = pd.read_csv(bench.root / "chances.csv")
    assert list(chances) == ["id", *SCHEMA.prediction_names]

    solution.loc[181, "shape"] = None  # a row that lacks one is scored by the other
    solution.to_csv(bench.root / "solution.csv", index=False)
    code, lines = bench.run("score", "toy", "--solution", str(bench.root / "solution.csv"))
    assert code == 0, lines


def spoiled(bench, **columns) -> None:
    files(bench)
    from io import StringIO

    table = pd.read_csv(StringIO(bench.files["train.csv"])).assign(**columns)
    bench.files["train.csv"] = table.to_csv(index=False)
    bench.write()
    (bench.root / "params.yaml").unlink()


def test_mixed_kinds_are_refused_with_the_reason(bench):
    spoiled(bench, shape=NUMBERS[:180, 0].round(4))
    with pytest.raises(UserError, match=r"here are colour of classes, shape of numbers; give --target for one"):
        add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("cube", "column 'shape': needs two classes at least, got only 'cube'"),
        ("", "column 'shape': needs a target, and every row's is missing"),
        (["?", *["cube", "rod"] * 89, "rod"], "needs a class, got '?', which looks missing; leave the cell empty"),
    ],
)
def test_a_target_without_two_classes_is_refused(bench, values, words):
    spoiled(bench, shape=values)
    with pytest.raises(UserError) as error:
        add.run("mine", source="files", target="shape,colour", id=None, metric=None, minutes=None)
    assert words in str(error.value)


def test_a_class_seen_once_is_told_and_learned_from(bench):
    once = TARGETS["shape"][:180].copy()
    once[7] = "only one"
    spoiled(bench, shape=once)
    with pytest.warns(UserWarning, match=r"shape: 'only one' \(1 rows\)"):
        add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)


def test_targets_whose_columns_could_be_each_others_are_refused():
    train = pd.DataFrame({"a": ["x", "y"], "a=b": ["u", "v"]})
    with pytest.raises(UserError, match="'a=b' could be; rename one"):
        settle(train, None, id=None, target=["a", "a=b"], target_kind="classes")


@pytest.mark.parametrize(
    ("columns", "task", "words"),
    [
        (["shape", "colour"], "classification", "learns one target, and columns.target names shape, colour; use mult"),
        ("shape", "multioutput_classification", "learns several targets, and columns.target names 'shape'"),
    ],
)
def test_a_task_for_another_number_of_targets_is_refused(bench, columns, task, words):
    files(bench)
    bench.competition |= {"columns": {"id": "id", "target": columns}, "task": task, "metric": "mean_columnwise_auc"}
    bench.write()
    with pytest.raises(UserError) as error:
        load_project()
    assert words in str(error.value)
