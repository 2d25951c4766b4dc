"""Where everything lies. One place knows the layout of ``data/`` and of ``.podium/``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import UserError

NAME_RULE = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_name(name: object, what: str) -> str:
    """Refuse names that a shell or a path could take for more than a name."""
    if not isinstance(name, str) or not NAME_RULE.fullmatch(name):
        raise UserError(
            f"{what}: a name is lower-case letters, digits, '_' and '-', beginning with a letter or digit, got {name!r}"
        )
    return name


def project_root() -> Path:
    """The folder with params.yaml: DVC's own root in a stage, else the working folder."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def state_folder() -> Path:
    """``.podium/``: studies, checkpoints, locks and unsent tracking records. Never an output."""
    return project_root() / ".podium"


@dataclass(frozen=True)
class CompetitionPaths:
    """Files of one competition under ``data/<competition>/``."""

    competition: str

    @property
    def root(self) -> Path:
        return project_root() / "data" / self.competition

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def rows(self) -> Path:
        return self.root / "rows"

    @property
    def train_rows(self) -> Path:
        return self.rows / "train.parquet"

    @property
    def test_rows(self) -> Path:
        return self.rows / "test.parquet"

    @property
    def schema(self) -> Path:
        return self.root / "schema.json"

    @property
    def features(self) -> Path:
        return self.root / "features"

    def encoder(self, feature_set: str, fold: int | None) -> Path:
        """The fitted encoder of a fold; ``None`` is the one fitted on all training rows."""
        return self.features / feature_set / ("all.json" if fold is None else f"fold-{fold}.json")

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def blend(self) -> Path:
        return self.root / "blend.json"

    @property
    def submission(self) -> Path:
        return self.root / "submission.csv"

    @property
    def report(self) -> Path:
        return self.root / "report"


@dataclass(frozen=True)
class ModelPaths:
    """Files of one model under ``data/<competition>/models/<model>/``."""

    competition: str
    model: str

    @property
    def root(self) -> Path:
        return CompetitionPaths(self.competition).models / self.model

    @property
    def cv(self) -> Path:
        return self.root / "cv"

    @property
    def tuned(self) -> Path:
        return self.root / "tuned"

    @property
    def final(self) -> Path:
        return self.root / "final"

    @property
    def checkpoints(self) -> Path:
        return state_folder() / "checkpoints" / self.model

    @property
    def study(self) -> Path:
        return state_folder() / "studies" / f"{self.model}.journal"
