"""The runs that people compare in MLflow: what they are called, hold and say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.core.config import CompetitionConfig
from pipeline.core.files import digest_files, read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.registry import settings_dict
from pipeline.core.types import LOGS

SUMMARIES = "tags.`podium.level` = 'summary'"
"""MLflow's filter of the runs that people compare."""


def blend_summary(competition: CompetitionConfig) -> Any:
    """The summary run of the blend as ``blend.json`` has it."""
    from pipeline.tracking import outbox

    paths = CompetitionPaths(competition.name)
    facts = read_json(paths.rows / "facts.json")
    return outbox.Summary(
        f"{competition.name}.blend.{digest_files(paths.blend)}",
        "blend",
        {"blend": settings_dict(competition.blend)},
        {"data.digest": facts["digest"], "podium.model": "blend"},
        about(competition, facts),
        view(competition),
    )


def scored(competition: CompetitionConfig, scores: Mapping[str, Any]) -> dict[str, float | None]:
    """``train``, ``valid``, ``spread`` and ``weighted`` under the metric's own name."""
    name = competition.metric.label
    named = {"train": f"train_{name}", "valid": name, "spread": f"{name}_std", "weighted": f"weighted_{name}"}
    return {told: scores[key] for key, told in named.items() if key in scores}


def beside(competition: CompetitionConfig, target: Any, predictions: Any) -> dict[str, float]:
    """What is told of out-of-fold predictions besides their score: of translators the perplexity of the references."""
    from pipeline.metrics import metrics

    metric = metrics.build("perplexity", "metric")
    told = LOGS in predictions and competition.task.name in metric.asks_model
    return {metric.label: metric.score(target, predictions)} if told and competition.metric != metric else {}


COLUMNS = ("train_{}", "{}", "{}_std", "seconds", "memory_mb", "size_mb")
"""Metrics of a summary run that the prepared comparison shows; ``{}`` is the competition's."""
OPEN = "#/experiments/{{experiment}}/runs?viewStateShareKey={key}&workflowType=machine_learning"
"""The page of runs in a saved view, among its menus for those who train models."""


def view(competition: CompetitionConfig) -> Any:
    """The prepared comparison as a view of MLflow's page of runs: summaries alone, the best first, with the numbers
    that models are compared by."""
    from pipeline.tracking import outbox
    from pipeline.tracking.batches import allowed_key

    name, higher = competition.metric.label, competition.metric.higher_is_better
    metrics = [allowed_key(column.format(name)) for column in COLUMNS]
    state = {
        "searchFilter": SUMMARIES,
        "orderByKey": f"metrics.`{allowed_key(name)}`",
        "orderByAsc": not higher,
        "selectedColumns": ["params.`features`", "params.`model.name`", *(f"metrics.`{one}`" for one in metrics)],
        "chartsSearchFilter": f"^({'|'.join(map(re.escape, metrics))})$",
    }
    return outbox.View(f"podium.{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}", f"Models by {name}, the best first", state)


def about(competition: CompetitionConfig, facts: Mapping[str, Any]) -> str:
    """What the experiment's page says, in Markdown: what is predicted, how it is scored, where models compare."""
    name, higher = competition.metric.label, competition.metric.higher_is_better
    runs = OPEN.format(key=view(competition).key)
    return (
        f"**{competition.name}**: {competition.task.name.replace('_', ' ')}, scored by {name} "
        f"({'higher' if higher else 'lower'} is better): {facts['train_rows']:,} training rows in {facts['folds']} "
        f"folds, {facts['test_rows']:,} test rows.\n\n"
        f"**[Compare the models, the best first]({runs})**, or [as charts]({runs}&compareRunsMode=CHART) "
        f"(filter: ``{SUMMARIES}``). "
        f"Each summary run holds `{name}` of validation rows, `train_{name}` and the folds' `{name}_std`; its stages, "
        "folds and trials stand below it. The run `blend` has the report among its artifacts."
    )
