"""LightGBM, CatBoost and XGBoost held against their libraries' own direct use."""

import subprocess
import sys

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from pipeline.core.errors import Faults, UserError
from pipeline.core.seeds import threads
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.models.estimators.base import Plan
from pipeline.models.estimators.boosting import CURVE_POINTS, thinned
from pipeline.tasks import tasks

BOOSTERS = ["lightgbm", "catboost", "xgboost"]
SPEC = Spec(
    shapes={"numbers": (4,), "categories": (2,)},
    names={"numbers": ["area", "age", "rooms", "noise"], "categories": ["street", "roof"]},
    sizes={"categories": [6, 4]},
)


def rows(count, seed=0, classes=1):
    """Numbers with holes; levels 1 to 5 and 1 to 3, 0 where missing; a target made of both."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 4)).astype(np.float32)
    categories = np.stack([random.integers(0, 6, count), random.integers(0, 4, count)], axis=1)
    signal = numbers[:, 0] + numbers[:, 1] ** 2 + np.array([0, 2, -1, 1, -2, 0.5])[categories[:, 0]]
    signal = signal + random.normal(size=count) / 10
    numbers[random.random((count, 4)) < 0.1] = np.nan
    target = np.digitize(signal, [0.5, 2.0][: classes - 1]) if classes > 1 else signal[:, None].astype(np.float32)
    return {"numbers": numbers, "categories": categories, "target": target}


def build(name, classes=1, seed=3, **settings):
    task = tasks.build("regression" if classes == 1 else "classification", "task")
    levels = tuple("abcd"[:classes]) if classes > 1 else ()
    spec = Spec(shapes=SPEC.shapes, names=SPEC.names, sizes=SPEC.sizes, outputs=classes, classes=levels)
    return models.build({"name": name, **settings}, "model").build(spec, task, seed)


PLAN = Plan(iterations=30)


def fitted(name, train, valid=None, plan=PLAN, classes=1, **settings):
    model = build(name, classes, **settings)
    model.fit(train, valid, plan)
    return model


def table(encoded):
    columns = {name: encoded["numbers"][:, k] for k, name in enumerate(SPEC.names["numbers"])}
    return pd.DataFrame(
        columns | {name: encoded["categories"][:, k] for k, name in enumerate(SPEC.names["categories"])}
    )


def direct(name, train, valid, stop):
    """Predictions for ``valid`` and the best iteration, by the library's scikit-learn interface."""
    frames = table(train), table(valid)
    target, against = train["target"].ravel(), valid["target"].ravel()
    if name == "lightgbm":
        frames = [frame.astype({"street": "category", "roof": "category"}) for frame in frames]
        model = lightgbm.LGBMRegressor(
            n_estimators=500, learning_rate=0.1, random_state=3, deterministic=True, force_row_wise=True, verbosity=-1
        )
        model.set_params(n_jobs=1)
        model.fit(frames[0], target, eval_X=frames[1], eval_y=against, callbacks=[lightgbm.early_stopping(stop)])
        return model.predict(frames[1]), model.best_iteration_
    if name == "catboost":
        model = catboost.CatBoostRegressor(
            iterations=500, learning_rate=0.1, random_seed=3, thread_count=1, max_ctr_complexity=1, verbose=False,
            bootstrap_type="MVS", subsample=0.8, cat_features=["street", "roof"], allow_writing_files=False,
        )  # fmt: skip
        model.fit(frames[0], target, eval_set=(frames[1], against), early_stopping_rounds=stop)
        return model.predict(frames[1]), model.tree_count_
    frames = [frame.astype({"street": "category", "roof": "category"}) for frame in frames]
    model = xgboost.XGBRegressor(
        n_estimators=500, learning_rate=0.1, random_state=3, n_jobs=1, early_stopping_rounds=stop,
        enable_categorical=True, max_cat_to_onehot=4, tree_method="hist",
    )  # fmt: skip
    model.fit(frames[0], target, eval_set=[(frames[1], against)], verbose=False)
    return model.predict(frames[1]), model.best_iteration + 1


