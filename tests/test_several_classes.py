"""Several targets that are classes, of which rows may lack some."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from several_classes import (
    COLOURS,
    INPUTS,
    NUMBERS,
    RANDOM,
    ROWS,
    SCHEMA,
    SHAPES,
    SPEC,
    TARGET,
    TARGETS,
    TASK,
    guesses,
    lacking,
    probabilities,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.multioutput import MultiOutputClassifier

from pipeline.answering.each_target import EachTarget, restored
from pipeline.answering.ensembles import fit_ensemble
from pipeline.blends import blends
from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Schema, Spec
from pipeline.features.target_encoding import classes_of, cross_fitted, output_names, read_target
from pipeline.metrics import metrics
from pipeline.metrics.decisions import restore_decision
from pipeline.models import models
from pipeline.splits.several import stratify_several
from pipeline.tasks.losses import losses
from pipeline.training import learners


def job(model, targets: pd.DataFrame, spec: Spec = SPEC) -> FitJob:
    encoded = {"numbers": NUMBERS, "target": TARGET.encode(targets)}
    if model == "tabm":
        encoded["categories"] = np.zeros((ROWS, 0), dtype=np.int64)
    return FitJob(model=models.build(model, "model"), task=TASK, spec=spec, train=encoded, valid=encoded, seed=0)


def learner(model, **values):
    return build_settings(learners.get(models.build(model, "model").learner), values, "fit")


def test_a_model_of_one_target_gives_what_scikit_learns_gives_one_a_target():
    one = job({"name": "logistic_regression", "C": 0.5}, TARGETS)
    answers = TASK.predictions(learner("logistic_regression").fit(one).raw(one.train), TARGET, SPEC)
    expected = MultiOutputClassifier(LogisticRegression(C=0.5, max_iter=1000)).fit(NUMBERS, TARGETS)
    for name, wanted in zip(TARGETS, expected.predict_proba(NUMBERS), strict=True):
        np.testing.assert_allclose(probabilities(answers, name), wanted, atol=2e-3)


def test_a_row_that_lacks_a_target_teaches_the_others_alone(tmp_path):
    targets = lacking(TARGETS)
    one = job({"name": "logistic_regression", "C": 0.5}, targets)
    fit = learner("logistic_regression")
    fitted = fit.fit(one)
    answers = TASK.predictions(fitted.raw(one.train), TARGET, SPEC)
    for name in TARGETS:
        known = targets[name].notna().to_numpy()
        assert 0 < known.sum() < ROWS
        alone = LogisticRegression(C=0.5, max_iter=1000).fit(NUMBERS[known], targets[name][known])
        np.testing.assert_allclose(probabilities(answers, name), alone.predict_proba(NUMBERS), atol=2e-3)
    fitted.save(tmp_path)
    np.testing.assert_array_equal(fit.load(tmp_path, one.model, TASK, SPEC).raw(one.train), fitted.raw(one.train))


def test_what_is_missing_is_masked_in_loss_and_gradient():
    criterion = TASK.criterion(losses.get("cross_entropy")().criterion(), SPEC)
    target = torch.from_numpy(TARGET.encode(lacking(TARGETS)))
    output = torch.randn(ROWS, 8, requires_grad=True)
    total, weight = TASK.loss(output, {"target": target}, criterion)
    expected, first = torch.zeros(()), 0
    for column, classes in enumerate((5, 3)):
        known = ~target[:, column].isnan()
        own = output[known, first : first + classes]
        truth = target[known, column].long()
        expected = expected + torch.nn.functional.cross_entropy(own, truth, reduction="sum")
        first += classes
    torch.testing.assert_close(total, expected)
    assert int(weight) == int((~target.isnan()).sum())
    total.backward()
    assert (output.grad[target[:, 1].isnan()][:, 5:] == 0).all()
    assert (output.grad[~target[:, 1].isnan()][:, 5:] != 0).all()
    # An ensemble inside a network answers each target once a submodel.
    many, weight = TASK.loss(output.detach().unsqueeze(1).expand(-1, 4, -1), {"target": target}, criterion)
    torch.testing.assert_close(many, 4 * total.detach())


@pytest.mark.parametrize("model", ["mlp", "tabm", "realmlp", "softmax"])
def test_networks_learn_all_targets_at_once(model, tmp_path):
    spec = SPEC
    if model == "tabm":
        spec = Spec(
            shapes={"numbers": (INPUTS,), "categories": (0,)},
            sizes={"categories": []},
            outputs=8,
            target_classes=(SHAPES, COLOURS),
        )
    one = job(model, lacking(TARGETS), spec)
    fit = learner(model, epochs=30, learning_rate=0.02)
    fitted = fit.fit(one)
    answers = TASK.predictions(fitted.raw(one.train), TARGET, spec)
    for name in TARGETS:
        own = probabilities(answers, name)
        np.testing.assert_allclose(own.sum(axis=1), 1.0)
        assert roc_auc_score(TARGETS[name], own, multi_class="ovr") > 0.95
    fitted.save(tmp_path / "saved")
    again = fit.load(tmp_path / "saved", one.model, TASK, spec)
    np.testing.assert_array_equal(again.raw(one.train), fitted.raw(one.train))


def test_an_ensemble_inside_a_network_answers_each_target_with_the_mean_of_probabilities():
    spec = Spec(shapes={"numbers": (INPUTS,)}, sizes={"categories": []}, outputs=8, target_classes=(SHAPES, COLOURS))
    network = models.build({"name": "tabm", "submodels": 3, "dropout": 0.0}, "model").build(spec, TASK, 0)
    batch = {"numbers": torch.from_numpy(NUMBERS[:5])}
    each = network.train()(batch)[0]  # [batch, submodels, outputs]
    answer = network.eval()(batch)[0]
    for own in (slice(0, 5), slice(5, 8)):
        expected = each[..., own].softmax(dim=-1).mean(dim=1)
        torch.testing.assert_close(answer[:, own].exp(), expected)


def test_a_class_that_training_rows_lack_and_a_target_they_agree_on_are_answered_all_the_same(tmp_path):
    targets = TARGETS.assign(colour="red")
    targets["shape"] = targets["shape"].mask(targets["shape"] == "star", "rod")
    one = job("lightgbm", targets)
    fit = learner("lightgbm", iterations=40)
    fitted = fit.fit(one)
    answers = TASK.predictions(fitted.raw(one.train), TARGET, SPEC)
    assert (answers["colour=red"] > 0.98).all() and (answers["shape=star"] < 0.01).all()
    assert accuracy_score(targets["shape"], np.array(SHAPES)[probabilities(answers, "shape").argmax(axis=1)]) > 0.9
    fitted.save(tmp_path)
    np.testing.assert_allclose(fit.load(tmp_path, one.model, TASK, SPEC).raw(one.train), fitted.raw(one.train))


def test_a_saved_target_and_spec_keep_the_order_of_columns_and_classes():
    saved = json.loads(json.dumps(TARGET.state(), sort_keys=True))
    raw = RANDOM.normal(size=(5, 8))
    expected = TASK.predictions(raw, TARGET, SPEC)
    assert list(expected) == SCHEMA.prediction_names
    schema = Schema.from_json(json.loads(json.dumps(SCHEMA.to_json(), sort_keys=True)))
    pd.testing.assert_frame_equal(TASK.predictions(raw, TASK.restore_target(saved, schema), SPEC), expected)
    assert Spec.from_json(json.loads(json.dumps(SPEC.to_json(), sort_keys=True))) == SPEC


def test_metrics_are_the_columns_means():
    told, absent = guesses(), lacking(TARGETS)
    said = {
        name: np.array(levels)[probabilities(told, name).argmax(axis=1)]
        for name, levels in zip(SCHEMA.targets, SCHEMA.target_classes)
    }
    known = {name: absent[name].notna().to_numpy() for name in absent}

    def mean(one, weights=(1, 1)):
        return np.average([one(name, known[name]) for name in TARGETS], weights=weights)

    def score(metric):
        return metrics.build(metric, "m").score(absent, told)

    accuracies = mean(lambda name, rows: accuracy_score(TARGETS[name][rows], said[name][rows]))
    assert score({"name": "mean_over_targets", "of": "accuracy"}) == pytest.approx(accuracies)
    macro = mean(lambda name, rows: f1_score(TARGETS[name][rows], said[name][rows], average="macro"), (2, 1))
    of = {"name": "f1", "average": "macro"}
    assert score({"name": "mean_over_targets", "of": of, "weights": {"shape": 2}}) == pytest.approx(macro)
    logs = mean(lambda name, rows: log_loss(TARGETS[name][rows], probabilities(told, name)[rows]))
    assert score("mean_columnwise_log_loss") == pytest.approx(logs)
    areas = mean(
        lambda name, rows: roc_auc_score(TARGETS[name][rows], probabilities(told, name)[rows], multi_class="ovr")
    )
    assert score("mean_columnwise_auc") == pytest.approx(areas)


def test_folds_have_their_share_of_each_class():
    fold = stratify_several(lacking(TARGETS), 4, 0)
    sizes = np.bincount(fold)
    assert len(sizes) == 4 and sizes.max() - sizes.min() <= 6
    for name in TARGETS:
        for level, rows in TARGETS.groupby(name).groups.items():
            known = lacking(TARGETS)[name].iloc[rows].notna().to_numpy()
            counts = np.bincount(fold[np.asarray(rows)[known]], minlength=4)
            assert counts.max() - counts.min() <= 2, (level, counts)


def ensemble(metric, frames, blend="greedy", targets=TARGETS):
    fold = np.arange(ROWS) % 4
    return fit_ensemble(
        frames,
        targets,
        fold,
        blend=blends.build(blend, "blend"),
        task=TASK,
        target_codec=TARGET,
        metric=metrics.build(metric, "m"),
    )


@pytest.mark.parametrize("blend", [{"name": "greedy", "bags": 2}, {"name": "non_negative"}])
def test_each_target_has_weights_of_its_own_where_that_helps(blend):
    good, noise = guesses(), TASK.predictions(RANDOM.normal(size=(ROWS, 8)), TARGET, SPEC)
    shape = [name for name in good if name.startswith("shape=")]
    frames = {"of shapes": noise.assign(**good[shape]), "of colours": good.assign(**noise[shape])}
    found = ensemble("mean_columnwise_log_loss", frames, {**blend, "calibration": "none"}, lacking(TARGETS))
    assert found.ensemble.targets["shape"]["of shapes"] > 0.9 and found.ensemble.targets["colour"]["of colours"] > 0.9
    answer = found.ensemble.predict(frames, TASK, TARGET)
    assert list(answer) == SCHEMA.prediction_names
    np.testing.assert_allclose(answer[shape].sum(axis=1), 1.0)


def test_probabilities_are_calibrated_and_classes_decided_by_target():
    sharp = TASK.predictions(4 * np.log(guesses().to_numpy()), TARGET, SPEC)
    found = ensemble("mean_columnwise_log_loss", {"m": sharp}).ensemble
    assert isinstance(found.calibration, EachTarget) and set(found.calibration.parts) == {"shape", "colour"}
    after = found.predict({"m": sharp}, TASK, TARGET)
    for name in TARGETS:
        np.testing.assert_allclose(probabilities(after, name).sum(axis=1), 1.0)
        assert log_loss(TARGETS[name], probabilities(after, name)) < log_loss(TARGETS[name], probabilities(sharp, name))
    rare = TARGETS.assign(colour=np.where(TARGETS["colour"] == "red", "red", "blue"))
    shy = guesses()
    shy["colour=red"] *= 0.2
    shy["colour=blue"] = 1 - shy["colour=red"] - shy["colour=green"]
    metric = {"name": "mean_over_targets", "of": {"name": "f1", "average": "macro"}}
    found = ensemble(metric, {"m": shy}, targets=rare)
    assert found.ensemble.decision is not None and found.steps["decided"] > found.steps["blended"]
    state = json.loads(json.dumps(found.ensemble.decision.state()))
    pd.testing.assert_frame_equal(restored(state, restore_decision).apply(shy), found.ensemble.decision.apply(shy))


def test_target_encoding_has_a_mean_for_each_class_of_each_target():
    rows = lacking(TARGETS)
    codes = (NUMBERS[:, :1] > 0).astype(np.int32)
    levels = settled_levels(codes)
    folds = [(np.flatnonzero(np.arange(ROWS) % 2 != k), np.flatnonzero(np.arange(ROWS) % 2 == k)) for k in range(2)]
    made = cross_fitted(codes, levels, read_target(rows, SCHEMA), classes_of(SCHEMA), lambda: folds)
    assert made.shape == (ROWS, 8) and output_names(SCHEMA) == SCHEMA.prediction_names
    training, held_out = folds[0]
    known = training[rows["colour"].iloc[training].notna().to_numpy()]
    of_level = known[codes[known, 0] == 1]
    share = (rows["colour"].iloc[of_level] == "red").mean()
    here = held_out[codes[held_out, 0] == 1]
    np.testing.assert_allclose(made[here, -1], share, atol=0.02)  # shrunk a little


def settled_levels(codes):
    from pipeline.features.categories import Levels

    return [Levels.fit("kind", pd.Series(codes[:, 0]).map({0: "a", 1: "b"}), 1)]


def test_a_forest_of_several_classes_is_scikit_learns_of_one_each():
    one = job({"name": "random_forest", "n_estimators": 200}, TARGETS)
    answers = TASK.predictions(learner("random_forest").fit(one).raw(one.train), TARGET, SPEC)
    expected = MultiOutputClassifier(RandomForestClassifier(200, random_state=0)).fit(NUMBERS, TARGETS)
    for name, wanted in zip(TARGETS, expected.predict_proba(NUMBERS), strict=True):
        assert np.corrcoef(probabilities(answers, name).ravel(), wanted.ravel())[0, 1] > 0.97
