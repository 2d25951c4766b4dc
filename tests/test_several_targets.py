"""Several targets: numbers or labels, of which rows may lack some, from the files to the submission."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.multioutput import MultiOutputRegressor

from pipeline.commands import add
from pipeline.core.errors import UserError
from pipeline.core.registry import build_settings
from pipeline.core.types import FOLD, FitJob, Schema, Spec
from pipeline.metrics import metrics
from pipeline.models import models
from pipeline.splits.several import stratify_several
from pipeline.tasks import tasks
from pipeline.tasks.losses import losses
from pipeline.training import learners

RANDOM = np.random.default_rng(0)
ROWS, INPUTS = 120, 4
NUMBERS = RANDOM.normal(size=(ROWS, INPUTS)).astype(np.float32)
TRUTH = NUMBERS @ RANDOM.normal(size=(INPUTS, 3)) + 0.1 * RANDOM.normal(size=(ROWS, 3))
TARGETS = pd.DataFrame(TRUTH, columns=["a", "b", "c"])
LABELS = (TARGETS > 0).astype(float)


def lacking(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without every seventh value of a column."""
    return frame.mask((np.arange(frame.size).reshape(frame.shape) % 7) == 0)


def job(task_name: str, model: str, targets: pd.DataFrame) -> FitJob:
    task = tasks.build(task_name, "task")
    kind = "numbers" if task_name == "multioutput_regression" else "labels"
    schema = Schema(None, "a, b, c", (), target_kind=kind, targets=("a", "b", "c"))
    encoded = {"numbers": NUMBERS, "target": task.fit_target(targets, schema).encode(targets)}
    spec = Spec(shapes={"numbers": (INPUTS,)}, names={"numbers": list("wxyz")}, outputs=3)
    return FitJob(model=models.build(model, "model"), task=task, spec=spec, train=encoded, valid=encoded, seed=0)


def learner(model: str, **values):
    return build_settings(learners.get(models.build(model, "model").learner), values, "fit")


def test_a_model_of_one_target_gives_what_one_a_target_gives():
    one = job("multioutput_regression", {"name": "ridge", "alpha": 2.0}, TARGETS)
    raw = learner("ridge").fit(one).raw(one.train)
    expected = MultiOutputRegressor(Ridge(alpha=2.0)).fit(NUMBERS, one.train["target"]).predict(NUMBERS)
    np.testing.assert_allclose(raw, expected, atol=1e-5)


def test_a_row_that_lacks_a_target_teaches_the_others_alone():
    one = job("multioutput_regression", {"name": "ridge", "alpha": 2.0}, lacking(TARGETS))
    raw = learner("ridge").fit(one).raw(one.train)
    for column in range(3):
        known = np.isfinite(one.train["target"][:, column])
        assert 0 < known.sum() < ROWS
        expected = Ridge(alpha=2.0).fit(NUMBERS[known], one.train["target"][known, column]).predict(NUMBERS)
        np.testing.assert_allclose(raw[:, column], expected, atol=1e-5)


def test_a_target_that_no_training_row_has_is_told():
    schema = Schema(id=None, target="a, b, c", columns=(), targets=("a", "b", "c"))
    told = r"column b: none of the 120 training rows at hand has this target, .* \(split: stratified\)"
    with pytest.raises(UserError, match=told):
        tasks.build("multioutput_regression", "task").fit_target(TARGETS.assign(b=np.nan), schema)


@pytest.mark.parametrize("task", ["multioutput_regression", "multilabel"])
def test_what_is_missing_is_masked_in_loss_and_gradient(task):
    part = tasks.build(task, "task")
    criterion = losses.get(part.losses[0])().criterion()
    target = torch.from_numpy(lacking(LABELS).to_numpy(dtype="float32"))
    output = torch.randn(ROWS, 3, requires_grad=True)
    total, weight = part.loss(output, {"target": target}, criterion)
    known = ~target.isnan()
    assert int(weight) == int(known.sum())
    torch.testing.assert_close(total, criterion(output[known], target[known]).sum())
    total.backward()
    assert (output.grad[~known] == 0).all() and (output.grad[known] != 0).all()
    # An ensemble inside a network answers each target once a submodel.
    many, weight = part.loss(output.detach().unsqueeze(1).expand(-1, 4, -1), {"target": target}, criterion)
    torch.testing.assert_close(many, 4 * total.detach())
    assert int(weight) == 4 * int(known.sum())


