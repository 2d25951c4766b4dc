"""One test over every shelf: a new part is tested the moment it stands there."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backbones import NAME, WEIGHTS, tiny_backbone
from backbones import THERE as TIMM
from columns import dense
from encoders import THERE, TINY, tiny_encoder

from pipeline.core.cleaning import Cleaner
from pipeline.core.combination import Blend
from pipeline.core.config import Columns
from pipeline.core.errors import UserError
from pipeline.core.pairing import reads
from pipeline.core.ragged import Ragged
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.types import (
    Column,
    FeatureSet,
    FitJob,
    Learner,
    Loss,
    Metric,
    Model,
    Schema,
    Source,
    Split,
    Task,
)
from pipeline.core.weighting.base import Weighting
from pipeline.images.column import Images
from pipeline.models.layers.network import Network
from pipeline.splits.inner_folds import split_within
from pipeline.stages.project import shelves
from pipeline.tasks.losses import losses
from pipeline.text.cleaning import cleaners
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.base import Estimator
from pipeline.text.n_grams.counts import count
from pipeline.text.reserved import BOS
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.network import FittedNetwork
from pipeline.training.predictor import Predictor

SHELVES = shelves()
ROWS = 60
WORDS = ["red", "green", "blue", "fox", "dog", "cat", "runs", "sleeps", "eats", "fast", "slow"]

SETTINGS = {  # what a part asks for beyond its defaults
    ("features", "tokens"): {"column": "text"},
    ("features", "next_tokens"): {"column": "text"},
    ("features", "pairs"): {"source": "text", "target": "answer"},
    ("features", "learned"): {"path": "pipeline/features/own/counts.py", "of": "tabular"},
    ("features", "pretrained"): {"encoder": str(TINY)},
    ("features", "pretrained_tokens"): {"encoder": str(TINY), "column": "text"},
    ("metrics", "mean_over_targets"): {"of": "rmse"},
    ("models", "pretrained_image"): {"backbone": NAME, "weights": str(WEIGHTS)},
    ("fit", "neural"): {"epochs": 2, "batch_size": 16},
    ("fit", "boosting"): {"iterations": 2},
}


def made_rows() -> pd.DataFrame:
    """Typed rows with a column of every kind, some of it missing."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 6)) for _ in range(ROWS)]
    rows = pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "number": np.where(generator.random(ROWS) < 0.1, np.nan, generator.normal(size=ROWS)),
            "category": pd.Series(generator.choice(["a", "b", "c"], ROWS), dtype="str"),
            "text": pd.Series(texts, dtype="str"),
            "answer": pd.Series([text.upper() for text in texts], dtype="str"),
            "value": np.abs(generator.normal(size=ROWS)) + 1,
            "class": generator.choice(["no", "yes", "maybe"], ROWS),
        }
    )
    images = generator.integers(0, 256, (ROWS, 8, 8, 1)).astype(np.uint8)
    return rows.assign(image=pd.Series(Images.of(images)))


RAW = made_rows()
TARGETS = {"number": "value", "class": "class", "text": "answer"}


def schema_for(kind: str) -> Schema:
    columns = (
        Column("number", "number"),
        Column("category", "category"),
        Column("text", "text"),
        Column("image", "image"),
    )
    classes = ("maybe", "no", "yes") if kind == "class" else ()
    return Schema(id="id", target=TARGETS[kind], columns=columns, classes=classes, target_kind=kind)


def rows_for(schema: Schema) -> pd.DataFrame:
    features = [column.name for column in schema.columns]
    return RAW[["id", *features, schema.target]]


def folds_of(rows: pd.DataFrame):
    return split_within(SHELVES.splits.build("shuffled", "split"), rows, Columns(), False)


def feature_set(name: str):
    return SHELVES.features.build({"name": name, **SETTINGS.get(("features", name), {})}, name)


def model_of(name: str):
    return SHELVES.models.build({"name": name, **SETTINGS.get(("models", name), {})}, "model")


LACKING = () if THERE else ("pretrained", "pretrained_tokens")
"""Feature sets that there is no encoder for here."""


@pytest.fixture(autouse=True)
def _encoder(request: pytest.FixtureRequest) -> None:
    """Made only for the tests that read it, since it takes seconds."""
    if "pretrained_image" in request.node.name:
        if TIMM:
            tiny_backbone()
    elif THERE and "pretrained" in request.node.name:
        tiny_encoder()


def pairings() -> list[tuple[str, str, str]]:
    """Every model with each task it claims and a feature set that gives what it needs."""
    found = []
    for name in SHELVES.models:
        if name == "pretrained_translator":  # which reads a model's own tokens: see its tests
            continue
        if name == "pretrained_image" and not TIMM:
            continue
        model = SHELVES.models.get(name)
        for task in model.tasks:
            # ``learned`` gives what the set behind it does, ``pretrained`` and ``pixels`` numbers alone: one model on
            # them will do.
            sets = [
                one for one in SHELVES.features if one not in ("learned", "pretrained", "pixels") or name == "ridge"
            ]
            sets = [one for one in sets if one not in LACKING]
            sets = [chosen for chosen in sets if reads(model, feature_set(chosen))]
            assert sets, f"no feature set gives {model.needs}"
            found += [(name, task, chosen) for chosen in sets]
    return found


