"""The learners ``estimator`` and ``boosting``, over every model they fit and every task it answers."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.core.errors import Diverged, Faults, UserError
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

NUMERIC = [name for name in models if "numbers" in models.get(name).needs]  # others read terms
OWN = [name for name in NUMERIC if models.get(name).learner in ("estimator", "boosting")]
CASES = [(name, kind) for name in OWN for kind in ("regression", "binary", "multiclass")]
CASES = [(name, kind) for name, kind in CASES if (kind == "regression") == ("regression" in models.get(name).tasks[:1])]
CASES += [(name, kind) for name in OWN for kind in ("binary", "multiclass") if len(models.get(name).tasks) == 2]
SMALLER = {name: {"n_estimators": 20} for name in ("extra_trees", "random_forest")}
CLASSES = {"regression": 1, "binary": 2, "multiclass": 4}


def rows(count, classes, seed=0, categories=False):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 3)).astype(np.float32)
    encoded = {"numbers": numbers}
    signal = numbers[:, 0] - 2 * numbers[:, 1] + random.normal(size=count) / 10
    if categories:
        encoded["categories"] = random.integers(0, 4, (count, 1))
        signal += encoded["categories"][:, 0]
    target = np.digitize(signal, [0.0, 1.5, 3.0][: classes - 1]) if classes > 1 else signal[:, None].astype(np.float32)
    return encoded | {"target": target}


def job_and_learner(name, kind="regression", seed=5, fit=None, **more):
    model = models.build({"name": name, **SMALLER.get(name, {})}, "model")
    boosted = model.learner == "boosting"
    shapes = {"numbers": (3,)} | ({"categories": (1,)} if boosted else {})
    names = {"numbers": ["a", "b", "c"]} | ({"categories": ["d"]} if boosted else {})
    classes = CLASSES[kind]
    job = FitJob(
        model=model,
        task=tasks.build("regression" if classes == 1 else "classification", "task"),
        spec=Spec(shapes=shapes, names=names, outputs=classes),
        train=rows(200, classes, categories=boosted),
        valid=rows(100, classes, seed=1, categories=boosted),
        seed=seed,
        **more,
    )
    fit = {"iterations": 60, "early_stopping": 5, **(fit or {})} if boosted else fit
    return job, build_settings(learners.get(model.learner), fit, "fit")


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_model_learns_repeats_and_comes_back_to_the_bit(name, kind, tmp_path):
    job, learner = job_and_learner(name, kind)
    first, second = learner.fit(job), learner.fit(job)
    raw = first.raw(job.valid)
    assert raw.shape == (100, CLASSES[kind])
    assert raw.dtype == np.float64
    np.testing.assert_array_equal(second.raw(job.valid), raw)

    for fitted, place in ((first, "first"), (second, "second")):
        (tmp_path / place).mkdir()
        fitted.save(tmp_path / place)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
        assert (tmp_path / "first" / file).suffix in (".safetensors", ".txt", ".cbm", ".ubj")

    loaded = learner.load(tmp_path / "first", job.model, job.task, job.spec)
    np.testing.assert_array_equal(loaded.raw(job.valid), raw)
    assert loaded.rounds == first.rounds >= 1
    assert loaded.importance() == first.importance()

    if kind == "regression":
        assert np.mean((raw - job.valid["target"]) ** 2) < 0.5 * np.var(job.valid["target"])
    else:
        np.testing.assert_allclose(np.exp(raw).sum(axis=1), 1, atol=1e-9)
        chosen = raw[np.arange(100), job.valid["target"]]
        shares = np.bincount(job.train["target"]) / 200
        assert -chosen.mean() < -0.8 * np.log(shares)[job.valid["target"]].mean()


def test_the_learner_settings_go_out_and_come_back():
    _, learner = job_and_learner("lightgbm", fit={"loss": {"name": "huber", "delta": 0.3}})
    plain = settings_dict(learner)
    assert plain["loss"] == {"name": "huber", "delta": 0.3}
    name = plain.pop("name")
    assert build_settings(learners.get(name), plain, "fit") == learner


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_rounds_are_trained_exactly_whatever_the_settings_say(name):
    job, learner = job_and_learner(name, rounds=17)
    assert learner.fit(job).rounds == 17
    job.valid = None
    assert learner.fit(job).rounds == 17


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_curves_and_progress_reach_the_caller(name):
    heard = []
    job, learner = job_and_learner(
        name, fit={"iterations": 40, "early_stopping": None}, progress=lambda done, total: heard.append((done, total))
    )
    curves = learner.fit(job).curves
    assert curves["iteration"] == [float(k) for k in range(1, 41)]
    assert len(curves["train_loss"]) == len(curves["valid_loss"]) == 40
    assert curves["train_loss"][-1] < curves["train_loss"][0]
    assert heard == [(k, 40) for k in range(1, 41)]


def test_valid_loss_is_the_root_mean_squared_error_of_the_raw_answers():
    for name in ("lightgbm", "catboost", "xgboost"):
        job, learner = job_and_learner(name, fit={"iterations": 20, "early_stopping": None})
        fitted = learner.fit(job)
        error = np.sqrt(np.mean((fitted.raw(job.valid) - job.valid["target"]) ** 2))
        assert fitted.curves["valid_loss"][-1] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("validated", [True, False])
def test_boosting_that_diverges_says_so(validated):
    job, learner = job_and_learner("xgboost", fit={"iterations": 400, "early_stopping": None})
    job.model = models.build({"name": "xgboost", "learning_rate": 10}, "model")
    job.valid = job.valid if validated else None
    with pytest.raises(Diverged, match=r"loss became (inf|nan) by iteration \d+: lower model.learning_rate \(10\)"):
        learner.fit(job)


def test_without_validation_rows_all_iterations_are_trained():
    job, learner = job_and_learner("lightgbm", fit={"iterations": 25})
    job.valid = None
    fitted = learner.fit(job)
    assert fitted.rounds == 25
    assert "valid_loss" not in fitted.curves


def test_a_seed_changes_a_model_that_draws():
    job, learner = job_and_learner("catboost")
    other, _ = job_and_learner("catboost", seed=6)
    assert not np.array_equal(learner.fit(job).raw(job.valid), learner.fit(other).raw(job.valid))


def test_faults_in_the_settings_are_told_with_their_key():
    with pytest.raises(Faults, match=r"fit\.iterations: .* got 0"):
        build_settings(learners.get("boosting"), {"iterations": 0}, "fit")
    with pytest.raises(Faults, match=r"fit\.loss.*squared"):
        build_settings(learners.get("boosting"), {"loss": "cubed"}, "fit")
    with pytest.raises(Faults, match=r"fit\.loss.*label smoothing"):
        build_settings(learners.get("boosting"), {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}}, "fit")
    with pytest.raises(Faults, match=r"fit\.loss.*class_weights.*under model"):
        build_settings(
            learners.get("boosting"), {"loss": {"name": "cross_entropy", "class_weights": "balanced"}}, "fit"
        )
    for name, largest in {"border_count": 65535, "one_hot_max_size": 65535, "max_ctr_complexity": 15}.items():
        models.build({"name": "catboost", name: largest}, "model")
        with pytest.raises(Faults, match=rf"model\.{name}: .* less than or equal to {largest}, got {largest + 1}"):
            models.build({"name": "catboost", name: largest + 1}, "model")
    with pytest.raises(Faults, match=r"fit\.epochs: unknown key"):
        build_settings(learners.get("estimator"), {"epochs": 3}, "fit")


def test_one_class_in_training_is_refused():
    for name in ("lightgbm", "catboost", "xgboost", "support_vectors"):
        job, learner = job_and_learner(name, "binary")
        job.train["target"][:] = 0
        with pytest.raises(UserError, match="at least two classes"):
            learner.fit(job)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from pipeline.core.registry import build_settings
from pipeline.core.types import FitJob, Spec
from pipeline.models import models
from pipeline.tasks import tasks
from pipeline.training import learners

model, task = models.build(sys.argv[1], "model"), tasks.build("regression", "task")
assert not {"sklearn", "lightgbm", "catboost", "xgboost", "pandas"} & set(sys.modules), "read settings only"
learner = build_settings(learners.get(model.learner), {}, "fit")
spec = Spec(shapes={"numbers": (2,)}, names={"numbers": ["a", "b"]})
numbers = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
train = {"numbers": numbers, "target": numbers[:, :1]}
folder = Path(sys.argv[2])
if sys.argv[3] == "fit":
    learner.fit(FitJob(model=model, task=task, spec=spec, train=train, valid=train, seed=0)).save(folder)
else:
    learner.load(folder, model, task, spec).raw(train)
print(*sorted({"torch", "skops", "mlflow", "joblib", "sklearn"} & set(sys.modules)))
"""


def test_no_library_is_loaded_that_the_model_does_not_need(tmp_path):
    def loaded(name, act):
        command = [sys.executable, "-c", SCRIPT, name, str(tmp_path), act]
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.split()

    assert not {"torch", "skops", "mlflow"} & set(loaded("lightgbm", "fit"))
    assert not {"torch", "skops", "mlflow"} & set(loaded("support_vectors", "fit"))
    assert loaded("support_vectors", "load") == []