@pytest.mark.parametrize("model", ["mlp", "tabm", "realmlp"])
@pytest.mark.parametrize("task", ["multioutput_regression", "multilabel"])
def test_networks_learn_all_targets_at_once(model, task, tmp_path):
    targets = lacking(TARGETS if task == "multioutput_regression" else LABELS)
    one = job(task, model, targets)
    if model == "tabm":
        one.train["categories"] = np.zeros((ROWS, 0), dtype=np.int64)
        one.spec = Spec(shapes={"numbers": (INPUTS,), "categories": (0,)}, sizes={"categories": []}, outputs=3)
    fit = learner(model, epochs=40, learning_rate=0.02)
    fitted = fit.fit(one)
    answers = one.task.predictions(fitted.raw(one.train), one.task.fit_target(targets, SCHEMAS[task]), one.spec)
    for name in "abc":
        assert roc_auc_score(LABELS[name], answers[name]) > 0.95
    fitted.save(tmp_path / "saved")
    again = fit.load(tmp_path / "saved", one.model, one.task, one.spec)
    np.testing.assert_array_equal(again.raw(one.train), fitted.raw(one.train))


SCHEMAS = {
    "multioutput_regression": Schema(None, "a, b, c", (), target_kind="numbers", targets=("a", "b", "c")),
    "multilabel": Schema(None, "a, b, c", (), target_kind="labels", targets=("a", "b", "c")),
}


def test_a_label_that_all_rows_agree_on_is_answered_all_the_same(tmp_path):
    one = job("multilabel", "logistic_regression", LABELS.assign(b=0.0))
    fit = learner("logistic_regression")
    fitted = fit.fit(one)
    probability = one.task.predictions(
        fitted.raw(one.train), one.task.fit_target(LABELS, SCHEMAS["multilabel"]), one.spec
    )
    assert (probability["b"] < 0.01).all() and roc_auc_score(LABELS["a"], probability["a"]) > 0.9
    fitted.save(tmp_path)
    again = fit.load(tmp_path, one.model, one.task, one.spec)
    np.testing.assert_allclose(again.raw(one.train), fitted.raw(one.train))


def test_a_label_that_all_rows_agree_on_says_nothing_of_the_rounds_and_curves_of_the_others():
    one = job("multilabel", "lightgbm", LABELS.assign(b=0.0))
    fitted = learner("lightgbm", iterations=12).fit(one)
    assert fitted.rounds == 12 and fitted.curves["iteration"] == list(range(1, 13))
    one.train["target"][:] = 0.0
    assert learner("lightgbm", iterations=12).fit(one).rounds == 1


def test_a_saved_target_answers_in_the_order_of_the_columns():
    task, names = tasks.build("multioutput_regression", "task"), ("c", "a", "b")
    schema = Schema(None, "c, a, b", (), target_kind="numbers", targets=names)
    fitted = task.fit_target(10 * TARGETS[list(names)] + [1, 2, 3], schema)
    saved = json.loads(json.dumps(fitted.state(), sort_keys=True))  # as all JSON is written
    raw = RANDOM.normal(size=(5, 3))
    expected = task.predictions(raw, fitted, Spec())
    assert list(expected) == list(names)
    pd.testing.assert_frame_equal(task.predictions(raw, task.restore_target(saved, schema), Spec()), expected)


