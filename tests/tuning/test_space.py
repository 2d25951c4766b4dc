"""The search space as data: what it takes, what it refuses, and what it sets."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import optuna
import pytest
from pydantic import Field

from pipeline.core.config import ModelConfig, Retrain, Tune
from pipeline.core.errors import Faults
from pipeline.core.registry import Registry, build_settings, settings
from pipeline.core.types import Learner, Model
from pipeline.tuning.space import apply, check_tune, declared, parse_space, setting

MODELS = Registry("model")


@MODELS.register("net")
@settings
class Net(Model):
    tasks = ("regression",)
    needs = frozenset({"numbers"})

    hidden: tuple[int, ...] = (8,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    leaves: int | None = None

    def build(self, spec, task, seed):
        raise NotImplementedError


@settings
class Fit(Learner):
    learning_rate: float = Field(default=0.1, gt=0)
    optimizer: str = "adam"

    def fit(self, job):
        raise NotImplementedError

    def load(self, folder, model, task, spec):
        raise NotImplementedError


def build(raw):
    model = MODELS.build(raw["model"], "models.a.model")
    fit = build_settings(Fit, raw.get("fit"), "models.a.fit")
    return ModelConfig(
        "a", "c", raw.get("features", "book"), model, fit, None, Retrain(), None, raw.get("seed", 0), raw
    )


def faults(space: dict[str, Any], raw=None, folds=5, **tune) -> list[str]:
    raw = raw or {"model": "net"}
    return check_tune("models.a", Tune(**{"trials": 3, **tune}, space=space), build(raw), build, folds)


GOOD = {
    "fit.learning_rate": {"log_float": [1e-4, 1e-1]},
    "model.dropout": {"float": [0, 0.5, 0.1]},
    "model.hidden": {"choice": [[8], [8, 8], [16]]},
    "model.leaves": {"int": [4, 64]},
    "fit.optimizer": {"choice": ["adam", "sgd"]},
    "seed": {"log_int": [1, 8]},
}
RAW = {"model": {"name": "net", "leaves": 31}, "seed": 2}


def test_a_good_space_has_no_faults_and_becomes_optunas_distributions():
    assert faults(GOOD, RAW) == []
    space = parse_space(GOOD, "x")
    assert list(space) == sorted(GOOD)
    assert {key: dimension.distribution() for key, dimension in space.items()} == {
        "fit.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "fit.optimizer": optuna.distributions.CategoricalDistribution(['"adam"', '"sgd"']),
        "model.dropout": optuna.distributions.FloatDistribution(0, 0.5, step=0.1),
        "model.hidden": optuna.distributions.CategoricalDistribution(["[8]", "[8, 8]", "[16]"]),
        "model.leaves": optuna.distributions.IntDistribution(4, 64),
        "seed": optuna.distributions.IntDistribution(1, 8, log=True),
    }


def test_declared_values_come_from_the_built_settings_and_encode_both_ways():
    space = parse_space(GOOD, "x")
    values = declared(space, build(RAW), build, "x")
    assert values == {
        "fit.learning_rate": 0.1,
        "fit.optimizer": "adam",
        "model.dropout": 0.1,
        "model.hidden": [8],
        "model.leaves": 31,
        "seed": 2,
    }
    for key, dimension in space.items():
        parameter = dimension.to_parameter(values[key])
        assert dimension.distribution()._contains(dimension.distribution().to_internal_repr(parameter))
        assert dimension.from_parameter(parameter) == values[key]


def test_a_choice_written_shorter_than_it_is_built_is_the_declared_one():
    raw = {"model": "net"}
    space = parse_space({"model": {"choice": ["net", {"name": "net", "dropout": 0.3}]}}, "x")
    assert declared(space, build(raw), build, "x") == {"model": "net"}
    assert faults({"model": {"choice": ["net", {"name": "net", "dropout": 0.3}]}}, raw) == []


@pytest.mark.parametrize(
    ("key", "body", "told"),
    [
        ("fit.learning_rate", {"log_flot": [1, 2]}, ".log_flot: unknown kind of range; did you mean 'log_float'?"),
        ("fit.learning_rate", {}, ": needs exactly one of float, log_float, int, log_int, choice, got {}"),
        ("fit.learning_rate", {"float": [1]}, ".float: needs [low, high] or [low, high, step], got [1]"),
        ("fit.learning_rate", {"float": 1}, ".float: needs a list, got 1"),
        (
            "fit.learning_rate",
            {"float": [0.5, "x"]},
            ".float: needs numbers as [low, high] or [low, high, step], got 'x'",
        ),
        ("fit.learning_rate", {"float": [0.5, 0.1]}, ".float: low must lie below high, got [0.5, 0.1]"),
        ("fit.learning_rate", {"float": [0.1, 0.1]}, ".float: low must lie below high, got [0.1, 0.1]"),
        ("fit.learning_rate", {"log_float": [0, 1]}, ".log_float: a logarithmic range needs low above 0, got 0"),
        ("fit.learning_rate", {"log_float": [0.1, 1, 2]}, ".log_float: needs [low, high], got [0.1, 1, 2]"),
        ("fit.learning_rate", {"float": [float("nan"), 1]}, "got nan"),
        ("fit.learning_rate", {"float": [0.1, 0.5, 0.3]}, "steps of 0.3 must lead from low to high exactly"),
        ("fit.learning_rate", {"float": [0.1, 0.5, -0.1]}, "steps of -0.1 must lead from low to high exactly"),
        ("model.leaves", {"int": [1.5, 2]}, ".int: needs whole numbers as [low, high] or [low, high, step], got 1.5"),
        ("model.leaves", {"int": [True, 2]}, "got True"),
        ("model.hidden", {"choice": []}, ".choice: needs at least two values to choose from, got []"),
        ("model.hidden", {"choice": [[8], [8]]}, ".choice: needs values that differ, got [[8], [8]]"),
        ("fit.lerning_rate", {"float": [0.1, 1]}, ": unknown key; did you mean 'learning_rate'?"),
        ("modle.dropout", {"float": [0.1, 1]}, ": only settings of model and fit, features and seed can be tuned"),
        ("retrain.seeds", {"int": [1, 3]}, ": only settings of model and fit, features and seed can be tuned"),
        ("model.dropout", {"float": [0, 1.5]}, ": input should be less than 1, got 1.5"),
        (
            "model.dropout",
            {"float": [0.2, 0.5]},
            ": the declared setting is trial 0 and must lie in the space, got 0.1",
        ),
        ("model.dropout", {"float": [0, 0.4, 0.2]}, ": the declared setting is trial 0 and must lie in the space"),
        ("model.leaves", {"int": [4, 64]}, ": the declared setting is trial 0 and must lie in the space, got None"),
        ("model.hidden", {"choice": [[4], [2]]}, "must lie in the space, got [8]"),
    ],
)
def test_a_fault_is_one_line_with_its_key_the_value_and_the_rule(key, body, told):
    [fault] = faults({key: body})
    assert fault.startswith(f"models.a.tune.space.{key}")
    assert told in fault and "\n" not in fault


def test_all_faults_are_told_together():
    space = {"fit.learning_rate": {"float": [2, 1]}, "model.hidden": {"choice": [1]}, "fit.optimizer": {"x": [1]}}
    assert len(faults(space)) == 3
    wrong = faults({"model.dropout": {"float": [0.2, 3]}, "fit.x": {"int": [1, 2]}}, pruner="wilcoxon", folds=3)
    assert [fault.split(": ")[0] for fault in wrong] == [
        "models.a.tune.pruner",
        "models.a.tune.space.fit.x",
        "models.a.tune.space.model.dropout",
    ]
    assert faults({})[0].startswith("models.a.tune.space: needs at least one key")


def test_the_trials_named_first_lie_in_the_space_and_change_something():
    assert faults(GOOD, RAW, first=({"model.leaves": 50}, {"model.hidden": [16], "seed": 3})) == []
    twice = {"seed": 3}
    assert faults(GOOD, RAW, first=(twice, twice))[0] == "models.a.tune.first[1]: stands there twice, {'seed': 3}"
    several = ({"seed": 3}, {"seed": 4}, {"seed": 5})
    assert faults(GOOD, RAW, first=several) == [
        "models.a.tune.trials: must count trial 0 and the 3 of first, got 3; use at least 4"
    ]
    told = faults(GOOD, RAW, first=({"model.leaves": 65, "model.leafs": 1}, {}, {"model.dropout": 0.1}), trials=9)
    assert told == [
        "models.a.tune.first[0].model.leaves: must lie in the space, got 65",
        "models.a.tune.first[0].model.leafs: no key of the space; did you mean 'model.leaves'?",
        "models.a.tune.first[1]: must change a declared setting, got {}",
        "models.a.tune.first[2]: must change a declared setting, got {'model.dropout': 0.1}",
    ]


def test_apply_sets_dotted_keys_in_a_copy():
    raw = {"model": "net", "fit": {"schedule": "cosine", "learning_rate": 1}, "features": "book"}
    changed = apply(
        raw,
        {"model.hidden": [4, 4], "fit.learning_rate": 0.5, "fit.schedule.warmup": 3, "features": "trees", "seed": 1},
    )
    assert changed == {
        "model": {"name": "net", "hidden": [4, 4]},
        "fit": {"schedule": {"name": "cosine", "warmup": 3}, "learning_rate": 0.5},
        "features": "trees",
        "seed": 1,
    }
    assert raw == {"model": "net", "fit": {"schedule": "cosine", "learning_rate": 1}, "features": "book"}
    assert apply({"model": "net"}, {"fit.a": 1, "fit": {"b": 2}}) == {"model": "net", "fit": {"b": 2, "a": 1}}


def test_a_setting_is_found_with_its_default_or_refused():
    config = build({"model": "net"})
    assert setting(config, "model.hidden") == [8]
    assert setting(config, "model.name") == "net"
    assert setting(config, "model") == {"name": "net", "hidden": [8], "dropout": 0.1, "leaves": None}
    for key in ("model.width", "model.stacks", "fit.epochs"):  # what a part's class says of it is no setting
        with pytest.raises(KeyError):
            setting(config, key)


def test_parsing_raises_every_fault_and_needs_no_optuna():
    with pytest.raises(Faults) as caught:
        parse_space({"a.b": {"int": [2, 1]}, "c.d": 3}, "models.a.tune.space")
    assert len(caught.value.faults) == 2
    code = "import sys, pipeline.tuning.space, pipeline.tuning.study; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
