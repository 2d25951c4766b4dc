"""The search space is data: dotted setting keys to ranges and choices. Knows no model."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import Faults, UserError, did_you_mean
from pipeline.core.registry import settings_dict

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from pipeline.core.config import ModelConfig, Tune
    from pipeline.core.types import Task

KINDS = ("float", "log_float", "int", "log_int", "choice")
TUNABLE = ("model", "fit", "features", "seed")

Build = Callable[[Mapping[str, Any]], "ModelConfig"]
"""Raw settings of a model to its configuration; raises Faults."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``step`` counts from ``low``."""

    low: float
    high: float
    step: float | None = None
    whole: bool = False
    log: bool = False

    def holds(self, value: Any) -> bool:
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        step = self.step or (1 if self.whole else None)
        if step is None:
            return True
        steps = (value - self.low) / step
        return abs(steps - round(steps)) < 1e-8

    def ends(self) -> list[Any]:
        return [self.low, self.high]

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def to_parameter(self, value: Any) -> Any:
        return int(value) if self.whole else float(value)

    def from_parameter(self, parameter: Any) -> Any:
        return parameter


@dataclass(frozen=True)
class Choice:
    """One of some values of any JSON type. Optuna stores them as JSON text, since it wants primitives."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return _text(value) in {_text(known) for known in self.values}

    def ends(self) -> list[Any]:
        return list(self.values)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([_text(value) for value in self.values])

    def to_parameter(self, value: Any) -> str:
        return _text(value)

    def from_parameter(self, parameter: str) -> Any:
        return json.loads(parameter)


Space = dict[str, Range | Choice]
"""Dimensions by dotted key, sorted, so that the order in params.yaml changes nothing."""


def parse_space(raw: Mapping[str, Any], where: str) -> Space:
    """Read ``tune.space``; ``where`` is its key in params.yaml. Raises Faults with every fault."""
    space: Space = {}
    faults = [] if raw else [f"{where}: needs at least one key to tune, got none"]
    for key in sorted(raw, key=str):
        try:
            space[key] = _parse(raw[key], f"{where}.{key}")
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise Faults(faults)
    return space


def _parse(body: Any, where: str) -> Range | Choice:
    if not isinstance(body, Mapping) or len(body) != 1:
        raise UserError(f"{where}: needs exactly one of {', '.join(KINDS)}, got {body!r}")
    [(kind, arguments)] = body.items()
    if kind not in KINDS:
        raise UserError(f"{where}.{kind}: unknown kind of range{did_you_mean(str(kind), KINDS)}")
    where = f"{where}.{kind}"
    if not isinstance(arguments, (list, tuple)):
        raise UserError(f"{where}: needs a list, got {arguments!r}")
    if kind == "choice":
        if len(arguments) < 2:
            raise UserError(f"{where}: needs at least two values to choose from, got {arguments!r}")
        if len({_text(value) for value in arguments}) < len(arguments):
            raise UserError(f"{where}: needs values that differ, got {arguments!r}")
        return Choice(tuple(arguments))
    return _parse_range(arguments, where, whole=kind.endswith("int"), log=kind.startswith("log"))


def _parse_range(arguments: Any, where: str, whole: bool, log: bool) -> Range:
    parts = "[low, high]" if log else "[low, high] or [low, high, step]"
    if len(arguments) not in ((2,) if log else (2, 3)):
        raise UserError(f"{where}: needs {parts}, got {arguments!r}")
    for value in arguments:
        if not _is_number(value) or (whole and value != int(value)):
            raise UserError(f"{where}: needs {'whole ' if whole else ''}numbers as {parts}, got {value!r}")
    low, high = arguments[:2]
    if low >= high:
        raise UserError(f"{where}: low must lie below high, got {arguments!r}")
    if log and low <= 0:
        raise UserError(f"{where}: a logarithmic range needs low above 0, got {low!r}")
    step = arguments[2] if len(arguments) == 3 else None
    if step is not None:
        steps = (high - low) / step if step > 0 else 0.0
        if steps < 1 or abs(steps - round(steps)) > 1e-8:
            raise UserError(f"{where}: steps of {step!r} must lead from low to high exactly, got {arguments!r}")
    if whole:
        return Range(int(low), int(high), None if step is None else int(step), whole=True, log=log)
    return Range(float(low), float(high), None if step is None else float(step), log=log)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def apply(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of a model's raw settings with dotted keys set.

    A part written as a bare name (``model: mlp``) becomes ``{name: mlp}`` where a key goes into it.
    """
    changed = copy.deepcopy(dict(settings))
    for key in sorted(overrides):
        *path, last = key.split(".")
        node = changed
        for step in path:
            inner = node.get(step)
            if isinstance(inner, str):
                inner = {"name": inner}
            node[step] = dict(inner) if isinstance(inner, Mapping) else {}
            node = node[step]
        node[last] = copy.deepcopy(overrides[key])
    return changed


