"""What findings look at: a competition's stored files, each read once and when first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.answering.left_out import kept_models, left_out
from pipeline.core.config import CompetitionConfig, Config, ModelConfig
from pipeline.core.files import read_json
from pipeline.core.paths import TRACE, CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, ROW, Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.answering.ensembles import Ensemble


class ModelEvidence:
    """Of one model what ``tuned/`` and ``final/`` hold."""

    def __init__(self, competition: CompetitionConfig, config: ModelConfig) -> None:
        self.name, self.config = config.name, config
        self.paths = ModelPaths(competition.name, config.name)

    @cached_property
    def scores(self) -> dict[str, Any]:
        scores: dict[str, Any] = read_json(self.paths.tuned / "scores.json")
        return scores

    @property
    def valid(self) -> list[float]:
        """The metric of each fold's validation rows."""
        return [fold["valid"] for fold in self.scores["folds"]]

    @property
    def train(self) -> list[float]:
        """The metric of each fold's training rows."""
        return [fold["train"] for fold in self.scores["folds"]]

    @cached_property
    def curves(self) -> list[dict[str, list[float]]]:
        """A fold each, empty where the model has none."""
        curves: list[dict[str, list[float]]] = read_json(self.paths.tuned / "curves.json")
        return curves

    @cached_property
    def traces(self) -> list[dict[str, Any]]:
        """What was watched of each fold's training (``training/watching.py``); none of what is no network."""
        file = self.paths.tuned / TRACE
        found: list[dict[str, Any]] = read_json(file) if file.exists() else []
        return [trace for trace in found if trace.get("steps")]

    @property
    def clips(self) -> bool:
        """Whether the norm of its gradient is bounded."""
        return any("clipped" in fold for fold in self.curves)

    @cached_property
    def trials(self) -> list[dict[str, Any]]:
        """Of a search, trial 0 first; none without one."""
        file = self.paths.tuned / "trials.json"
        trials: list[dict[str, Any]] = read_json(file)["trials"] if file.exists() else []
        return trials

    @cached_property
    def _table(self) -> pd.DataFrame:
        import pandas as pd

        return pd.read_parquet(self.paths.tuned / "predictions.parquet")

    @property
    def rows(self) -> np.ndarray:
        """Positions [predicted rows] in the training table."""
        positions: np.ndarray = self._table[ROW].to_numpy()
        return positions

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions [predicted rows]."""
        return self._table.drop(columns=[ROW, FOLD])

    @cached_property
    def test(self) -> pd.DataFrame | None:
        """The final model's predictions of the test rows; None where it has none."""
        import pandas as pd

        file = self.paths.final / "predictions.parquet"
        return pd.read_parquet(file) if file.exists() else None

    @cached_property
    def parameters(self) -> int | None:
        """Numbers that the final network learned; None of what is no network, or was not fitted."""
        if self.config.model.learner != "neural":
            return None
        return count_parameters(sorted((self.paths.final / "members" / "0").glob("**/*.safetensors")))


def count_parameters(files: list[Any]) -> int | None:
    """By the headers of safetensors files: JSON behind its length, 8 bytes."""
    import json
    from math import prod

    total = 0
    for file in files:
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        total += sum(prod(one["shape"]) for key, one in header.items() if key != "__metadata__")
    return total or None


@dataclass(frozen=True)
class Answered:
    """Out-of-fold predictions [rows] of the training rows at ``rows``, with their target, and each row's loss."""

    rows: np.ndarray
    target: Any
    predictions: pd.DataFrame


