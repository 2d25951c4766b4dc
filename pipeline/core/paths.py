"""Where everything lies. One place knows the layout of ``data/`` and of ``.podium/``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import UserError

NAME_RULE = re.compile(r"[a-z0-9][a-z0-9_-]*")
EXPLANATION = "explanation.json"
"""In a model's folder: what it looks at, see ``training.explaining``; of its settings as declared where a search found
better ones."""
LOOK = "look.json"
"""In a model's folder: a figure of what it does with one row, see ``Task.look``."""
SHIFT = "shift.parquet"
"""How much each validated row counts among test rows (``fit.weights``), beside its ``ROW``; of models that ask."""
TRACE = "trace.json"
"""There too: what was watched of each fold's training, see ``training/watching.py``."""


def check_name(name: object, what: str) -> str:
    """Refuse names that a shell or a path could take for more than a name."""
    if not isinstance(name, str) or not NAME_RULE.fullmatch(name):
        number = not isinstance(name, str) and NAME_RULE.fullmatch(str(name))  # or a day, to YAML
        raise UserError(
            f"{what}: a name is lower-case letters, digits, '_' and '-', beginning with a letter or digit, got "
            f"{f'{name}; write it in quotes' if number else repr(name)}"
        )
    return name


def project_root() -> Path:
    """The folder with params.yaml: DVC's own root in a stage, else the working folder. In a copy that
    ``dvc exp run --temp`` made it is the copy."""
    root, here = main_root(), Path.cwd()
    return here if (root.resolve() / ".dvc" / "tmp" / "exps") in here.resolve().parents else root


def refuse_below() -> None:
    """Raise UserError in a folder below a project's own: what is kept there the project would never see."""
    here = Path.cwd()
    if "DVC_ROOT" in os.environ or (here / "params.yaml").exists():
        return
    for folder in here.parents:
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            up = os.path.relpath(folder, here)
            raise UserError(f"{here.name}/ is a folder of the project {folder.name}; run it there (cd {up})")


def main_root() -> Path:
    """The project that a person works in, to which ``.podium``, ``mlflow.db`` and relative paths of sources belong,
    also in a temporary copy of it: DVC names it to the copy's stages."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def state_folder() -> Path:
    """``.podium/``: studies, checkpoints, finished models, locks and unsent tracking records. Never an output."""
    return main_root() / ".podium"


def checked_folder() -> Path:
    """What ``check`` writes: a folder a competition, a file a stage."""
    return project_root() / "data" / "checked"


@dataclass(frozen=True)
class CompetitionPaths:
    """Files of one competition under ``data/<competition>/``."""

    competition: str

    @property
    def root(self) -> Path:
        return project_root() / "data" / self.competition

    def checked(self, stage: str) -> Path:
        """What ``check`` found a stage to hang on: settings and digests of code."""
        return checked_folder() / self.competition / f"{stage}.json"

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
    def cv(self) -> Path:
        return self.root / "cv"

    @property
    def tuned(self) -> Path:
        return self.root / "tuned"

    @property
    def final(self) -> Path:
        return self.root / "final"

    @property
    def scores(self) -> Path:
        """Scores of all models and the blend, for ``dvc metrics``."""
        return self.root / "scores.json"

    @property
    def plots(self) -> Path:
        """Curves of all models, for ``dvc plots``."""
        return self.root / "plots"

    @property
    def blend(self) -> Path:
        return self.root / "blend.json"

    @property
    def together(self) -> Path:
        """Out-of-fold predictions of models that the blend lets answer in one search; no rows where it lets none."""
        return self.root / "together.parquet"

    @property
    def submission(self) -> Path:
        return self.root / "submission.csv"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def curves(self) -> Path:
        """What ``curve`` writes: a folder a model, in it one a setting. No stage's output."""
        return self.root / "curves"


@dataclass(frozen=True)
class ModelPaths:
    """Folders of one model: in the outputs of ``train``, ``tune`` and ``retrain``, and in ``.podium/``."""

    competition: str
    model: str

    @property
    def cv(self) -> Path:
        return CompetitionPaths(self.competition).cv / self.model

    @property
    def tuned(self) -> Path:
        return CompetitionPaths(self.competition).tuned / self.model

    @property
    def final(self) -> Path:
        return CompetitionPaths(self.competition).final / self.model

    def curve(self, over: str) -> Path:
        """The curve over a setting by its dotted key, or over ``rows``."""
        return CompetitionPaths(self.competition).curves / self.model / over

    @property
    def curve_points(self) -> Path:
        """Scores of curves' points by identity, so that none is computed twice."""
        return state_folder() / "curves" / self.competition / self.model

    @property
    def checkpoints(self) -> Path:
        return state_folder() / "checkpoints" / self.competition / self.model

    @property
    def study(self) -> Path:
        return state_folder() / "studies" / f"{self.model}.journal"