@pytest.mark.parametrize("name", BOOSTERS)
def test_early_stopping_keeps_the_iteration_that_direct_use_finds(name):
    train, valid = rows(300), rows(150, seed=1)
    plan = Plan(iterations=500, early_stopping=10)
    model = fitted(name, train, valid, plan, learning_rate=0.1)
    expected, best = direct(name, train, valid, stop=10)
    assert model.rounds == best < 500
    np.testing.assert_allclose(model.raw(valid)[:, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BOOSTERS)
def test_training_for_given_iterations_gives_the_stopped_model_again(name):
    train, valid = rows(300), rows(150, seed=1)
    stopped = fitted(name, train, valid, Plan(iterations=500, early_stopping=10), learning_rate=0.1)
    again = fitted(name, train, None, Plan(iterations=stopped.rounds), learning_rate=0.1)
    assert again.rounds == stopped.rounds
    np.testing.assert_allclose(again.raw(valid), stopped.raw(valid), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", BOOSTERS)
def test_without_early_stopping_every_iteration_is_kept_however_bad(name):
    train, valid = rows(200), rows(100, seed=1)
    for seed, encoded in enumerate((train, valid)):  # noise: every tree makes the validation rows worse
        encoded["target"] = np.random.default_rng(seed).normal(size=(len(encoded["target"]), 1)).astype(np.float32)
    model = fitted(name, train, valid, Plan(iterations=50), learning_rate=0.3)
    assert model.rounds == 50
    assert model.curves["iteration"] == list(range(1, 51))
    assert min(model.curves["valid_loss"]) < model.curves["valid_loss"][-1]


@pytest.mark.parametrize("name", BOOSTERS)
def test_native_categories_tell_what_numbers_do_not(name):
    train, valid = rows(400), rows(200, seed=1)
    settings = {"min_data_per_group": 10} if name == "lightgbm" else {}
    plan = Plan(iterations=200)

    def error(model, inputs):
        return float(np.sqrt(np.mean((model.raw(inputs) - valid["target"]) ** 2)))

    with_categories = fitted(name, train, None, plan, **settings)
    plain = Spec(shapes={"numbers": (4,)}, names={"numbers": SPEC.names["numbers"]})
    without = models.build(name, "model").build(plain, tasks.build("regression", "task"), 3)
    numbers = {"numbers": valid["numbers"]}
    without.fit({"numbers": train["numbers"], "target": train["target"]}, None, plan)
    assert error(with_categories, valid) < 0.7 * error(without, numbers)
    shares = with_categories.importance()
    assert list(shares) == [*SPEC.names["numbers"], *SPEC.names["categories"]]
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares["area"], shares["age"], shares["street"]) > 2 * max(shares["noise"], shares["roof"])
    assert list(without.importance()) == SPEC.names["numbers"]


@pytest.mark.parametrize("name", BOOSTERS)
def test_unseen_levels_and_all_missing_rows_are_answered(name):
    model = fitted(name, rows(300))
    new = rows(3, seed=2)
    new["numbers"][:] = np.nan
    new["categories"][:] = [[0, 0], [77, 77], [6, 4]]
    assert np.isfinite(model.raw(new)).all()


@pytest.mark.parametrize("name", BOOSTERS)
def test_losses_aim_at_mean_median_and_between(name):
    train, new = rows(2000), rows(500, seed=1)
    train["target"] = np.random.default_rng(4).exponential(size=(2000, 1)).astype(np.float32)  # no signal
    settings = {"depth": 2} if name == "catboost" else {"max_depth": 2}

    def centre(loss):
        plan = Plan(iterations=150, loss=loss, delta=1.0)
        return fitted(name, train, None, plan, learning_rate=0.05, **settings).raw(new).mean()

    mean, median, between = centre("squared"), centre("absolute"), centre("huber")
    assert mean == pytest.approx(1.0, abs=0.05)
    assert median == pytest.approx(np.log(2), abs=0.05)
    assert median + 0.05 < between < mean - 0.05


@pytest.mark.parametrize("name", BOOSTERS)
def test_a_class_absent_from_training_is_improbable(name):
    train = rows(300, classes=3)
    train["target"][train["target"] == 1] = 3
    valid = rows(100, seed=1, classes=3)  # holds a class that training has not
    raw = fitted(name, train, valid, Plan(iterations=50, early_stopping=10), classes=4).raw(valid)
    assert raw.shape == (100, 4)
    assert np.exp(raw[:, 1]).max() < 0.05
    np.testing.assert_allclose(np.exp(raw).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_balanced_classes_are_row_weights_in_direct_use(name, classes):
    """In the validation loss too, by the training rows' counts."""
    train, valid = rows(300, classes=classes), rows(150, seed=1, classes=classes)
    for part in (train, valid):
        part["categories"] = part["categories"][:, :0]
    counts = np.bincount(train["target"])
    weigh = 300 / classes / counts
    given, target, weights = train["numbers"], train["target"], weigh[train["target"]]
    against, truth, valid_weights = valid["numbers"], valid["target"], weigh[valid["target"]]
    if name == "lightgbm":
        model = lightgbm.LGBMClassifier(
            n_estimators=500, random_state=3, deterministic=True, force_row_wise=True, verbosity=-1, n_jobs=1
        )
        evaluation = {"eval_X": against, "eval_y": truth, "eval_sample_weight": [valid_weights]}
        model.fit(given, target, sample_weight=weights, **evaluation, callbacks=[lightgbm.early_stopping(10)])
        best = model.best_iteration_
    elif name == "catboost":
        model = catboost.CatBoostClassifier(
            iterations=500, learning_rate=0.1, random_seed=3, thread_count=1, max_ctr_complexity=1, verbose=False,
            bootstrap_type="MVS", subsample=0.8, allow_writing_files=False,
        )  # fmt: skip
        pools = catboost.Pool(given, target, weight=weights), catboost.Pool(against, truth, weight=valid_weights)
        model.fit(pools[0], eval_set=pools[1], early_stopping_rounds=10)
        best = model.tree_count_
    else:
        model = xgboost.XGBClassifier(
            n_estimators=500, learning_rate=0.1, random_state=3, n_jobs=1, early_stopping_rounds=10, tree_method="hist"
        )
        evaluation = {"eval_set": [(against, truth)], "sample_weight_eval_set": [valid_weights]}
        model.fit(given, target, sample_weight=weights, **evaluation, verbose=False)
        best = model.best_iteration + 1
    plan = Plan(iterations=500, early_stopping=10)
    own = fitted(name, train, valid, plan, classes, learning_rate=0.1, class_weights="balanced")
    assert own.rounds == best < 500
    np.testing.assert_allclose(np.exp(own.raw(valid)), model.predict_proba(against), atol=1e-5)
    plain = fitted(name, train, valid, plan, classes, learning_rate=0.1)
    rare = int(np.argmin(counts))
    assert np.exp(own.raw(valid)[:, rare]).mean() > np.exp(plain.raw(valid)[:, rare]).mean() + 0.02


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("native", [True, False])
def test_validation_rows_count_alike_where_training_rows_weigh(name, native):
    """And their loss is told and stops the training: LightGBM takes weights that are not given for those of no row."""
    train, valid = rows(300, classes=2), rows(150, seed=1, classes=2)
    train["row_weight"] = np.where(np.arange(300) < 100, 0.3, 1.35).astype(np.float32)
    if not native:
        for part in (train, valid):
            part["categories"] = part["categories"][:, :0]
    own = fitted(name, train, valid, Plan(iterations=500, early_stopping=10), classes=2, learning_rate=0.1)
    truth = own.raw(valid)[np.arange(150), valid["target"]]
    assert 1 < own.rounds < 500
    assert min(own.curves["valid_loss"]) == pytest.approx(-truth.mean(), rel=1e-4)


def test_linear_trees_are_lightgbms_and_come_back_from_text(tmp_path):
    train, valid = rows(400), rows(200, seed=1)
    settings = {"linear_tree": True, "linear_lambda": 0.5, "path_smooth": 1.0, "num_leaves": 4, "learning_rate": 0.1}
    model = fitted("lightgbm", train, valid, Plan(iterations=300, early_stopping=20), **settings)
    frames = [table(part).astype({"street": "category", "roof": "category"}) for part in (train, valid)]
    theirs = lightgbm.LGBMRegressor(
        n_estimators=300, random_state=3, deterministic=True, force_row_wise=True, verbosity=-1, n_jobs=1, **settings
    )
    stop = [lightgbm.early_stopping(20)]
    theirs.fit(frames[0], train["target"].ravel(), eval_X=frames[1], eval_y=valid["target"].ravel(), callbacks=stop)
    assert model.rounds == theirs.best_iteration_
    np.testing.assert_allclose(model.raw(valid)[:, 0], theirs.predict(frames[1]), rtol=1e-5, atol=1e-6)
    plain = fitted(
        "lightgbm", train, valid, Plan(iterations=300, early_stopping=20), **settings | {"linear_tree": False}
    )

    def error(one):
        return np.mean((one.raw(valid) - valid["target"]) ** 2)

    assert error(model) < error(plain)
    model.save(tmp_path)
    again = build("lightgbm", **settings)
    again.load(tmp_path)
    np.testing.assert_array_equal(again.raw(valid), model.raw(valid))
    with pytest.raises(UserError, match="linear_tree cannot aim at the absolute loss"):
        fitted("lightgbm", train, valid, Plan(loss="absolute"), **settings)


def test_curves_are_thinned_and_keep_the_last_iteration():
    curves = thinned([float(k) for k in range(1, 1003)], None)
    assert len(curves["iteration"]) <= CURVE_POINTS + 1
    assert curves["iteration"] == curves["train_loss"]
    assert curves["iteration"][-1] == 1002
    assert thinned([0.5], [0.7]) == {"iteration": [1.0], "train_loss": [0.5], "valid_loss": [0.7]}


def test_threads_follow_the_variable_that_caps_a_job(monkeypatch):
    for value, expected in (("3", 3), ("0", 1), ("", 1), ("4,2", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert threads() == expected
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == 1


@pytest.mark.parametrize("name", ["catboost", "xgboost"])
def test_a_booster_that_is_not_installed_is_asked_for_when_it_is_built(name):
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Spec
from pipeline.models import models
from pipeline.tasks import tasks
model = models.build({{"name": {name!r}, "learning_rate": 0.1}}, "models.m.model")
try:
    model.build(Spec(), tasks.build("regression", "task"), 0)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    assert done.stdout == (
        f"model '{name}': needs the extra boosters, and {name} is not installed; run: pip install -e '.[boosters]'\n"
    )


@pytest.mark.parametrize("beyond", [{"border_count": 65536}, {"max_ctr_complexity": 16}])
def test_what_catboost_would_refuse_in_training_is_refused_when_it_is_declared(beyond):
    with pytest.raises(Faults, match=rf"m\.{next(iter(beyond))}: input should be less than or equal"):
        models.build({"name": "catboost", **beyond}, "m")
