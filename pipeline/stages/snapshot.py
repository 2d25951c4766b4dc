"""What each stage hangs on besides data: its settings and the digests of its code, as ``check`` found them.

Stages read their settings from these files alone, so an edit while `dvc repro` runs belongs to the next run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.building import build_own_columns, build_submission, muted
from pipeline.core.code import code_digest, code_files, hold_code, read_again
from pipeline.core.config import (
    CompetitionConfig,
    Config,
    ModelConfig,
    build_features,
    build_model,
)
from pipeline.core.errors import UserError
from pipeline.core.files import digest_files, read_json, shown
from pipeline.core.paths import CompetitionPaths
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.sections import Columns, Execution, Tune
from pipeline.stages.project import shelves


@dataclass(frozen=True)
class Needs:
    """What a stage hangs on.

    competition: keys of the competition's settings. models: keys of its models', none where it reads none.
    packages: shared code, whole. runs: whether it fits models, and so asks how jobs run. answers: whether it hangs on
    the task's settings that shape answers only.
    """

    competition: tuple[str, ...]
    packages: tuple[str, ...]
    models: tuple[str, ...] = ()
    runs: bool = False
    answers: bool = True


FITTED = ("columns", "metric", "task", "split", "features", "own_columns")
NAMED = ("competition", "features", "model")
MODEL = ("competition", "features", "model", "fit", "seed", "retrain", "budget")
ROWS = ("columns", "task", "split", "features", "submission", "own_columns", "clean")
WHOLE = ("source", "metric", "blend", "mute", "guessed", *ROWS)

STAGES: Mapping[str, Needs] = {
    "fetch": Needs(("source",), ("core",)),
    "preprocess": Needs(("source", *ROWS), ("core",), answers=False),
    "train": Needs(FITTED, ("core", "training"), MODEL, runs=True),
    "tune": Needs(FITTED, ("core", "training", "tuning"), (*MODEL, "tune"), runs=True),
    "blend": Needs(("blend", "features", "own_columns", "metric", "task"), ("core", "answering"), NAMED),
    "retrain": Needs((*FITTED, "submission"), ("core", "training", "answering"), (*MODEL, "tune"), runs=True),
    "submit": Needs(("blend", "metric", "task", "submission"), ("core", "training", "answering")),
    "report": Needs(WHOLE, ("core", "answering", "reporting", "diagnosis"), (*MODEL, "tune")),
}
"""All stages but ``check``, in data order."""


def contents(config: Config, competition: str, stage: str) -> dict[str, Any]:
    """What the stage's file holds: plain data.

    competition, models: their settings as params.yaml has them. code: digest of what the stage runs through besides
    its models' parts, and of each model's own parts. curves: digest of those that the report shows.
    """
    needs, found = needs_of(stage, config, competition), _seen(config.competition(competition), stage)
    models = config.models_of(competition) if needs.models else []
    body: dict[str, Any] = {
        "competition": {key: found.raw[key] for key in needs.competition if key in found.raw},
        "code": code_digest(stage_files(stage, config, competition)),
    }
    if needs.models:
        body["models"] = {model.name: _some(model.raw, needs.models) for model in models}
    if needs.runs:
        body["execution"] = dict(config.execution_raw)
        searching = "tune" in needs.models
        body["code_of_models"] = {
            model.name: code_digest(model_files(model if searching else replace(model, tune=None))) for model in models
        }
    if stage == "fetch":
        from pipeline.stages.digests import source_digests

        body["files"] = source_digests(found)
    if stage == "report" and (files := sorted(CompetitionPaths(competition).curves.glob("*/*/*.json"))):
        body["curves"] = digest_files(*files)
    return body


def snapshot(config: Config, competition: str, stage: str) -> str:
    """The text of the stage's file. Its keys stand in the order of params.yaml, which is the models' order."""
    return json.dumps(contents(config, competition, stage), indent=1, ensure_ascii=False, default=str) + "\n"


def _seen(competition: CompetitionConfig, stage: str) -> CompetitionConfig:
    """The competition without what the stage does not hang on in its task."""
    task = competition.task
    if STAGES[stage].answers or task is None or task.search is None:
        return competition
    raw = {**competition.raw, "task": settings_dict(task.in_training())}
    return replace(competition, task=task.in_training(), raw=raw)


def _some(raw: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: raw[key] for key in keys if key in raw}


def needs_of(stage: str, config: Config, competition: str) -> Needs:
    """What the stage hangs on: pseudo-labels, which ``train`` makes, on how models are blended too, and ``blend`` on
    the networks where some answer together."""
    needs, blend = STAGES[stage], config.competition(competition).blend
    if stage == "blend" and blend is not None and blend.together:
        return replace(needs, packages=(*needs.packages, "training"), models=(*needs.models, "fit"), runs=True)
    blended = stage == "train" and any(model.pseudo is not None for model in config.models_of(competition))
    return replace(needs, competition=(*needs.competition, "blend")) if blended else needs


def stage_files(stage: str, config: Config, competition: str) -> list[Path]:
    """The code that a stage runs through, but for its models' own parts."""
    needs = needs_of(stage, config, competition)
    found = _seen(config.competition(competition), stage)
    parts = [getattr(found, key) for key in needs.competition if key in WHOLE and key != "guessed"]
    return code_files(needs.packages, parts, [f"stages/{stage}.py", *MODULES.get(stage, ())])


