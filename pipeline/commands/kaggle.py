"""``submission.csv`` -> the competition's page on Kaggle, once it is checked again."""

from __future__ import annotations

import re
import sys

from pipeline.answering.submitting import read_sample, submission_settings, test_ids
from pipeline.core.errors import UserError, quoted
from pipeline.core.files import read_json
from pipeline.core.paths import CompetitionPaths
from pipeline.core.types import Schema
from pipeline.stages.project import load_project


def run(name: str, message: str, slug: str | None = None) -> None:
    """Send it. slug: the competition's name on Kaggle, where its source is none of Kaggle's or another."""
    from pipeline.answering.answer_files import read_answers
    from pipeline.answering.submissions import check_submission
    from pipeline.sources.kaggle import SLUG, submit_to_kaggle

    competition = load_project().competition(name)
    slug = competition.source.slug if slug is None else slug
    if slug is None:
        raise UserError(
            f"{name}: its files came by the source '{competition.source.name}'; "
            "give --slug, the last part of the competition's address on Kaggle"
        )
    if not re.fullmatch(SLUG, slug):
        raise UserError(f"--slug: the last part of the competition's address, such as titanic, got {quoted(slug)}")
    paths = CompetitionPaths(name)
    path = paths.submission
    if not path.exists():
        raise UserError(f"{name}: no submission.csv yet; run `dvc repro`")
    if not paths.test_rows.exists():
        raise UserError(
            f"{name}: has no test file, so its submission.csv has no answers to send; add the test file to its source "
            "and run `dvc repro`"
        )
    schema = Schema.from_json(read_json(paths.schema))
    ids, sample = test_ids(competition, schema), read_sample(competition)
    check_submission(read_answers(path, schema.id), sample, ids, **submission_settings(competition, schema))
    sys.stdout.write(f"{submit_to_kaggle(slug, path, message)}\n")
