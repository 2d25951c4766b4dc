"""``params.yaml`` read into parts; every fault in it reported at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.core.building import build_own_columns, build_submission, muted
from pipeline.core.cleaning import Clean
from pipeline.core.combination import Blend
from pipeline.core.errors import Faults, UserError, did_you_mean, quoted
from pipeline.core.pairing import (
    column_faults,
    kind_of_weights_faults,
    metric_faults,
    model_faults,
    pseudo_faults,
    pseudo_task_faults,
    source_faults,
    target_faults,
    task_faults,
    unit_faults,
    weights_faults,
)
from pipeline.core.params import read_params
from pipeline.core.paths import check_name, project_root
from pipeline.core.registry import Registry, build_settings, settings_dict
from pipeline.core.sections import Budget, Columns, Execution, OwnColumns, Pseudo, Retrain, Submission, Tune
from pipeline.core.types import FeatureSet, Learner, Metric, Model, Source, Split, Task
from pipeline.core.weighting.base import Weighting


@dataclass(frozen=True)
class CompetitionConfig:
    name: str
    source: Source
    columns: Columns
    task: Task
    metric: Metric
    split: Split
    features: Mapping[str, FeatureSet]
    blend: Blend
    submission: Submission
    raw: Mapping[str, Any]
    own_columns: OwnColumns | None = None
    clean: Clean = field(default_factory=Clean)
    mute: tuple[str, ...] = ()
    """Codes of findings that the report leaves out."""


@dataclass(frozen=True)
class ModelConfig:
    name: str
    competition: str
    features: str
    model: Model
    fit: Learner
    tune: Tune | None
    retrain: Retrain
    budget: Budget | None
    seed: int
    raw: Mapping[str, Any]
    """The settings as written, which a study's trial overrides key by key."""
    pseudo: Pseudo | None = None
    weights: Weighting | None = None


@dataclass(frozen=True)
class Config:
    competitions: Mapping[str, CompetitionConfig]
    models: Mapping[str, ModelConfig]
    execution: Execution = field(default_factory=Execution)
    execution_raw: Mapping[str, Any] = field(default_factory=dict)
    """As written."""

    def competition(self, name: str) -> CompetitionConfig:
        if name not in self.competitions:
            raise UserError(f"params.yaml: no competition '{name}'{did_you_mean(name, self.competitions)}")
        return self.competitions[name]

    def model(self, name: str) -> ModelConfig:
        if name not in self.models:
            raise UserError(f"params.yaml: no model '{name}'{did_you_mean(name, self.models)}")
        return self.models[name]

    def models_of(self, competition: str) -> list[ModelConfig]:
        return [model for model in self.models.values() if model.competition == competition]


@dataclass(frozen=True)
class Shelves:
    """The registries a configuration is built from (core stands below them)."""

    sources: Registry
    splits: Registry
    features: Registry
    tasks: Registry
    metrics: Registry
    models: Registry
    learners: Registry
    blends: Registry
    searches: Registry
    findings: Registry
    weightings: Registry
    learned: Callable[[Any, OwnColumns], Any]
    """A feature set's settings as written, behind what the class of one's own columns learns, if there is one."""
    clean: Callable[[Any, str], Clean]
    """``clean`` as written (None: the default) and its key -> the steps of each column of texts."""
    check_tune: Callable[..., list[str]]
    """Faults of a model's search space: (where, tune, config or None, build, folds) -> lines."""


REQUIRED_KEYS = ("source", "columns", "task", "metric", "split", "features", "blend", "submission")
"""All of them: DVC tracks each by its key, which must stand in the file."""
RESERVED = "checked"
"""The folder of ``data/`` that is no competition's."""
COMPETITION_KEYS = (*REQUIRED_KEYS, "own_columns", "clean", "mute", "guessed")
MODEL_KEYS = ("competition", "features", "model", "fit", "tune", "retrain", "budget", "seed")


