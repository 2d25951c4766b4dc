"""The runs that people compare in MLflow: what they are called, hold and say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

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
    )


def scored(competition: CompetitionConfig, scores: Mapping[str, Any]) -> dict[str, float | None]:
    """``train``, ``valid`` and ``spread`` under the metric's own name."""
    name = competition.metric.label
    named = {"train": f"train_{name}", "valid": name, "spread": f"{name}_std"}
    return {told: scores[key] for key, told in named.items() if key in scores}


def beside(competition: CompetitionConfig, target: Any, predictions: Any) -> dict[str, float]:
    """What is told of out-of-fold predictions besides their score: of translators the perplexity of the references."""
    from pipeline.metrics import metrics

    metric = metrics.build("perplexity", "metric")
    told = LOGS in predictions and competition.task.name in metric.asks_model
    return {metric.label: metric.score(target, predictions)} if told and competition.metric != metric else {}


def about(competition: CompetitionConfig, facts: Mapping[str, Any]) -> str:
    """What the experiment's page says, in Markdown: what is predicted, how it is scored, where models compare."""
    name, higher = competition.metric.label, competition.metric.higher_is_better
    query = {"searchFilter": SUMMARIES, "orderByKey": f"metrics.`{name}`", "orderByAsc": str(not higher).lower()}
    asked = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return (
        f"**{competition.name}**: {competition.task.name.replace('_', ' ')}, scored by {name} "
        f"({'higher' if higher else 'lower'} is better): {facts['train_rows']:,} training rows in {facts['folds']} "
        f"folds, {facts['test_rows']:,} test rows.\n\n"
        f"**[Compare the models, the best first](#/experiments/{{experiment}}/runs?{asked})** "
        f"(filter: ``{SUMMARIES}``). "
        f"Each summary run holds `{name}` of validation rows, `train_{name}` and the folds' `{name}_std`; its stages, "
        "folds and trials stand below it. The run `blend` has the report among its artifacts."
    )