def test_metrics_are_the_columns_means():
    predicted = TARGETS + RANDOM.normal(size=TARGETS.shape)
    errors = np.sqrt(((predicted - TARGETS) ** 2).mean())
    assert metrics.build("mcrmse", "m").score(TARGETS, predicted) == pytest.approx(errors.mean())
    weighted = metrics.build({"name": "mcrmse", "weights": {"a": 3.0}}, "m")
    assert weighted.score(TARGETS, predicted) == pytest.approx(np.average(errors, weights=[3, 1, 1]))
    absent = lacking(TARGETS)
    expected = np.sqrt(((predicted - absent) ** 2).mean()).mean()
    assert metrics.build("mcrmse", "m").score(absent, predicted) == pytest.approx(expected)
    probability = 1 / (1 + np.exp(-predicted))
    areas = [roc_auc_score(LABELS[name], probability[name]) for name in "abc"]
    assert metrics.build("mean_columnwise_auc", "m").score(LABELS, probability) == pytest.approx(np.mean(areas))
    losses_of = [log_loss(LABELS[name], probability[name]) for name in "abc"]
    found = metrics.build("mean_columnwise_log_loss", "m").score(LABELS, probability)
    assert found == pytest.approx(np.mean(losses_of))
    general = metrics.build({"name": "mean_over_targets", "of": "mae"}, "m")
    assert general.score(TARGETS, predicted) == pytest.approx((predicted - TARGETS).abs().mean().mean())
    assert (
        not general.higher_is_better and metrics.build({"name": "mean_over_targets", "of": "f1"}, "m").higher_is_better
    )
    # A fold may hold one class of a label alone, which has no area.
    found = metrics.build("mean_columnwise_auc", "m").score(LABELS.assign(b=0.0), probability)
    assert found == pytest.approx(np.mean([areas[0], areas[2]]))
    grades = pd.DataFrame({"a": [1.0, 2.0, 3.0, 2.0], "b": [4.0, 4.0, np.nan, 4.0]})  # nor has one grade alone a kappa
    kappa = metrics.build({"name": "mean_over_targets", "of": "quadratic_weighted_kappa"}, "m")
    assert kappa.score(grades, grades.assign(b=1.0)) == 1.0
    with pytest.raises(UserError, match="no target has rows of both classes to score"):
        kappa.score(grades.assign(a=1.0), grades)
    with pytest.raises(UserError, match="weighs 'z'"):
        metrics.build({"name": "mcrmse", "weights": {"z": 3.0}}, "m").score(TARGETS, predicted)


def test_folds_have_their_share_of_each_label():
    rare = pd.DataFrame({"a": RANDOM.random(500) < 0.02, "b": RANDOM.random(500) < 0.3, "c": RANDOM.random(500) < 0.9})
    fold = stratify_several(rare.astype(float), 5, 0)
    assert sorted(np.unique(fold)) == [0, 1, 2, 3, 4]
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 3
    for name in rare:
        counts = rare[name].groupby(fold).sum()
        assert counts.max() - counts.min() <= 2, (name, counts.tolist())
    np.testing.assert_array_equal(fold, stratify_several(rare.astype(float), 5, 0))
    numbers = stratify_several(TARGETS, 4, 0)
    means = TARGETS.groupby(numbers).mean()
    assert (means.max() - means.min()).max() < 0.7


def files(bench, kind: str) -> pd.DataFrame:
    """Write a competition of three targets; the test rows' answers."""
    rows = pd.DataFrame(NUMBERS, columns=list("wxyz")).assign(id=range(ROWS))
    answers = TARGETS if kind == "numbers" else LABELS.astype(int)
    table = pd.concat([rows, lacking(answers) if kind == "labels" else answers], axis=1)
    test = rows[90:].assign(id=range(90, ROWS))
    sample = test[["id"]].assign(C=0.5, a=0.5, b=0.5)
    bench.files = {
        "train.csv": table[:90].to_csv(index=False),
        "test.csv": test.to_csv(index=False),
        "sample_submission.csv": sample.to_csv(index=False),
    }
    return answers[90:].assign(id=range(90, ROWS))