def setting(config: ModelConfig, key: str) -> Any:
    """The value of a dotted key in a built configuration, defaults included, as plain data.

    Raises KeyError where the model has no such setting.
    """
    node: Any = {name: getattr(config, name) for name in TUNABLE}
    for step in key.split("."):
        if isinstance(node, Mapping):
            node = node[step]
        elif step == "name" or (is_dataclass(node) and step in {field.name for field in fields(node)}):
            node = getattr(node, step)  # a setting: what a part's class says of it cannot be tuned
        else:
            raise KeyError(key)
    return settings_dict(node) if hasattr(node, "__dataclass_fields__") else json.loads(_text(node))


def declared(space: Space, config: ModelConfig, build: Build, where: str) -> dict[str, Any]:
    """Trial 0: the declared value of every key of the space. Raises Faults where one lies outside."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key, dimension in space.items():
        value = setting(config, key)
        if isinstance(dimension, Choice) and not dimension.holds(value):
            # A part may be written shorter than it is built: compare what each choice builds.
            same = (v for v in dimension.values if setting(build(apply(config.raw, {key: v})), key) == value)
            value = next(same, value)
        if dimension.holds(value):
            values[key] = value
        else:
            faults.append(
                f"{where}.{key}: the declared setting is trial 0 and must lie in the space, got {value!r}; "
                f"widen the range or declare another {key}"
            )
    if faults:
        raise Faults(faults)
    return values


def check_tune(where: str, tune: Tune, config: ModelConfig | None, build: Build, folds: int) -> list[str]:
    """Every fault of a model's ``tune`` section, one line each; ``where`` is ``models.NAME``.

    Each end of each range and each choice must build a model, the others being as declared.
    config: None where the model itself is at fault; then the section is checked by itself.
    """
    faults = []
    if tune.pruner == "wilcoxon" and folds and folds < 5:
        faults.append(
            f"{where}.tune.pruner: wilcoxon can tell nothing before fold 4 and needs at least 5 folds, got {folds}; "
            "use median"
        )
    stacks = config is None or config.model.stacks
    if not stacks and tune.pruner == "halving":
        faults.append(f"{where}.tune.pruner: halving needs a model that trains in stacks; use median or none")
    if tune.metric is not None and tune.pruner == "halving":
        faults.append(
            f"{where}.tune.metric: halving compares trials by the competition's metric; "
            f"leave out metric, got {tune.metric!r}, or halving"
        )
    inside = f"{where}.tune.space"
    space: Space = {}
    for raw in [{key: tune.space[key]} for key in sorted(tune.space)] or [{}]:
        try:
            space |= parse_space(raw, inside)
        except Faults as error:
            faults += error.faults
    for key, dimension in list(space.items()):
        before = len(faults)
        if key.split(".")[0] not in TUNABLE:
            faults.append(f"{inside}.{key}: only settings of model and fit, features and seed can be tuned")
        elif config is not None:
            try:
                for value in dimension.ends():
                    setting(build(apply(config.raw, {key: value})), key)
            except Faults as error:
                faults.extend(fault.replace(f"{where}.", f"{inside}.", 1) for fault in error.faults)
            except KeyError:
                faults.append(f"{inside}.{key}: the model has no such setting")
        if len(faults) > before:
            del space[key]
    if config is None:
        return faults
    start: dict[str, Any] = {}
    try:
        start = declared(space, config, build, inside)
    except Faults as error:
        faults.extend(error.faults)
    return faults + _check_first(where, tune, config, build, space, start)


def check_halving(where: str, config: ModelConfig, task: Task) -> list[str]:
    """The fault of successive halving of fits that do not train in stacks: all of them would go on to the end."""
    if config.tune is None or config.tune.pruner != "halving" or config.fit.stack_key(config.model, task) is not None:
        return []
    return [
        f"{where}.tune.pruner: halving needs fits that train in stacks, and those of several targets, of another "
        "fit.sampling than shuffled, and with fit.accumulate, average or ema train alone; use median or none, got "
        "halving"
    ]


def _check_first(
    where: str, tune: Tune, config: ModelConfig, build: Build, space: Space, start: Mapping[str, Any]
) -> list[str]:
    """Faults of ``tune.first``. space: its sound dimensions; start: trial 0, empty where that is at fault."""
    faults: list[str] = []
    for number, changes in enumerate(tune.first):
        inside, before = f"{where}.tune.first[{number}]", len(faults)
        for key, value in changes.items():
            if key not in tune.space:
                faults.append(f"{inside}.{key}: no key of the space{did_you_mean(str(key), sorted(tune.space))}")
            elif key in space and not space[key].holds(value):
                faults.append(f"{inside}.{key}: must lie in the space, got {value!r}")
        if all(key in start and start[key] == value for key, value in changes.items()):
            faults.append(f"{inside}: must change a declared setting, got {dict(changes)!r}")
        if changes in tune.first[:number]:
            faults.append(f"{inside}: stands there twice, {dict(changes)!r}")
        if len(faults) == before:
            try:
                build(apply(config.raw, changes))
            except Faults as error:
                faults.extend(fault.replace(f"{where}.", f"{inside}.", 1) for fault in error.faults)
    if tune.trials is not None and tune.first and tune.trials <= len(tune.first):
        faults.append(
            f"{where}.tune.trials: must count trial 0 and the {len(tune.first)} of first, got {tune.trials}; "
            f"use at least {len(tune.first) + 1}"
        )
    return faults
