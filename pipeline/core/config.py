"""``params.yaml`` read into parts; every fault in it reported at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.core.errors import Faults, UserError, did_you_mean, quoted
from pipeline.core.pairing import column_faults, metric_faults, model_faults, task_faults
from pipeline.core.params import read_params
from pipeline.core.paths import check_name, project_root
from pipeline.core.registry import Registry, build_settings, settings
from pipeline.core.types import Blend, FeatureSet, Learner, Metric, Model, Source, Split, Task


@settings
class Columns:
    """Which column is what. Names as in the raw files."""

    id: str | None = None
    target: str | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    fold: str | None = None
    types: Mapping[str, Literal["number", "category", "text", "date", "boolean"]] = Field(default_factory=dict)


@settings
class Submission:
    """What the submission wants. ``values``: numbers or texts as predicted; ``classes``: the most
    probable class; ``probabilities``: of the second class, or of every class, a column each."""

    format: Literal["values", "classes", "probabilities"] = "values"


@settings
class Tune:
    """A study. ``trials`` is a total, the declared settings being trial 0.

    first: settings of trials 1, 2 and on: each changes some keys of the space, the rest stays as declared.
    metric: what trials are compared by, where not by the competition's, such as log_loss for accuracy; early
        stopping goes by the competition's all the same.
    pruner: ``median`` and ``wilcoxon`` stop a trial after some folds; ``halving`` drops the worse half
        of a batch after a quarter and after half of the epochs.
    batch: trials trained at once, of models that train in stacks (16 unless given; others one by one).
    """

    trials: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    space: Mapping[str, Mapping[str, Any]]
    first: tuple[Mapping[str, Any], ...] = ()
    metric: str | None = None
    pruner: Literal["none", "median", "wilcoxon", "halving"] = "none"
    workers: int = Field(default=1, ge=1)
    batch: int | None = Field(default=None, ge=1)
    seed: int = 0


@settings
class Retrain:
    """``all_rows``: fit again on every training row; ``folds``: average the folds' models."""

    mode: Literal["all_rows", "folds"] = "all_rows"
    seeds: int = Field(default=1, ge=1)

    def __post_init__(self) -> None:
        if self.mode == "folds" and self.seeds > 1:
            raise ValueError("seeds only matter with the mode all_rows; the folds' models are trained once each")


@settings
class Budget:
    """Time for a competition's work, the same in all its models: a model is left out where there is
    not enough left for it, those at the end of the list first; the first one always runs.

    minutes: for everything from fetch to submission.
    seconds: that this model's cross-validation is expected to take.
    """

    minutes: float = Field(gt=0)
    seconds: float | None = Field(default=None, gt=0)


@settings
class Execution:
    """How jobs run. ``workers`` 0 means one a core. ``threads`` is for each job, and never
    follows the number of cores: results would follow it too."""

    executor: Literal["serial", "processes"] = "processes"
    workers: int = Field(default=0, ge=0, le=1024)
    threads: int = Field(default=1, ge=1, le=1024)


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


@dataclass(frozen=True)
class Config:
    competitions: Mapping[str, CompetitionConfig]
    models: Mapping[str, ModelConfig]
    execution: Execution = field(default_factory=Execution)

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
    check_tune: Callable[..., list[str]]
    """Faults of a model's search space: (where, tune, config, build, folds) -> lines."""


REQUIRED_KEYS = ("source", "columns", "task", "metric", "split", "features", "blend", "submission")
"""All of them: DVC tracks each by its key, which must stand in the file."""
COMPETITION_KEYS = (*REQUIRED_KEYS, "guessed")
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
    models: dict[str, ModelConfig] = {}
    raw_competitions = _mapping(raw, "competitions", check)
    raw_models = _mapping(raw, "models", check)
    for name, body in raw_competitions.items():
        if check(check_name, name, "params.yaml: competitions") and (built := _competition(name, body, shelves, check)):
            competitions[name] = built
    for name, body in raw_models.items():
        if check(check_name, name, "params.yaml: models") and (
            model := _model(name, body, raw_competitions, competitions, shelves, check)
        ):
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
    execution = check(build_settings, Execution, raw.get("execution"), "execution")
    if check.faults:
        raise Faults(check.faults)
    return Config(competitions, models, execution)


def _mapping(raw: Mapping[str, Any], key: str, check: _Collector, within: str = "") -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping) or not value:
        check.faults.append(f"{within}{key}: needs a mapping with at least one name, got {quoted(value)}")
        return {}
    return value


