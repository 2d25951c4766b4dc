"""What a stage tells the tracker about a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.registry import settings_dict
from pipeline.core.types import FOLD, ROW
from pipeline.stages.summaries import about, beside, scored, view
from pipeline.tasks.diagnostics import mistakes
from pipeline.training.cross_validation import CrossValidation
from pipeline.training.curves import mean_curves
from pipeline.training.data import TrainingData
from pipeline.training.folds import FoldResult

LAYERS = 6
"""Layers of a network whose norms are metrics; the figure has all of them."""


def model_record(data: TrainingData, model: ModelConfig, stage: str, folds: str) -> Any:
    """Open the run of a model's stage, below the model's summary: its settings, the competition's, the data's digest.

    folds: identity of the model's folds as declared, by which the stages find the same summary.
    """
    from pipeline.tracking import outbox

    competition = data.competition
    weights = {} if model.weights is None else {"weights": settings_dict(model.weights)}
    params = {
        "features": {"set": model.features, **settings_dict(competition.features[model.features])},
        "model": settings_dict(model.model),
        "fit": {**settings_dict(model.fit), **weights},
        "split": settings_dict(competition.split),
        "task": settings_dict(competition.task),
        "metric": competition.metric.name,
        "seed": model.seed,
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    digest = {"data.digest": data.facts["digest"]}
    summary = outbox.Summary(
        f"{competition.name}.{model.name}.{folds}",
        model.name.removeprefix(f"{competition.name}-"),
        {key: params[key] for key in ("model", "fit", "seed")} | {"features": model.features},
        {**digest, "podium.model": model.name},
        about(competition, data.facts),
        view(competition),
    )
    return outbox.run(
        competition=competition.name, stage=stage, model=model.name, params=params, tags=digest, summary=summary
    )


def fold_record(record: Any, result: FoldResult, competition: CompetitionConfig) -> None:
    """A child run a fold: epoch curves, what a language model wrote meanwhile, then the scores."""
    with record.child(f"fold {result.fold}", params={"fold": result.fold}, tags={}) as child:
        child.curves(result.curves)
        child.curves(by_layer(result.trace))
        if result.samples:
            child.text("samples.txt", result.samples)
        weighted = {} if result.weighted is None else {"weighted": result.weighted}
        scores = scored(competition, {"train": result.train, "valid": result.valid, **weighted})
        child.metrics({**scores, "rounds": result.rounds, "fit_seconds": result.seconds})


def by_layer(trace: Mapping[str, Any]) -> dict[str, list[float]]:
    """Norms of gradients and updates of a few layers, evenly chosen through depth, at the steps that were looked at."""
    from pipeline.reporting.gradients import drawn

    layers = [name for name in drawn(trace) if "gradient" in trace["layers"][name]] if trace else []
    chosen = [layers[round(k * (len(layers) - 1) / (LAYERS - 1))] for k in range(LAYERS)] if layers else []
    curves: dict[str, list[float]] = {"iteration": trace["steps"]} if chosen else {}
    for layer in dict.fromkeys(chosen):
        for measure in ("gradient", "update"):
            values = trace["layers"][layer][measure]
            curves[f"{measure}.{layer}"] = [nan if value is None else value for value in values]
    return curves


def trial_record(
    record: Any,
    number: int,
    overrides: Mapping[str, Any],
    value: float | None,
    scores: Sequence[float],
    name: str,
) -> None:
    """A child run a trial: what it tried, its folds' scores and their mean (None: pruned or diverged).

    name: of the score: the competition's metric, or the search's own.
    """
    with record.child(f"trial {number}", params=dict(overrides), tags={}) as child:
        child.metrics({} if value is None else {name: value})
        child.curves({f"fold_{name}": list(scores)})


def final_figures(record: Any, data: TrainingData, config: ModelConfig, folder: Path) -> None:
    """Of a final model that reads images, what its first layer looks for. folder: its own."""
    from pipeline.reporting.pictures import final_filters, image_read

    if image_read(data.competition, data.schema, config) is not None and (filters := final_filters(folder)) is not None:
        record.figure("filters", filters)


def out_of_fold_figures(record: Any, data: TrainingData, done: CrossValidation, config: ModelConfig) -> None:
    """The mean fold's curves; what is told besides the score; pictures of all folds' curves, residuals or confusion
    matrix, feature importance; of images those it is most wrong about, which pixels move its answers, and what its
    convolutions make of one."""
    from pipeline.images.column import images_of
    from pipeline.reporting.gradients import shows
    from pipeline.reporting.pictures import image_read, looked_at, mistakes_data

    if any(fold.curves for fold in done.folds):
        record.curves(mean_curves([fold.curves for fold in done.folds]))
        record.figure("curves", {"folds": [fold.curves for fold in done.folds]})
    table = done.out_of_fold()
    target, predictions = data.target.iloc[table[ROW]], table.drop(columns=[ROW, FOLD])
    told = beside(data.competition, target, predictions)
    record.metrics(told)
    record.summary.metrics(told)
    if figure := data.competition.task.diagnostic(target, predictions):
        record.figure(*figure)
    column = image_read(data.competition, data.schema, config)
    if column is not None and not data.schema.targets:
        images, rows = images_of(data.rows[column]).stored, table[ROW].tolist()
        wrong = {rows[place]: told for place, told in mistakes(target, predictions)}
        if wrong:
            record.figure("mistakes", mistakes_data(images, list(wrong.items())))
        for figure in looked_at(images, done.explanation(), wrong):
            record.figure(*figure)
    if look := done.look():
        record.figure(*look)
    if shows(done.folds[0].trace):
        record.figure("gradients", done.folds[0].trace)
    if importance := done.importance():
        record.figure("importance", dict(list(importance.items())[:30]))
