"""Blending, calibrating and deciding: honest scores, kept steps, and the same answers from JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.answering.ensembles import Ensemble, fit_decision_of, fit_ensemble
from pipeline.blends import blends
from pipeline.core.types import Metric, Schema
from pipeline.metrics import metrics
from pipeline.tasks import tasks

NUMERIC = [name for name in blends if blends.get(name).numeric and name != "mixture"]  # which is of language models
REGRESSION = tasks.build("regression", "task")
CLASSES = tasks.build("classification", "task")


def numbers(models=3, rows=90, seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    truth = pd.Series(random.normal(10, 3, rows))
    return truth, {
        f"m{i}": pd.DataFrame({"prediction": truth + random.normal(0, noise + i / 2, rows)}) for i in range(models)
    }


def classes(rows=600, count=2, share=0.2, sharpness=1.0, models=3, seed=0):
    """Probabilities of models that each see part of the truth; ``sharpness`` above 1 is too sure."""
    random = np.random.default_rng(seed)
    bias = np.log([1 - share, *[share / (count - 1)] * (count - 1)])
    logits = random.normal(bias, 1.2, (rows, count))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (random.random(rows)[:, None] > truth.cumsum(axis=1)).sum(axis=1).clip(0, count - 1)
    frames = {}
    for i in range(models):
        told = np.exp((logits + random.normal(0, 0.3, logits.shape)) * sharpness)
        frames[f"m{i}"] = pd.DataFrame(told / told.sum(axis=1, keepdims=True), columns=[str(k) for k in range(count)])
    return pd.Series(codes), frames


def fit(target, frames, fold, blend="greedy", metric="rmse", task=REGRESSION, weights=None, **settings):
    built = metrics.build(metric, "metric")
    levels = tuple(range(next(iter(frames.values())).shape[1])) if task is CLASSES else ()
    codec = task.fit_target(target, Schema(id=None, target="y", columns=(), classes=levels))
    return fit_ensemble(
        frames,
        target,
        fold,
        blend=blends.build({"name": blend, **settings}, "blend"),
        task=task,
        target_codec=codec,
        metric=built,
        weights=weights,
    ), codec


def folds(rows, count=5, seed=1):
    return np.random.default_rng(seed).permutation(np.arange(rows) % count)


@pytest.mark.parametrize("name", NUMERIC)
def test_a_folds_answers_come_from_the_other_folds_alone(name):
    """Its own targets do not reach it: change them, and only its scores change, not its predictions."""
    target, frames = numbers()
    fold = folds(90, 3)
    watched = []

    class Watching(Metric):
        higher_is_better = False

        def score(self, truth, predictions):
            watched.append((truth.to_numpy().copy(), predictions["prediction"].to_numpy().copy()))
            return float(np.abs(truth.to_numpy() - predictions["prediction"].to_numpy()).mean())

    def honest_of_fold_2(values):
        watched.clear()
        codec = REGRESSION.fit_target(target, Schema(id=None, target="y", columns=()))
        blend = blends.build({"name": name, **({"bags": 2} if name == "greedy" else {})}, "blend")
        options = {"blend": blend, "task": REGRESSION, "target_codec": codec, "metric": Watching()}
        found = fit_ensemble(frames, values, fold, **options)
        (answers,) = [p for t, p in watched[-3:] if np.array_equal(t, values.to_numpy()[fold == 2])]
        return answers, found

    first, _ = honest_of_fold_2(target)
    second, found = honest_of_fold_2(target.where(pd.Series(fold) != 2, -1e3))
    np.testing.assert_array_equal(first, second)
    assert found.folds[2] > 900


def test_the_honest_score_is_not_flattered_by_many_useless_models():
    """Twelve models of pure noise: weights look good on the rows they were chosen on, and only there."""
    random = np.random.default_rng(0)
    target = pd.Series(random.normal(size=100))
    frames = {f"m{i}": pd.DataFrame({"prediction": random.normal(size=100)}) for i in range(12)}
    found, codec = fit(target, frames, folds(100), bags=1)
    flattered = metrics.build("rmse", "m").score(target, found.ensemble.predict(frames, REGRESSION, codec))
    assert flattered < target.std() < np.mean(found.folds)
    assert found.steps == {"blended": pytest.approx(np.mean(found.folds))}


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy"])
def test_thresholds_are_kept_where_they_help_and_score_as_on_new_rows(metric):
    target, frames = classes(share=0.1, rows=1500)
    found, codec = fit(target, frames, folds(1500), metric=metric, task=CLASSES)
    assert found.ensemble.decision is not None
    assert found.steps["decided"] > found.steps["blended"] + 0.05
    assert found.steps["decided"] == pytest.approx(np.mean(found.folds))
    unseen, new_frames = classes(share=0.1, rows=20_000, seed=9)
    score = metrics.build(metric, "m").score
    reached = score(unseen, found.ensemble.predict(new_frames, CLASSES, codec))
    assert reached == pytest.approx(np.mean(found.folds), abs=0.04)
    plain = Ensemble(found.ensemble.weights).predict(new_frames, CLASSES, codec)
    assert reached > score(unseen, plain) + 0.05


def test_thresholds_stay_out_where_folds_do_not_find_them_better():
    kept = 0
    for seed in range(6):
        target, frames = classes(rows=150, share=0.5, seed=seed)
        found, _ = fit(target, frames, folds(150), metric="accuracy", task=CLASSES, bags=1)
        kept += found.ensemble.decision is not None
        if found.ensemble.decision is None:
            assert list(found.steps) == ["blended"]
    assert kept <= 2


def test_decision_none_leaves_the_most_probable_class():
    target, frames = classes(share=0.1)
    found, _ = fit(target, frames, folds(600), metric="f1", task=CLASSES, decision="none")
    assert found.ensemble.decision is None


def test_weights_under_a_metric_of_classes_are_those_of_log_loss():
    target, frames = classes(share=0.3)
    by_f1, _ = fit(target, frames, folds(600), metric="f1", task=CLASSES)
    by_log_loss, _ = fit(target, frames, folds(600), metric="log_loss", task=CLASSES)
    assert by_f1.ensemble.weights == by_log_loss.ensemble.weights


@pytest.mark.parametrize("count", [2, 4])
def test_probabilities_that_are_too_sure_are_calibrated_for_log_loss(count):
    target, frames = classes(rows=1000, count=count, share=0.4, sharpness=4.0)
    found, codec = fit(target, frames, folds(1000), metric="log_loss", task=CLASSES)
    assert found.ensemble.calibration is not None
    assert found.steps["calibrated"] < found.steps["blended"] - 0.05
    unseen, new_frames = classes(rows=5000, count=count, share=0.4, sharpness=4.0, seed=9)
    loss = metrics.build("log_loss", "m").score(unseen, found.ensemble.predict(new_frames, CLASSES, codec))
    assert loss == pytest.approx(np.mean(found.folds), abs=0.06)


def test_probabilities_that_are_right_are_left_alone_or_hardly_touched():
    target, frames = classes(rows=600, models=1)
    found, _ = fit(target, frames, folds(600), metric="log_loss", task=CLASSES)
    if found.ensemble.calibration is not None:
        assert found.steps["blended"] - found.steps["calibrated"] < 0.02


@pytest.mark.parametrize("kind", ["temperature", "sigmoid", "isotonic"])
def test_a_calibration_that_is_named_is_taken_without_asking(kind):
    target, frames = classes(rows=200, models=1)
    found, _ = fit(target, frames, folds(200), metric="roc_auc", task=CLASSES, calibration=kind)
    state = found.ensemble.calibration.state()
    assert state["kind"] == ("isotonic" if kind == "isotonic" else "scaling")
    assert any(state.get("biases", [])) == (kind == "sigmoid")
    named, _ = fit(target, frames, folds(200), metric="log_loss", task=CLASSES, calibration="none")
    assert named.ensemble.calibration is None


@pytest.mark.parametrize("blend", NUMERIC)
@pytest.mark.parametrize("metric", ["log_loss", "f1"])
def test_an_ensemble_answers_the_same_from_json(blend, metric):
    target, frames = classes(share=0.15, sharpness=3.0)
    found, codec = fit(target, frames, folds(600), blend=blend, metric=metric, task=CLASSES)
    state = json.loads(json.dumps(found.ensemble.to_json(), allow_nan=False))
    again = Ensemble.from_json({**state, "models": {}, "submission": {}})
    unseen = classes(seed=5)[1]
    answers = found.ensemble.predict(unseen, CLASSES, codec)
    pd.testing.assert_frame_equal(again.predict(unseen, CLASSES, codec), answers, check_exact=True)
    repeated, _ = fit(target, frames, folds(600), blend=blend, metric=metric, task=CLASSES)
    assert json.dumps(repeated.ensemble.to_json()) == json.dumps(found.ensemble.to_json())


def test_models_without_weight_need_not_predict():
    target, frames = numbers(3)
    frames["m2"] = pd.DataFrame({"prediction": -target})
    found, codec = fit(target, frames, folds(90))
    assert "m2" not in found.ensemble.models
    used = {name: frames[name] for name in found.ensemble.models}
    assert len(found.ensemble.predict(used, REGRESSION, codec)) == 90


def test_a_single_hold_out_is_scored_as_one_fold():
    target, frames = numbers(3, rows=23)
    found, _ = fit(target, frames, np.zeros(23, dtype=int))
    assert len(found.folds) == 1


def test_parts_of_a_hold_out_whose_target_has_no_score_say_nothing():
    """Every fifth row of it stands for a fold, and some of these have one class alone."""
    target, frames = classes(rows=60, count=3)
    rare = pd.Series(np.where(np.arange(60) % 5, 0, target))
    kappa, _ = fit(rare, frames, np.zeros(60, int), "equal", "quadratic_weighted_kappa", CLASSES)
    assert len(kappa.folds) == 1
    labels = tasks.build("multilabel", "task")
    random = np.random.default_rng(0)
    truth = pd.DataFrame({name: np.arange(40) % 20 == place for place, name in enumerate("ab")}) * 1.0
    told = {f"m{i}": (truth + random.normal(0, 0.3, truth.shape)).clip(0.01, 0.99) for i in range(2)}
    schema = Schema(id=None, target="a, b", columns=(), targets=("a", "b"))
    found = fit_ensemble(
        told,
        truth,
        np.zeros(40, int),
        blend=blends.build("equal", "blend"),
        task=labels,
        target_codec=labels.fit_target(truth, schema),
        metric=metrics.build("mean_columnwise_auc", "metric"),
    )
    assert len(found.folds) == 1


def test_texts_pass_through_the_best_model():
    task = tasks.build("translation", "task")
    target = pd.Series(["a b c d", "e f g h"] * 4)
    frames = {"bad": pd.DataFrame({"prediction": ["x"] * 8}), "good": pd.DataFrame({"prediction": list(target)})}
    blend, metric = blends.build("best", "blend"), metrics.build("bleu", "metric")
    found = fit_ensemble(frames, target, np.arange(8) % 2, blend=blend, task=task, target_codec=None, metric=metric)
    assert found.ensemble.models == ["good"]
    assert found.ensemble.predict(frames, task, None)["prediction"].tolist() == target.tolist()


def test_a_lone_models_decision_is_measured_on_folds_that_did_not_choose_it():
    target, frames = classes(share=0.1, rows=1500, models=1)
    metric, fold = metrics.build("f1", "m"), folds(1500)
    decision, scores = fit_decision_of(frames["m0"], target, fold, metric)
    flattered = metric.score(target, decision.apply(frames["m0"]))
    assert len(scores) == 5
    assert metric.score(target, frames["m0"]) < np.mean(scores) < flattered + 0.02
    nothing, plain = fit_decision_of(frames["m0"], target, fold, metrics.build("log_loss", "m"))
    assert nothing is None
    assert len(plain) == 5


def test_numbers_of_very_many_grades_are_cut_nowhere():
    """Counts up to a billion are no grades, beside targets that have some."""
    random = np.random.default_rng(0)
    truth = pd.DataFrame({"grade": random.integers(0, 5, 400), "count": random.integers(0, 10**9, 400)}) * 1.0
    frame = truth.assign(grade=2 + 0.4 * (truth["grade"] - 2) + random.normal(0, 0.1, 400))
    kappa = "quadratic_weighted_kappa"
    lone = frame[["count"]].set_axis(["prediction"], axis=1)
    decision, scores = fit_decision_of(lone, truth["count"], folds(400), metrics.build(kappa, "m"))
    assert decision is None and np.mean(scores) == 1
    mean = metrics.build({"name": "mean_over_targets", "of": kappa}, "m")
    decision, scores = fit_decision_of(frame, truth, folds(400), mean)
    assert list(decision.parts) == ["grade"] and np.mean(scores) > 0.95
    pd.testing.assert_series_equal(decision.apply(frame)["count"], frame["count"])


def targets_of(apart: bool, rows=200):
    """Two targets and two models, of which each is the better one for one of them, or one for both."""
    random = np.random.default_rng(3)
    truth = pd.DataFrame({"x": random.normal(10, 3, rows), "y": random.normal(5, 2, rows)})
    noise = {"m0": (0.3, 3.0 if apart else 0.3), "m1": (3.0, 0.3) if apart else (0.35, 0.35)}
    return truth, {name: truth + random.normal(0, 1, truth.shape) * np.array(spread) for name, spread in noise.items()}


def test_targets_have_weights_of_their_own_where_that_helps():
    several = tasks.build("multioutput_regression", "task")
    results = {}
    for apart in (True, False):
        truth, frames = targets_of(apart)
        codec = several.fit_target(truth, Schema(id=None, target="x, y", columns=(), targets=("x", "y")))
        found = fit_ensemble(
            frames,
            truth,
            folds(len(truth)),
            blend=blends.build("greedy", "blend"),
            task=several,
            target_codec=codec,
            metric=metrics.build("mcrmse", "metric"),
        )
        results[apart] = found, codec, frames, truth
    found, codec, frames, truth = results[True]
    weights = found.ensemble.targets
    assert weights["x"]["m0"] > 0.8 and weights["y"]["m1"] > 0.8
    again = Ensemble.from_json(json.loads(json.dumps(found.ensemble.to_json())))
    answer = again.predict(frames, several, codec)
    for name in ("x", "y"):
        parts = [frames[model][name] * weights[name][model] for model in frames]
        np.testing.assert_allclose(answer[name], sum(parts), rtol=1e-9)
    assert metrics.build("mcrmse", "metric").score(truth, answer) < 0.4
    # Where one set of weights is as good, there is one.
    assert results[False][0].ensemble.targets is None


@pytest.mark.parametrize("there", [1, 2], ids=["all rows", "every second one"])
@pytest.mark.parametrize(
    ("blend", "calibration"),
    [("stacked", "none"), ("best", "temperature"), ("best", "sigmoid"), ("best", "isotonic")],
)
def test_a_penalty_is_of_as_many_rows_whatever_rows_weigh(blend, calibration, there):
    """Rows that all weigh 3, and others 0, are as rows without weights are, however few."""
    target, frames = classes(rows=48, sharpness=2.0)
    fold = np.arange(48) // there % 3
    some = np.arange(48) % there == 0
    few = {name: frame[some].reset_index(drop=True) for name, frame in frames.items()}
    settings = {"blend": blend, "metric": "log_loss", "task": CLASSES, "calibration": calibration}
    alone, codec = fit(target[some], few, fold[some], **settings)
    weighed, _ = fit(target, frames, fold, **settings, weights=3.0 * some)
    assert weighed.weighted == pytest.approx(alone.plain, rel=1e-4)
    after, expected = (one.ensemble.predict(frames, CLASSES, codec) for one in (weighed, alone))
    np.testing.assert_allclose(after, expected, atol=1e-4)


def test_a_ridge_of_rows_that_weigh_alike_is_that_of_rows_without_weights():
    random = np.random.default_rng(0)
    target = pd.Series(random.normal(size=40))
    frames = {f"m{i}": pd.DataFrame({"prediction": target + random.normal(size=40)}) for i in range(3)}
    plain, weighed = (fit(target, frames, folds(40), "stacked", weights=some)[0] for some in (None, np.full(40, 0.2)))
    assert list(weighed.ensemble.weights.values()) == pytest.approx(list(plain.ensemble.weights.values()))


@pytest.mark.parametrize(
    ("blend", "metric", "calibration", "apart"),
    [("non_negative", "log_loss", "none", 1e-6), ("best", "log_loss", "sigmoid", 5e-3), ("best", "f1", "none", 0.06)],
)
def test_rows_of_weight_0_are_as_if_they_were_not_there(blend, metric, calibration, apart):
    """Half of each fold's rows: what is fitted on all of them by weights is fitted on the others alone."""
    target, frames = classes(sharpness=2.0)
    fold = np.repeat(np.arange(3), 200)
    there = np.tile([True, False], 300)
    some = {name: frame[there].reset_index(drop=True) for name, frame in frames.items()}
    settings = {"blend": blend, "metric": metric, "task": CLASSES, "calibration": calibration}
    alone, codec = fit(target[there], some, fold[there], **settings)
    weighed, _ = fit(target, frames, fold, **settings, weights=2.0 * there)
    assert weighed.weighted == pytest.approx(alone.plain, rel=2e-3)
    assert list(weighed.ensemble.weights.values()) == pytest.approx(list(alone.ensemble.weights.values()))
    assert (weighed.ensemble.decision is None) == (alone.ensemble.decision is None) == (metric != "f1")
    after, expected = (one.ensemble.predict(frames, CLASSES, codec) for one in (weighed, alone))
    np.testing.assert_allclose(after, expected, atol=apart)  # thresholds are chosen on random draws of rows
    assert alone.weighted is None and len(weighed.plain) == 3


def test_thresholds_for_accuracy_are_rare_where_probabilities_are_right():
    """Then the most probable class is the best answer, and what other rows find better is chance."""
    accuracy, kept = metrics.build("accuracy", "metric"), 0
    for seed in range(24):
        target, frames = classes(rows=300, share=0.4, models=1, seed=seed)
        kept += fit_decision_of(frames["m0"], target, folds(300), accuracy)[0] is not None
    assert kept <= 5
