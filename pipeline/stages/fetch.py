"""A competition's source -> ``raw/``: train, test, sample submission, in their own format."""

from __future__ import annotations

from pipeline.core.config import Config
from pipeline.core.files import whole_folder
from pipeline.core.paths import CompetitionPaths


def run(config: Config, name: str) -> None:
    with whole_folder(CompetitionPaths(name).raw) as folder:
        config.competition(name).source.fetch(folder, name)
