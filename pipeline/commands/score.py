"""A submission and a solution -> the metric."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.answering.submitting import solution_score
from pipeline.core.errors import UserError
from pipeline.core.paths import CompetitionPaths
from pipeline.stages.project import load_project


def run(name: str, solution: Path | None, submission: Path | None) -> None:
    competition = load_project().competition(name)
    value = solution_score(competition, submission or CompetitionPaths(name).submission, solution)
    if value is None:
        raise UserError(f"{name}: the source brought no solution; name one with --solution FILE")
    sys.stdout.write(f"{name}: {competition.metric.label} {value:.6g}\n")