class _Collector:
    """Runs checks and keeps their faults, so that all can be told together."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, action: Any, *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except Faults as error:
            self.faults.extend(error.faults)
        except UserError as error:
            self.faults.append(str(error))
        return None

    def unknown_keys(self, raw: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in raw:
            if key not in known:
                self.faults.append(f"{where}.{key}: unknown key{did_you_mean(str(key), known)}")


def load_config(shelves: Shelves, path: Path | None = None) -> Config:
    """Build the configuration; raises Faults with every fault of every key."""
    path = path or project_root() / "params.yaml"
    return build_config(read_params(path), shelves)


def build_config(raw: Mapping[str, Any], shelves: Shelves) -> Config:
    check = _Collector()
    check.unknown_keys(raw, ("competitions", "models", "execution"), "params.yaml")
    competitions: dict[str, CompetitionConfig] = {}
    declared: dict[str, CompetitionConfig] = {}
    models: dict[str, ModelConfig] = {}
    raw_competitions = _mapping(raw, "competitions", check)
    raw_models = _mapping(raw, "models", check)
    for name, body in raw_competitions.items():
        before = len(check.faults)
        check(check_name, name, "params.yaml: competitions")
        if name == RESERVED:
            check.faults.append(f"competitions.{name}: data/{name}/ is where `check` writes; choose another name")
        if built := _competition(name, body, shelves, check):
            declared[name] = built
            if len(check.faults) == before:
                competitions[name] = built
    for name, body in raw_models.items():
        check(check_name, name, "params.yaml: models")
        if model := _model(name, body, raw_competitions, competitions, declared, shelves, check):
            models[name] = model
    named = [body.get("competition") for body in raw_models.values() if isinstance(body, Mapping)]
    for name in raw_competitions:
        if name not in named:
            check.faults.append(f"competitions.{name}: has no model; add one under models")
    for name in competitions:
        budgets = {model.name: model.budget for model in models.values() if model.competition == name}
        given = sorted({budget.minutes for budget in budgets.values() if budget is not None})
        if len(given) > 1:
            told = " and ".join(f"{minutes:g}" for minutes in given)
            check.faults.append(f"models: those of {name} need the same budget.minutes, got {told}")
        own = {key: model for key, model in models.items() if model.competition == name}
        check.faults.extend([*pseudo_faults(own), *kind_of_weights_faults(own)])
    execution = check(build_settings, Execution, raw.get("execution"), "execution")
    if check.faults:
        raise Faults(check.faults)
    return Config(competitions, models, execution, raw.get("execution") or {})


def _mapping(raw: Mapping[str, Any], key: str, check: _Collector, within: str = "") -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping) or not value:
        check.faults.append(f"{within}{key}: needs a mapping with at least one name, got {quoted(value)}")
        return {}
    return value


def _competition(name: str, raw: Any, shelves: Shelves, check: _Collector) -> CompetitionConfig | None:
    """What is at fault in it is None, so that models can be held against the rest."""
    where = f"competitions.{name}"
    if not isinstance(raw, Mapping):
        check.faults.append(f"{where}: needs a mapping of settings, got {quoted(raw)}")
        return None
    check.unknown_keys(raw, COMPETITION_KEYS, where)
    for key in REQUIRED_KEYS:
        if raw.get(key) is None:
            check.faults.append(f"{where}.{key}: is needed and missing")

    def part(registry: Registry, key: str) -> Any:
        return check(registry.build, raw[key], f"{where}.{key}") if raw.get(key) is not None else None

    source, task, metric = part(shelves.sources, "source"), part(shelves.tasks, "task"), part(shelves.metrics, "metric")
    split = part(shelves.splits, "split")
    blend = part(shelves.blends, "blend")
    if task and blend and (asked := task.telling(blend.candidates)) != task:
        task, raw = asked, {**raw, "task": settings_dict(asked)}  # stages that fit models know of no blend
    columns = check(build_settings, Columns, raw.get("columns"), f"{where}.columns")
    if raw.get("columns") is not None and columns is not None and columns.target is None:
        check.faults.append(f"{where}.columns.target: is needed and missing")
    submission = check(build_submission, raw.get("submission"), shelves.searches, f"{where}.submission")
    own = None
    if raw.get("own_columns") is not None:
        own = check(build_own_columns, raw["own_columns"], f"{where}.own_columns")
    clean = check(shelves.clean, raw.get("clean"), f"{where}.clean")
    mute = check(muted, raw.get("mute"), shelves.findings, f"{where}.mute")
    features: dict[str, FeatureSet] = {}
    raw_features = _mapping(raw, "features", check, f"{where}.") if raw.get("features") is not None else {}
    for set_name, body in raw_features.items():
        check(check_name, set_name, f"{where}.features")
        if built := check(build_features, body, own, shelves, f"{where}.features.{set_name}"):
            features[set_name] = built
    if task:
        check.faults.extend(task_faults(where, task, metric, blend, submission))
    if task and columns:
        check.faults.extend(target_faults(where, task, columns))
    if metric and columns and columns.targets:
        check.faults.extend(f"{where}.metric.{fault}" for fault in metric.target_faults(columns.targets))
    if columns:
        check.faults.extend(column_faults(where, columns, split, shelves.splits))
    if source:
        check.faults.extend(source_faults(where, source))
    if source and metric:
        check.faults.extend(unit_faults(where, source, metric))
    parts = (source, columns, task, metric, split, features, blend, submission)
    return CompetitionConfig(name, *parts, dict(raw), own, clean, mute or ())


def build_features(raw: Any, own: OwnColumns | None, shelves: Shelves, where: str) -> FeatureSet:
    """A feature set, read through the class of one's own columns where their file has one."""
    built: FeatureSet = shelves.features.build(raw, where)
    return built if own is None else shelves.features.build(shelves.learned(raw, own), where)