class Evidence:
    """All that is stored of one competition whose stages up to ``blend`` have run.

    level: how improbable by chance what one finding tells must be.
    """

    def __init__(self, config: Config, name: str, level: float = 0.01) -> None:
        self.config, self.level = config, level
        self.competition = config.competition(name)
        self.paths = CompetitionPaths(name)

    @cached_property
    def schema(self) -> Schema:
        return Schema.from_json(read_json(self.paths.schema))

    @cached_property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = read_json(self.paths.rows / "facts.json")
        return facts

    @cached_property
    def train(self) -> pd.DataFrame:
        """Typed rows, with their target and fold; images stay in their files."""
        from pipeline.images.rows import read_rows

        return read_rows(self.paths.train_rows, self.schema)

    @property
    def own_train(self) -> pd.DataFrame:
        """Training rows without those of ``source.extra``, which stand at the end: only these are held against test
        rows, or asked for their order. That rows from elsewhere are others is no surprise."""
        return self.train.iloc[: len(self.train) - self.facts.get("extra_rows", 0)]

    @cached_property
    def test(self) -> pd.DataFrame | None:
        """Typed rows; None where there are none."""
        from pipeline.images.rows import read_rows

        return read_rows(self.paths.test_rows, self.schema) if self.paths.test_rows.exists() else None

    @property
    def fold(self) -> np.ndarray:
        fold: np.ndarray = self.train[FOLD].to_numpy()
        return fold

    def folds(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each fold the rows that it validates and those that it trains on, bool [rows]."""
        fold = self.fold
        for k in sorted({*fold[fold >= 0].tolist()}):
            yield fold == k, self.competition.split.training_rows(fold, k)

    @property
    def target(self) -> Any:
        """Series [rows], or DataFrame [rows, targets] of several."""
        return self.schema.target_of(self.train)

    @property
    def kind(self) -> str:
        """What the target holds; ``count`` where that is no answer, but what a text's score is counted by."""
        return self.schema.target_kind if self.competition.task.learns_target else "count"

    @cached_property
    def blend(self) -> dict[str, Any]:
        blend: dict[str, Any] = read_json(self.paths.blend)
        return blend

    @cached_property
    def models(self) -> dict[str, ModelEvidence]:
        kept = kept_models(self.config, self.competition.name)
        return {model.name: ModelEvidence(self.competition, model) for model in kept}

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Models that have no predictions, and why."""
        models = self.config.models_of(self.competition.name)
        whys = {one.name: left_out(ModelPaths(self.competition.name, one.name).cv) for one in models}
        return {name: why for name, why in whys.items() if why is not None}

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.competition.metric.higher_is_better else -1

    @property
    def ranked(self) -> list[ModelEvidence]:
        """The best first."""
        return sorted(self.models.values(), key=lambda model: -self.sign * model.scores["valid"])

    @cached_property
    def answered(self) -> Answered:
        """The blend's out-of-fold predictions, before any decision: weights are fitted on all folds."""
        from pipeline.answering.ensembles import Ensemble
        from pipeline.answering.out_of_fold import guarded

        ensemble = Ensemble.from_json({**self.blend, "decision": None})
        tables = {name: self._table_of(name, ensemble) for name in ensemble.models}
        rows, frames = guarded(tables, self.fold)
        codec = self.competition.task.fit_target(self.target, self.schema)
        predictions = ensemble.predict(dict(zip(tables, frames, strict=True)), self.competition.task, codec)
        return Answered(rows, self.target.iloc[rows].reset_index(drop=True), predictions.reset_index(drop=True))

    def _table_of(self, model: str, ensemble: Ensemble) -> pd.DataFrame:
        """What ``Ensemble.predict`` takes as the model's: of those that answer together what they all say."""
        import pandas as pd

        return pd.read_parquet(self.paths.together) if ensemble.together else self.models[model]._table

    @cached_property
    def baseline(self) -> Mapping[str, Any] | None:
        """What an answer that learns nothing would score, see ``baselines``; None where there is none."""
        from pipeline.diagnosis.baselines import baseline

        return baseline(self)

    @cached_property
    def shift(self) -> Any:
        """How far training and test rows can be told apart, see ``adversarial``; None without test rows or columns."""
        from pipeline.diagnosis.adversarial import tell_apart

        return tell_apart(self)

    @cached_property
    def duplicates(self) -> dict[str, Any]:
        """Rows that stand again in another fold or in the test file, see ``duplicates``."""
        from pipeline.diagnosis.duplicates import duplicates

        return duplicates(self)