@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_from_the_files_to_the_submission(bench, kind):
    solution = files(bench, kind)
    task = {"numbers": "multioutput_regression", "labels": "multilabel"}[kind]
    bench.competition |= {
        "columns": {"id": "id", "target": ["a", "b", "c"]},
        "task": task,
        "metric": {"numbers": "mcrmse", "labels": "mean_columnwise_auc"}[kind],
        "split": {"name": "stratified", "folds": 3, "seed": 0},
        "submission": {"numbers": "values", "labels": "probabilities"}[kind],
    }
    bench.model["model"] = {"numbers": {"name": "ridge"}, "labels": {"name": "logistic_regression"}}[kind]
    fit = {"epochs": 20, "learning_rate": 0.01}
    bench.write(mlp={"competition": "toy", "features": "numbers", "model": "mlp", "fit": fit})
    bench.through()
    made = pd.read_csv(bench.root / "data/toy/submission.csv")
    assert list(made) == ["id", "C", "a", "b"] and made["id"].tolist() == list(range(90, ROWS))
    made = made.rename(columns={"C": "c"})
    for name in "abc":
        assert roc_auc_score(LABELS[name][90:], made[name]) > 0.95
    predicted = pd.read_parquet(bench.root / "data/toy/cv/toy-ridge/predictions.parquet")
    assert {"a", "b", "c", FOLD} <= set(predicted)
    (bench.root / "new.csv").write_text(bench.files["test.csv"])
    assert bench.run("predict", "toy", "--in", "new.csv", "--out", "answers.csv")[0] == 0
    assert (bench.root / "answers.csv").read_text() == (bench.root / "data/toy/submission.csv").read_text()
    solution.to_csv(bench.root / "solution.csv", index=False)
    code, _ = bench.run("score", "toy", "--solution", str(bench.root / "solution.csv"))
    assert code == 0


@pytest.mark.parametrize(
    ("kind", "task", "metric", "submission"),
    [
        ("numbers", "multioutput_regression", "mcrmse", "values"),
        ("labels", "multilabel", "mean_columnwise_auc", "probabilities"),
    ],
)
def test_add_sees_several_targets_in_the_sample_submission(bench, kind, task, metric, submission):
    files(bench, kind)
    bench.files["sample_submission.csv"] = bench.files["sample_submission.csv"].replace("C", "c")
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
    from pipeline.stages.project import load_project

    found = load_project().competition("mine")
    assert set(found.columns.targets) == {"a", "b", "c"}
    assert (found.task.name, found.metric.name, found.submission.format) == (task, metric, submission)


@pytest.mark.parametrize(
    ("words", "metric"),
    [(("no", "yes"), None), ((False, True), "accuracy"), ((0, 1), "accuracy"), ((0, 1), "roc_auc")],
)
def test_add_sees_labels_in_a_sample_submission_that_says_them(bench, words, metric):
    files(bench, "labels")
    for name, content in bench.files.items():
        table = pd.read_csv(StringIO(content)).rename(columns={"C": "c"})
        labels = {
            one: table[one].map(lambda value: words[int(value)], na_action="ignore") for one in "abc" if one in table
        }
        bench.files[name] = table.assign(**labels).to_csv(index=False)
    bench.write()
    (bench.root / "params.yaml").unlink()
    add.run("mine", source="files", target=None, id=None, metric=metric, minutes=None)
    from pipeline.stages.project import load_project

    found = load_project().competition("mine")
    kind = "probabilities" if metric == "roc_auc" else "classes"
    assert (found.task.name, found.submission.format) == ("multilabel", kind)
    assert found.metric.label == f"mean {metric or 'accuracy'}"


def test_mixed_kinds_are_refused_with_the_reason(bench):
    files(bench, "numbers")
    table = pd.concat([pd.DataFrame(NUMBERS[:90], columns=list("wxyz")), TARGETS[:90]], axis=1).assign(id=range(90))
    table["b"] = np.where(table["b"] > 0, "north", "south")
    bench.files["train.csv"] = table.to_csv(index=False)
    bench.files["sample_submission.csv"] = bench.files["sample_submission.csv"].replace("C", "c")
    bench.write()
    with pytest.raises(UserError, match=r"all numbers, all yes and no or all classes, and here are .*b of classes"):
        add.run("mine", source="files", target=None, id=None, metric=None, minutes=None)
