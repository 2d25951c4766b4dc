"""Every fault of params.yaml is told at once: none hides another, whatever section it stands in."""

from __future__ import annotations

import pytest
from test_config import faults, params, put

from pipeline.core.config import build_config
from pipeline.stages.project import shelves


def test_all_faults_are_told_at_once():
    raw = params()
    put(raw, "competitions/toy/metric", "rsme")
    put(raw, "competitions/toy/split/folds", 0)
    put(raw, "competitions/toy/columns/colour", 1)
    put(raw, "models/toy-ridge/model/alpha", "high")
    put(raw, "models/toy-mlp/fit/epochs", 0)
    put(raw, "modles", {})
    wrong = ["modles", "toy.metric", "split.folds", "columns.colour", "model.alpha", "fit.epochs"]
    found = faults(raw)
    assert len(found) == len(wrong) and all(any(key in fault for fault in found) for key in wrong), found


def test_a_fault_hides_none_of_another_section():
    raw = params()
    put(raw, "models/toy-mlp/model/hidden", "big")
    put(raw, "models/toy-mlp/model/bias", True)  # unknown
    put(raw, "models/toy-mlp/fit/learnin_rate", 1)
    put(raw, "models/toy-mlp/fit/optimizer/momentun", 1)  # within a nested part
    put(raw, "models/toy-mlp/fit/loss", "cross_entropy")
    put(raw, "models/toy-mlp/features", "number")
    put(
        raw, "models/toy-mlp/tune", {"trials": -1, "space": {"modle.hidden": {"int": [1, 2]}, "fit.x": {"int": [2, 1]}}}
    )
    put(raw, "models/toy-mlp/retrain", {"seeds": True})
    told = "\n".join(faults(raw))
    for key in (
        "model.hidden",
        "model.bias: unknown key",
        "fit.learnin_rate: unknown key; did you mean 'learning_rate'",
        "fit.optimizer.momentun: unknown key",
        "features: no feature set 'number'",
        "tune.trials",
        "tune.space.modle.hidden: only settings of model and fit",
        "tune.space.fit.x.int: low must lie below high",
        "retrain.seeds: needs a number, got True",
    ):
        assert f"models.toy-mlp.{key}" in told, (key, told)
    put(raw, "models/toy-mlp/fit", {"loss": "cross_entropy"})
    assert any(fault.startswith("models.toy-mlp.fit.loss: 'cross_entropy' does not suit") for fault in faults(raw))


def test_a_faulty_competition_hides_none_of_its_models_faults():
    raw = put(params(), "competitions/toy/metric", "rsme")
    put(raw, "models/toy-mlp/features", "number")
    put(raw, "models/toy-ridge/model", "softmax")
    assert [fault.split(": ")[0] for fault in faults(raw)] == [
        "competitions.toy.metric.name",
        "models.toy-ridge.model",
        "models.toy-mlp.features",
    ]


def test_true_is_no_number_beside_other_faults_and_within_nested_parts():
    raw = put(params(), "models/toy-mlp/fit", {"epochs": True, "optimizer": {"name": "adam", "epsilon": True}, "x": 1})
    told = [fault for fault in faults(raw) if "needs a number, got True" in fault]
    assert [fault.split(": ")[0] for fault in told] == [
        "models.toy-mlp.fit.epochs",
        "models.toy-mlp.fit.optimizer.epsilon",
    ]


def test_whole_numbers_beyond_what_libraries_take_are_told():
    raw = put(params(), "models/toy-mlp/fit", {"batch_size": 10**25, "learning_rate": 10**9, "x": 1})
    put(raw, "models/toy-mlp/model/hidden", [8, 10**25])
    put(raw, "competitions/toy/split", {"name": "shuffled", "seed": 2**32 - 1})
    put(raw, "models/toy-ridge/retrain", {"seeds": 16**5000})
    told = [fault for fault in faults(raw) if "needs a whole number of at most 2147483647, got 1000000" in fault]
    assert [fault.split(": ")[0] for fault in told] == ["models.toy-mlp.model.hidden", "models.toy-mlp.fit.batch_size"]
    assert len(faults(raw)) == 4 and any("seeds" in one and "4300 digits" in one for one in faults(raw))  # and x


@pytest.mark.parametrize(("key", "value"), [("seeds", 2), ("mode", "folds")])
def test_several_models_of_texts_are_refused(key, value):
    raw = params()
    del raw["models"]["toy-ridge"]
    toy = raw["competitions"]["toy"]
    toy |= {"task": "translation", "metric": "bleu", "blend": "best"}
    toy["features"] = {"pairs": {"name": "pairs", "source": "en", "target": "fr"}}
    raw["models"]["toy-mlp"] = {"competition": "toy", "features": "pairs", "model": "seq2seq"}
    assert build_config(raw, shelves())
    put(raw, "models/toy-mlp/retrain", {key: value})
    assert faults(raw) == [
        f"models.toy-mlp.retrain.{key}: the answers of several models are averaged, and those of 'translation' are "
        f"no numbers; leave it out, got {value!r}"
    ]


def test_positions_that_know_fewer_steps_than_texts_have_are_told():
    raw = params()
    put(raw, "competitions/toy/task", "translation")
    put(raw, "competitions/toy/metric", "perplexity")
    pairs = {"name": "pairs", "source": "x1", "target": "y", "tokenizer": "words", "maximum_length": 40}
    put(raw, "competitions/toy/features/numbers", pairs)
    put(raw, "models/toy-mlp/model", {"name": "transformer", "positions": "learned", "longest": 5})
    assert any(
        "models.toy-mlp.model.longest: learned positions know 5 steps, and 'numbers' cuts texts at 40 "
        "(maximum_length); raise the one, lower the other, or use sinusoidal or rotary positions" in fault
        for fault in faults(raw)
    )


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"y": -1, "z": 2}, "weights.y: input should be greater than or equal to 0, got -1"),
        ({"y": 0, "z": 0.0}, "weights: all targets weigh 0, so that none is scored; give one more than 0"),
        ({"zz": 2}, "weights: 'zz' is no target; they are y, z; did you mean 'z'?"),
        ({"y": 0}, None),
        ({"y": 0, "z": 0.5}, None),
        ({}, None),
    ],
)
def test_weights_of_targets_are_held_against_the_targets(weights, told):
    raw = put(params(), "competitions/toy/metric", {"name": "mcrmse", "weights": weights})
    put(raw, "competitions/toy/task", "multioutput_regression")
    put(raw, "competitions/toy/columns/target", ["y", "z"])
    if told is None:
        assert build_config(raw, shelves()).competition("toy").metric.weights == weights
    else:
        assert faults(raw) == [f"competitions.toy.metric.{told}"]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [("augmentation", ["flip"], "changes images"), ("test_time", {"flip": "vertical"}, "averages views of images")],
)
def test_what_is_of_images_alone_is_refused_elsewhere(key, value, what):
    raw = put(params(), f"models/toy-mlp/fit/{key}", value)
    assert f"models.toy-mlp.fit.{key}: {what}, and 'mlp' reads none; take it out" in faults(raw)


def test_what_is_null_is_not_asked_for():
    raw = put(params(), "models/toy-mlp/fit/pseudo", None)
    put(raw, "models/toy-mlp/fit/weights", None)
    put(raw, "models/toy-mlp/budget", None)
    built = build_config(raw, shelves()).models["toy-mlp"]
    assert built.pseudo is None and built.weights is None and built.budget is None
    put(raw, "models/toy-mlp/fit/pseudo", {})
    assert build_config(raw, shelves()).models["toy-mlp"].pseudo is not None