@pytest.mark.parametrize(("name", "task_name", "set_name"), pairings())
def test_a_model_trains_saves_loads_and_predicts_the_same(name, task_name, set_name, tmp_path: Path):
    task = SHELVES.tasks.build(task_name, "task")
    model = model_of(name)
    learner = build_settings(SHELVES.learners.get(model.learner), SETTINGS.get(("fit", model.learner)), "fit")
    schema, features = schema_for(task.target_kind), feature_set(set_name)
    rows = rows_for(schema)
    encoder = features.fit(rows, schema, seed=0)
    target = task.fit_target(rows[schema.target], schema)
    spec = replace(encoder.spec, outputs=task.outputs(schema, encoder.spec))

    def encoded(part: pd.DataFrame, training: bool):
        values = target.encode(part[schema.target])
        inputs = encoder.encode(part, training=folds_of(part) if training else None)
        return inputs if values is None else {**inputs, "target": values}

    train, valid = encoded(rows, True), encoded(rows.iloc[:20], False)
    job = FitJob(model=model, task=task, spec=spec, train=train, valid=valid, seed=3, score=lambda raw: 0.0)
    fitted = learner.fit(job)
    assert fitted.rounds >= 1
    predictor = Predictor(schema, features, encoder, task, target, model, learner, spec, fitted)
    unseen = rows.drop(columns=schema.target).iloc[30:45]
    before = predictor.predict(unseen)
    predictor.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(Predictor.load(tmp_path / "saved").predict(unseen), before)
    assert len(before) == 15
    again = learner.fit(replace(job, train=encoded(rows, True), valid=encoded(rows.iloc[:20], False)))
    pd.testing.assert_frame_equal(replace(predictor, fitted=again).predict(unseen), before)
    if task.numeric:
        assert np.isfinite(before.select_dtypes("number").to_numpy()).all()
    assert not [path for path in (tmp_path / "saved").rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".bin")]


