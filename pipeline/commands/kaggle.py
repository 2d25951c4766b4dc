"""``submission.csv`` -> Kaggle."""

from __future__ import annotations

import sys

from pipeline.answering.submitting import read_sample, submission_settings, test_ids
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import Schema


def send_to_kaggle(name: str, message: str) -> None:
    """Send ``submission.csv`` to the competition's page on Kaggle, once it is checked again."""
    from pipeline.answering.submissions import check_submission
    from pipeline.sources.kaggle import submit_to_kaggle
    from pipeline.sources.tables import read_table
    from pipeline.stages.project import load_project

    competition = load_project().competition(name)
    slug = getattr(competition.source, "competition", None)
    if slug is None:
        raise UserError(f"{name}: its source is '{competition.source.name}'; only a kaggle source can be submitted to")
    path = CompetitionPaths(name).submission
    if not path.exists():
        raise UserError(f"{name}: no submission.csv yet; run `dvc repro`")
    schema = Schema.from_json(read_json(CompetitionPaths(name).schema))
    ids, sample = test_ids(competition, schema), read_sample(competition)
    check_submission(read_table(path, missing=()), sample, ids, **submission_settings(competition, schema))
    sys.stdout.write(f"{submit_to_kaggle(slug, path, message)}\n")