def _competition(name: str, raw: Any, shelves: Shelves, check: _Collector) -> CompetitionConfig | None:
    where = f"competitions.{name}"
    if not isinstance(raw, Mapping):
        check.faults.append(f"{where}: needs a mapping of settings, got {quoted(raw)}")
        return None
    before = len(check.faults)
    check.unknown_keys(raw, COMPETITION_KEYS, where)
    for key in REQUIRED_KEYS:
        if raw.get(key) is None:
            check.faults.append(f"{where}.{key}: is needed and missing")

    def part(registry: Registry, key: str) -> Any:
        return check(registry.build, raw[key], f"{where}.{key}") if raw.get(key) is not None else None

    source, task, metric = part(shelves.sources, "source"), part(shelves.tasks, "task"), part(shelves.metrics, "metric")
    split = part(shelves.splits, "split")
    blend = part(shelves.blends, "blend")
    columns = check(build_settings, Columns, raw.get("columns"), f"{where}.columns")
    if raw.get("columns") is not None and columns is not None and columns.target is None:
        check.faults.append(f"{where}.columns.target: is needed and missing")
    submission = check(_submission, raw.get("submission"), f"{where}.submission")
    features: dict[str, FeatureSet] = {}
    raw_features = _mapping(raw, "features", check, f"{where}.") if raw.get("features") is not None else {}
    for set_name, body in raw_features.items():
        check(check_name, set_name, f"{where}.features")
        if built := check(shelves.features.build, body, f"{where}.features.{set_name}"):
            features[set_name] = built
    if task:
        check.faults.extend(task_faults(where, task, metric, blend, submission))
    if columns:
        check.faults.extend(column_faults(where, columns, split, shelves.splits))
    if len(check.faults) > before:
        return None
    return CompetitionConfig(name, source, columns, task, metric, split, features, blend, submission, dict(raw))


def _submission(raw: Any, where: str) -> Submission:
    """``submission: classes`` or ``submission: {format: classes}``."""
    return build_settings(Submission, {"format": raw} if isinstance(raw, str) else raw, where)


def build_model(
    name: str, raw: Mapping[str, Any], competitions: Mapping[str, CompetitionConfig], shelves: Shelves
) -> ModelConfig:
    """One model against built competitions; its search space is not looked at. Raises Faults."""
    check = _Collector()
    settings_only = {key: value for key, value in raw.items() if key != "tune"}
    model = _model(name, settings_only, competitions, competitions, shelves, check)
    if model is None:
        raise Faults(check.faults)
    return replace(model, raw=dict(raw))


def _model(
    name: str,
    raw: Any,
    raw_competitions: Mapping[str, Any],
    competitions: Mapping[str, CompetitionConfig],
    shelves: Shelves,
    check: _Collector,
) -> ModelConfig | None:
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
    fit = None
    if model is not None:
        fit = check(build_settings, shelves.learners.get(model.learner), raw.get("fit"), f"{where}.fit")
    tune = check(build_settings, Tune, raw["tune"], f"{where}.tune") if raw.get("tune") is not None else None
    if tune is not None and tune.trials is None and tune.minutes is None:
        check.faults.append(f"{where}.tune: needs trials or minutes, got neither")
    searched = None
    if tune is not None and tune.metric is not None:
        searched = check(shelves.metrics.build, tune.metric, f"{where}.tune.metric")
    retrain = check(build_settings, Retrain, raw.get("retrain"), f"{where}.retrain")
    budget = check(build_settings, Budget, raw["budget"], f"{where}.budget") if raw.get("budget") is not None else None
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        check.faults.append(f"{where}.seed: needs a whole number, got {quoted(seed)}")
    competition_name = raw.get("competition")
    if competition_name is not None and competition_name not in list(raw_competitions):
        hint = did_you_mean(str(competition_name), raw_competitions)
        check.faults.append(f"{where}.competition: no competition {quoted(competition_name)}{hint}")
    competition = competitions.get(competition_name) if isinstance(competition_name, str) else None
    if competition is not None and model is not None:
        check.faults.extend(model_faults(where, raw.get("features"), model, fit, competition))
        if searched is not None:
            check.faults.extend(metric_faults(f"{where}.tune", competition.task, searched))
    if len(check.faults) > before or competition is None or model is None or fit is None:
        return None
    built = ModelConfig(name, competition.name, raw["features"], model, fit, tune, retrain, budget, seed, dict(raw))
    if tune is not None:

        def rebuild(changed: Mapping[str, Any]) -> ModelConfig:
            return build_model(name, changed, competitions, shelves)

        check.faults.extend(shelves.check_tune(where, tune, built, rebuild, competition.split.folds))
    return built if len(check.faults) == before else None