@pytest.mark.parametrize(("name", "task_name", "set_name"), list({pair[:2]: pair for pair in pairings()}.values()))
def test_weights_of_rows_reach_the_model(name, task_name, set_name):
    task, model = SHELVES.tasks.build(task_name, "task"), model_of(name)
    learner = build_settings(SHELVES.learners.get(model.learner), SETTINGS.get(("fit", model.learner)), "fit")
    schema, features = schema_for(task.target_kind), feature_set(set_name)
    rows = rows_for(schema)
    encoder, target = features.fit(rows, schema, seed=0), task.fit_target(rows[schema.target], schema)
    spec = replace(encoder.spec, outputs=task.outputs(schema, encoder.spec))
    train, values = encoder.encode(rows, training=folds_of(rows)), target.encode(rows[schema.target])
    train |= {} if values is None else {"target": values}

    def learned(weights: np.ndarray) -> np.ndarray:
        weighed = {**train, "row_weight": weights.astype(np.float32)}
        job = FitJob(model=model, task=task, spec=spec, train=weighed, valid=None, seed=3, rounds=2)
        fitted = learner.fit(job)
        if isinstance(fitted, FittedNetwork):
            return np.concatenate([value.numpy().ravel() for value in fitted.network.state_dict().values()])
        return fitted.raw(train)

    if not model.weighs_rows:
        with pytest.raises(UserError, match="counts all rows alike"):
            learned(np.ones(ROWS))
        return
    alike = learned(np.ones(ROWS))
    np.testing.assert_array_equal(learned(np.ones(ROWS)), alike)
    assert not np.allclose(learned(np.where(np.arange(ROWS) < 30, 0.1, 1.9)), alike, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("lacking", ["maybe", "no", "yes"])
@pytest.mark.parametrize(
    ("name", "set_name"), [(name, chosen) for name, task, chosen in pairings() if task == "classification"]
)
def test_a_model_trained_without_a_class_still_gives_it_a_probability(name, set_name, lacking):
    """Folds of a rare class lack it: training rows of two of three classes, validation rows of all."""
    task, model = SHELVES.tasks.build("classification", "task"), model_of(name)
    learner = build_settings(SHELVES.learners.get(model.learner), SETTINGS.get(("fit", model.learner)), "fit")
    schema, features = schema_for("class"), feature_set(set_name)
    rows = rows_for(schema)
    train_rows, valid_rows = rows[rows["class"] != lacking], rows.iloc[:20]
    assert set(valid_rows["class"]) == set(schema.classes)
    encoder, target = features.fit(train_rows, schema, seed=0), task.fit_target(rows["class"], schema)
    train, valid = (
        {
            **encoder.encode(part, training=folds_of(part) if part is train_rows else None),
            "target": target.encode(part["class"]),
        }
        for part in (train_rows, valid_rows)
    )
    spec = replace(encoder.spec, outputs=task.outputs(schema, encoder.spec))
    job = FitJob(model=model, task=task, spec=spec, train=train, valid=valid, seed=3, score=lambda raw: 0.0)
    answers = task.predictions(learner.fit(job).raw(valid), target, spec)
    assert list(answers) == list(schema.classes) and len(answers) == 20
    assert np.isfinite(answers.to_numpy()).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", list(SHELVES.features))
def test_an_encoder_comes_back_from_json_exactly(name):
    if name in LACKING:
        pytest.skip("needs transformers")
    schema, features = schema_for("number"), feature_set(name)
    rows = rows_for(schema).assign(answer=RAW["answer"])
    encoder = features.fit(rows.iloc[:40], schema, seed=0)
    restored = features.restore(json.loads(json.dumps(encoder.state())), schema)
    first, second = encoder.encode(rows.iloc[40:]), restored.encode(rows.iloc[40:])
    assert features.gives <= set(first)
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(dense(first[key]), dense(second[key]))
    assert restored.spec == encoder.spec
    assert restored.reads == encoder.reads and set(encoder.reads) <= set(rows.columns) - {schema.target}


@pytest.mark.parametrize(
    ("shelf", "name"),
    [
        (shelf, name)
        for shelf in ("tasks", "metrics", "models", "splits", "blends", "weightings")
        for name in getattr(SHELVES, shelf)
    ],
)
def test_a_part_survives_being_written_as_settings(shelf, name):
    if (shelf, name) == ("metrics", "file"):
        pytest.skip("needs a user's file; see test_file_metric.py")
    registry = getattr(SHELVES, shelf)
    part = registry.build({"name": name, **SETTINGS.get((shelf, name), {})}, "here")
    assert registry.build(json.loads(json.dumps(settings_dict(part))), "here") == part
    assert type(part).__doc__


@pytest.mark.parametrize("name", list(SHELVES.metrics))
def test_a_metric_suits_known_tasks(name):
    metric = SHELVES.metrics.get(name)
    assert set(metric.tasks) <= set(SHELVES.tasks)


BASES = {
    "sources": Source,
    "splits": Split,
    "features": FeatureSet,
    "tasks": Task,
    "metrics": Metric,
    "models": Model,
    "learners": Learner,
    "blends": Blend,
    "weightings": Weighting,
}


@pytest.mark.parametrize(("shelf", "name"), [(shelf, name) for shelf in BASES for name in getattr(SHELVES, shelf)])
def test_a_part_derives_from_its_shelfs_base(shelf, name):
    """There stand its optional abilities, with their defaults."""
    cls = getattr(SHELVES, shelf).get(name)
    assert issubclass(cls, BASES[shelf])
    assert not getattr(cls, "__abstractmethods__", None)


@pytest.mark.parametrize("name", list(losses))
def test_a_loss_derives_from_its_base(name):
    assert issubclass(losses.get(name), Loss)


@pytest.mark.parametrize("name", list(cleaners))
def test_a_step_of_cleaning_derives_from_its_base_and_survives_being_written(name):
    step = cleaners.build(name, "here")
    assert isinstance(step, Cleaner) and type(step).__doc__
    assert cleaners.build(json.loads(json.dumps(settings_dict(step))), "here") == step


@pytest.mark.parametrize("name", list(estimators))
def test_an_estimator_of_n_grams_survives_being_written_and_sums_to_1(name):
    estimator = estimators.build(name, "here")
    assert isinstance(estimator, Estimator) and type(estimator).__doc__
    assert estimators.build(json.loads(json.dumps(settings_dict(estimator))), "here") == estimator
    vocabulary = Vocabulary.build([WORDS], 4)
    rows = Ragged.from_lists([vocabulary.encode(WORDS[i : i + 4]) for i in range(len(WORDS))])
    model = estimator.fit(count(rows, len(vocabulary), 3), vocabulary)
    scores, _ = model.step(np.array([BOS]), model.start(1))
    assert np.exp(scores).sum() == pytest.approx(1) and np.isfinite(model.score(rows).values).all()


def test_nobody_asks_a_part_whether_it_has_an_ability():
    abilities = {
        name
        for base in (*BASES.values(), Loss, Network, Cleaner, Estimator)
        for name in vars(base)
        if not name.startswith("_")
    }
    assert {"stacks", "decision", "tasks", "prepare", "class_weights"} <= abilities
    for path in (Path(__file__).parents[1] / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
                asked = [word.value for word in node.args[1:2] if isinstance(word, ast.Constant)]
                assert not set(asked) & (abilities - {"name"}), f"{path.name} line {node.lineno}: asks for {asked}"