MODULES = {
    "preprocess": (
        "answering/submitting.py",
        "answering/submissions.py",
        "answering/submission_layout.py",
        "answering/answer_files.py",
        "answering/continuations.py",
        "text/cleaning/declared.py",  # the default
    ),
    "train": (
        "answering/left_out.py",
        "answering/gains.py",
        "answering/pseudo_labels.py",
        "answering/ensembles.py",
        "answering/out_of_fold.py",
    ),
    "tune": ("stages/searching.py", "answering/left_out.py"),
    "retrain": ("stages/tune.py",),
    "report": ("stages/report_models.py",),
}
"""Besides shared code: what a stage takes from elsewhere. What it imports from shelves is found."""


def model_files(model: ModelConfig) -> list[Path]:
    """The code of a model's own parts, and of what its search compares trials by."""
    return code_files((), [model.model, model.fit, *(searched_by(model.tune) if model.tune is not None else [])])


def searched_by(tune: Tune) -> list[Any]:
    """The metric that a search compares trials by, where that is not the competition's."""
    return [] if tune.metric is None else [shelves().metrics.build(tune.metric, "tune.metric")]


def read(competition: str, stage: str) -> tuple[Config, dict[str, Any]]:
    """The configuration of one competition as its stage is to see it, and the file's content.

    Sections that the stage does not hang on are None. Raises UserError where the file is not there.
    """
    path = CompetitionPaths(competition).checked(stage)
    if not path.exists():
        raise UserError(
            f"{stage} {competition}: works by what `dvc repro check` notes of params.yaml, and {shown(path)} is not "
            "there yet; run `dvc repro check`, or all of `dvc repro`"
        )
    body = read_json(path)
    return _built(competition, body), body


def _built(name: str, body: Mapping[str, Any]) -> Config:
    raw, on = body["competition"], shelves()
    where = f"competitions.{name}"

    def part(registry: Any, key: str) -> Any:
        return registry.build(raw[key], f"{where}.{key}") if key in raw else None

    own = build_own_columns(raw["own_columns"], f"{where}.own_columns") if raw.get("own_columns") is not None else None
    features = {
        key: build_features(value, own, on, f"{where}.features.{key}") for key, value in raw.get("features", {}).items()
    }
    competition = CompetitionConfig(
        name,
        source=part(on.sources, "source"),
        columns=build_settings(Columns, raw.get("columns"), f"{where}.columns"),
        task=part(on.tasks, "task"),
        metric=part(on.metrics, "metric"),
        split=part(on.splits, "split"),
        features=features,
        blend=part(on.blends, "blend"),
        submission=build_submission(raw.get("submission", {}), on.searches, f"{where}.submission"),
        raw=raw,
        own_columns=own,
        clean=on.clean(raw.get("clean"), f"{where}.clean"),
        mute=muted(raw.get("mute"), on.findings, f"{where}.mute"),
    )
    execution = build_settings(Execution, body.get("execution"), "execution")
    models = {key: _model(key, value, competition) for key, value in body.get("models", {}).items()}
    return Config({name: competition}, models, execution, body.get("execution") or {})


def _model(name: str, raw: Mapping[str, Any], competition: CompetitionConfig) -> ModelConfig:
    model = build_model(name, raw, {competition.name: competition}, shelves())
    tune = raw.get("tune")
    return model if tune is None else replace(model, tune=build_settings(Tune, tune, f"models.{name}.tune"))


def verify_code(config: Config, competition: str, stage: str, body: Mapping[str, Any]) -> None:
    """Hold the code that the stage will run against what ``check`` saw: from here on an edit changes nothing of
    this run. Raises UserError where code was edited in between."""
    needs = needs_of(stage, config, competition)
    read_again()
    files = stage_files(stage, config, competition)
    of_models = {model.name: model_files(model) for model in config.models_of(competition)} if needs.runs else {}
    now = {name: code_digest(some) for name, some in of_models.items()}
    if code_digest(files) != body["code"] or now != body.get("code_of_models", {}):
        raise UserError(f"{stage} {competition}: code was edited since `check` ran; run `dvc repro` again")
    hold_code({*files, *(file for some in of_models.values() for file in some)})


def hold(competition: str, stage: str, body: Mapping[str, Any]) -> None:
    """Raise UserError where the stage's file is another one now than when the stage began."""
    if read_json(CompetitionPaths(competition).checked(stage)) != body:
        raise UserError(f"{stage} {competition}: its settings were checked anew while it ran; run `dvc repro` again")
