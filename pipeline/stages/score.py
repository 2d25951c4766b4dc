"""A submission and a solution -> the metric."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import Schema
from pipeline.stages.project import load_project
from pipeline.stages.submit import submission_settings


def run(name: str, solution: Path | None, submission: Path | None) -> None:
    competition = load_project().competition(name)
    value = solution_score(competition, submission or CompetitionPaths(name).submission, solution)
    if value is None:
        raise UserError(f"{name}: the source brought no solution; name one with --solution FILE")
    sys.stdout.write(f"{name}: {getattr(competition.metric, 'label', competition.metric.name)} {value:.6g}\n")


def solution_score(competition: CompetitionConfig, submission: Path, solution: Path | None = None) -> float | None:
    """The metric of a submission file; None where no solution is known."""
    from pipeline.sources.tables import find_table
    from pipeline.training.submissions import score_submission

    paths = CompetitionPaths(competition.name)
    solution = solution or find_table(paths.raw, "solution")
    if solution is None:
        return None
    schema = Schema.from_json(read_json(paths.schema))
    return score_submission(
        submission,
        solution,
        metric=competition.metric,
        **submission_settings(competition, schema),
    )
