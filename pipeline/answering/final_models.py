"""Final models and what makes one answer of them: raw rows to what a submission holds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.answering.ensembles import Ensemble
from pipeline.answering.unseen import known_levels, unseen_levels
from pipeline.core.errors import UserError
from pipeline.core.files import read_json
from pipeline.training.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


class FinalModel:
    """One or more predictors of one model (seeds or folds), averaged evenly."""

    def __init__(self, members: list[Predictor]):
        self.members = members

    @classmethod
    def load(cls, folder: Path) -> FinalModel:
        facts = read_json(folder / "final.json")
        return cls([Predictor.load(folder / "members" / str(i)) for i in range(facts["members"])])

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        first = self.members[0]
        frames = [member.predict(rows) for member in self.members]
        if len(frames) == 1:
            return frames[0]
        return first.task.average(frames, [1 / len(frames)] * len(frames), first.target)


@dataclass(frozen=True)
class Answering:
    """Final models and what makes one answer of them: raw rows to what the submission holds."""

    models: Mapping[str, FinalModel]
    ensemble: Ensemble
    submission: Mapping[str, Any]
    """How the submission is laid out, see ``submission_layout``."""

    @cached_property
    def levels(self) -> dict[str, list[str]]:
        """The levels known of each category column that its models read."""
        members = [member for model in self.models.values() for member in model.members]
        return known_levels(member.encoder for member in members)

    def predict(
        self,
        raw: pd.DataFrame,
        where: str = "rows",
        warn: Callable[[str], object] = warnings.warn,
        folder: Path = Path(),
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Typed rows and their blended predictions. warn: is told of levels that training never saw, and of images
        that cannot be read, where these are skipped. folder: of image files."""
        from pipeline.features.typed_rows import new_rows

        first = next(iter(self.models.values())).members[0]
        rows = new_rows(first.schema, raw, where, folder, warn)
        for told in unseen_levels(rows, self.levels, where):
            warn(told)
        frames = predict_each(self.models, self.ensemble, rows)
        predictions = self.ensemble.predict(frames, first.task, first.target)
        if "continuing" in self.submission:
            from pipeline.answering.continuations import Continuing

            models = {name: self.models[name] for name in self.ensemble.models}
            how = Continuing.from_json(self.submission["continuing"])
            predictions = how.added(predictions, rows, models, self.ensemble.weights, warn)
        return rows, predictions

    def answer(
        self,
        raw: pd.DataFrame,
        where: str = "rows",
        warn: Callable[[str], object] = warnings.warn,
        folder: Path = Path(),
    ) -> pd.DataFrame:
        """Raw rows to the submission's columns, one row a row, in their order.

        Raises UserError where rows have no id or are not of the training file's columns and types.
        """
        from pipeline.answering.submissions import format_predictions

        named, predictions = self._named(raw, where, warn, folder)
        return format_predictions(predictions, named, self.submission, self._schema.classes)

    def probabilities(
        self,
        raw: pd.DataFrame,
        where: str = "rows",
        warn: Callable[[str], object] = warnings.warn,
        folder: Path = Path(),
    ) -> pd.DataFrame:
        """Raw rows to their ids, where they have some, and a column of probabilities a class, calibrated as the blend
        is, before classes are decided. Raises UserError as ``answer`` does."""
        undecided = replace(self, ensemble=replace(self.ensemble, decision=None))
        named, predictions = undecided._named(raw, where, warn, folder)
        if named is not None:
            predictions.insert(0, named.name, named.to_numpy())
        return predictions

    @property
    def _schema(self) -> Schema:
        return next(iter(self.models.values())).members[0].schema

    def _named(
        self, raw: pd.DataFrame, where: str, warn: Callable[[str], object], folder: Path
    ) -> tuple[pd.Series | None, pd.DataFrame]:
        """The column that names the rows, None where there is none, and their predictions."""
        name = self._schema.id
        if name is not None and name not in raw:
            raise UserError(f"{where}: column '{name}' is missing, and it names the rows of the answer; add it")
        rows, predictions = self.predict(raw, where, warn, folder)
        return (None if name is None else rows[name]), predictions


def predict_each(models: Mapping[str, FinalModel], ensemble: Ensemble, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What ``Ensemble.predict`` asks for: of each model with weight its predictions of typed rows."""
    if not ensemble.together:
        return {name: models[name].predict(rows) for name in ensemble.models}
    from pipeline.answering.together import predict_together

    told = predict_together([models[name].members[0] for name in ensemble.models], rows)
    return dict.fromkeys(ensemble.models, told)


def load_answering(folder: Path) -> Answering:
    """Load a folder with ``answer.json``: ensemble, submission format, a folder for each model."""
    facts = read_json(Path(folder) / "answer.json")
    models = {name: FinalModel.load(Path(folder) / place) for name, place in facts["models"].items()}
    return Answering(models, Ensemble.from_json(facts), facts["submission"])
