"""What a stage tells the tracker about a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.core.config import ModelConfig
from pipeline.core.registry import settings_dict
from pipeline.training.cross_validation import CrossValidation, FoldResult
from pipeline.training.data import TrainingData

if TYPE_CHECKING:
    import pandas as pd

FIGURE_POINTS = 3000
"""Points drawn in a residual plot at most."""


def model_record(data: TrainingData, model: ModelConfig, stage: str) -> Any:
    """Open the parent run of a model's stage: its settings, the competition's, the data's digest."""
    from pipeline.tracking import outbox

    competition = data.competition
    params = {
        "features": {"set": model.features, **settings_dict(competition.features[model.features])},
        "model": settings_dict(model.model),
        "fit": settings_dict(model.fit),
        "split": settings_dict(competition.split),
        "task": settings_dict(competition.task),
        "metric": competition.metric.name,
        "seed": model.seed,
    }
    return outbox.run(
        competition=competition.name,
        stage=stage,
        model=model.name,
        params=params,
        tags={"data.digest": data.facts["digest"]},
    )


def fold_record(record: Any, result: FoldResult) -> None:
    """A child run a fold: epoch curves, then the scores."""
    with record.child(f"fold {result.fold}", params={"fold": result.fold}, tags={}) as child:
        child.curves(result.curves)
        child.metrics(
            {"train": result.train, "valid": result.valid, "rounds": result.rounds, "fit_seconds": result.seconds}
        )


def out_of_fold_figures(record: Any, data: TrainingData, done: CrossValidation) -> None:
    """Curves, residuals or confusion matrix, feature importance."""
    if any(fold.curves for fold in done.folds):
        record.figure("curves", {"folds": [fold.curves for fold in done.folds]})
    table = done.out_of_fold()
    if figure := diagnostic_figure(data.target.iloc[table["row"]], table.drop(columns=["row", "fold"])):
        record.figure(*figure)
    if importance := done.importance():
        record.figure("importance", dict(list(importance.items())[:30]))


def diagnostic_figure(target: pd.Series, predictions: pd.DataFrame) -> tuple[str, dict[str, Any]] | None:
    """Residuals for predicted numbers, a confusion matrix for classes, nothing for texts."""
    import numpy as np
    import pandas as pd

    if list(predictions.columns) != ["prediction"]:
        classes = [str(name) for name in predictions.columns]
        truth = pd.Categorical(target.astype(str), categories=classes).codes
        chosen = predictions.to_numpy().argmax(axis=1)
        counts = np.zeros((len(classes), len(classes)), dtype=int)
        np.add.at(counts, (truth, chosen), 1)
        return "confusion", {"classes": classes, "counts": counts.tolist()}
    if not pd.api.types.is_numeric_dtype(predictions["prediction"]):
        return None
    keep = np.linspace(0, len(target) - 1, min(len(target), FIGURE_POINTS)).astype(int)
    return "residuals", {
        "target": target.to_numpy(dtype=float)[keep].tolist(),
        "prediction": predictions["prediction"].to_numpy(dtype=float)[keep].tolist(),
        "unit": str(target.name),
    }