def build_model(
    name: str, raw: Mapping[str, Any], competitions: Mapping[str, CompetitionConfig], shelves: Shelves
) -> ModelConfig:
    """One model against built competitions; its search space is not looked at. Raises Faults."""
    check = _Collector()
    settings_only = {key: value for key, value in raw.items() if key != "tune"}
    model = _model(name, settings_only, competitions, competitions, competitions, shelves, check)
    if model is None:
        raise Faults(check.faults)
    return replace(model, raw=dict(raw))


def _model(
    name: str,
    raw: Any,
    raw_competitions: Mapping[str, Any],
    competitions: Mapping[str, CompetitionConfig],
    declared: Mapping[str, CompetitionConfig],
    shelves: Shelves,
    check: _Collector,
) -> ModelConfig | None:
    """The model of a sound competition. declared: those that have faults too, to hold the model against."""
    where = f"models.{name}"
    if not isinstance(raw, Mapping):
        check.faults.append(f"{where}: needs a mapping of settings, got {quoted(raw)}")
        return None
    before = len(check.faults)
    check.unknown_keys(raw, MODEL_KEYS, where)
    for key in ("competition", "features", "model"):
        if raw.get(key) is None:
            check.faults.append(f"{where}.{key}: is needed and missing")
    model = check(shelves.models.build, raw["model"], f"{where}.model") if raw.get("model") is not None else None
    # Faulty settings of a model hide nothing of what its name alone tells.
    kind: Any = type(model) if model is not None else shelves.models.named(raw.get("model"))
    fit = None
    raw_fit, pseudo, weights = raw.get("fit"), None, None
    if isinstance(raw_fit, Mapping):
        raw_fit = dict(raw_fit)
        if (asked := raw_fit.pop("pseudo", None)) is not None:  # of every learner's, as weights are
            pseudo = check(build_settings, Pseudo, asked, f"{where}.fit.pseudo")
        if (asked := raw_fit.pop("weights", None)) is not None:
            weights = check(shelves.weightings.build, asked, f"{where}.fit.weights")
    if kind is not None:
        fit = check(build_settings, shelves.learners.get(kind.learner), raw_fit, f"{where}.fit")
    tune = check(build_settings, Tune, raw["tune"], f"{where}.tune") if raw.get("tune") is not None else None
    if tune is not None and tune.trials is None and tune.minutes is None:
        check.faults.append(f"{where}.tune: needs trials or minutes, got neither")
    searched = None
    if tune is not None and tune.metric is not None:
        searched = check(shelves.metrics.build, tune.metric, f"{where}.tune.metric")
    retrain = check(build_settings, Retrain, _retrain(raw.get("retrain"), declared, raw), f"{where}.retrain")
    budget = check(build_settings, Budget, raw["budget"], f"{where}.budget") if raw.get("budget") is not None else None
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        check.faults.append(f"{where}.seed: needs a whole number, got {quoted(seed)}")
    competition_name = raw.get("competition")
    if competition_name is not None and competition_name not in list(raw_competitions):
        hint = did_you_mean(str(competition_name), raw_competitions)
        check.faults.append(f"{where}.competition: no competition {quoted(competition_name)}{hint}")
    competition = declared.get(competition_name) if isinstance(competition_name, str) else None
    if competition is not None:
        check.faults.extend(model_faults(where, raw.get("features"), model or kind, fit, retrain, competition))
        if pseudo is not None and competition.task is not None:
            check.faults.extend(pseudo_task_faults(where, pseudo, competition.task))
        if weights is not None and competition.task is not None:
            check.faults.extend(weights_faults(where, weights, model or kind, fit, competition.task))
        if searched is not None and competition.task is not None:
            check.faults.extend(metric_faults(f"{where}.tune", competition.task, searched))
    built = None
    sound = len(check.faults) == before and competition is not None and competition.name in competitions
    if sound and competition is not None and model is not None and fit is not None:
        args = (name, competition.name, raw["features"], model, fit, tune, retrain, budget, seed, dict(raw))
        built = ModelConfig(*args, pseudo, weights)
    if (search := tune or _space_alone(raw.get("tune"))) is not None:

        def rebuild(changed: Mapping[str, Any]) -> ModelConfig:
            return build_model(name, changed, competitions, shelves)

        folds = competition.split.folds if competition is not None and competition.split is not None else 0
        check.faults.extend(shelves.check_tune(where, search, built, rebuild, folds))
    return built if len(check.faults) == before else None


def _retrain(raw: Any, declared: Mapping[str, CompetitionConfig], model: Mapping[str, Any]) -> Any:
    """A model's ``retrain`` as written, or what the competition's split says for all of them."""
    competition = declared.get(model["competition"]) if isinstance(model.get("competition"), str) else None
    if competition is None or competition.split is None or competition.split.refit:
        return raw
    return {"mode": "folds", **raw} if isinstance(raw, Mapping) else {"mode": "folds"} if raw is None else raw


def _space_alone(raw: Any) -> Tune | None:
    """The search space of a search with other faults, to be checked all the same."""
    try:
        return build_settings(Tune, {"space": raw["space"]}, "tune")
    except (Faults, KeyError, TypeError):
        return None
