"""All models' out-of-fold predictions -> ``blend.json``: weights, calibration, thresholds, the honest score.

Also ``together.parquet``, what models that answer together said of the same rows, which no model's folder has; and
``scores.json`` and ``plots/``, for `dvc metrics` and `dvc plots`.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from pipeline.answering.left_out import kept_models
from pipeline.core.config import Config
from pipeline.core.files import digest, read_json, whole_file, whole_folder, write_json
from pipeline.core.paths import SHIFT, CompetitionPaths, ModelPaths
from pipeline.core.types import FOLD, ROW, WEIGHT, Schema
from pipeline.stages.kept import IDENTITY

if TYPE_CHECKING:
    import numpy as np


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.answering.ensembles import chosen_together, fit_decision_of, fit_ensemble
    from pipeline.answering.out_of_fold import fold_scores, guarded

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    rows = pd.read_parquet(paths.train_rows, columns=[*schema.target_names, FOLD])
    names = [model.name for model in kept_models(config, name)]
    scores = {model: read_json(ModelPaths(name, model).tuned / "scores.json") for model in names}
    tables = {model: pd.read_parquet(ModelPaths(name, model).tuned / "predictions.parquet") for model in names}
    fold = rows[FOLD].to_numpy()
    row, frames = guarded(tables, fold)
    target = schema.target_of(rows).iloc[row]
    shift, weights = _shift(name, scores, row)
    singles, jointly = dict(zip(names, frames, strict=True)), {}
    if competition.blend.together and len(names) > 1:
        from pipeline.answering.together import joint_frames

        alone = {model: scores[model]["valid"] for model in names}
        whole, most = pd.read_parquet(paths.train_rows), competition.blend.together
        jointly = joint_frames(name, schema, whole, row, singles, alone, competition.metric, most)
    found = fit_ensemble(
        {**singles, **{" + ".join(some): frame for some, frame in jointly.items()}},
        target,
        fold[row],
        blend=competition.blend,
        task=competition.task,
        target_codec=competition.task.fit_target(schema.target_of(rows), schema),
        metric=competition.metric,
        weights=weights,
    )
    models = {}
    for model, frame in zip(names, frames, strict=True):
        decision, decided = fit_decision_of(frame, target, fold[row], competition.metric, weights)
        of_model = fold_scores(competition.metric.score, target, frame, fold[row], weights)
        models[model] = {
            **({} if weights is None else {"weighted": fmean(of_model)}),
            **{key: scores[model][key] for key in ("train", "valid", "spread")},
            "folds": {str(one["fold"]): one["valid"] for one in scores[model]["folds"]},
            "decided": None if decision is None else fmean(decided),
            "decision": None if decision is None else decision.state(),
        }
    ensemble = found.ensemble
    if jointly:
        ensemble = chosen_together(ensemble, names, jointly)
    blend = {
        **ensemble.to_json(),
        "folds": found.plain,
        "valid": fmean(found.plain),
        "spread": pstdev(found.plain),
        **({} if found.weighted is None else {"weighted": fmean(found.weighted), "shift": shift}),
        "decided": None if ensemble.decision is None else fmean(found.folds),
        "steps": found.steps,
        "models": models,
        "made_of": _made_of(paths),
    }
    together = pd.DataFrame({ROW: row[:0], FOLD: row[:0]})
    for some, frame in jointly.items():
        if ensemble.together and set(some) == set(ensemble.models):
            together = frame.assign(**{ROW: row, FOLD: fold[row]})
    with whole_file(paths.together) as aside:
        together.to_parquet(aside, index=False)
    write_json(paths.blend, blend)
    write_json(paths.scores, _scores(blend))
    with whole_folder(paths.plots) as folder:
        _plots(blend, name, folder)


def _shift(
    name: str, scores: dict[str, dict[str, Any]], row: np.ndarray
) -> tuple[dict[str, Any] | None, np.ndarray | None]:
    """Of the first model whose rows count as the test rows ask (``fit.weights``): what is told of that, and how much
    each row counts, float64 [rows]; None where no model asks for it. By it all models, and the blend, are measured.

    row: positions in the training table.
    """
    import pandas as pd

    for model, own in scores.items():
        if (place := ModelPaths(name, model).tuned / SHIFT).exists():
            weights: np.ndarray = pd.read_parquet(place).set_index(ROW)[WEIGHT].loc[row].to_numpy()
            return {"model": model, **own["shift"]}, weights
    return None, None


def _made_of(paths: CompetitionPaths) -> str:
    """Digest of all rows, test rows too, and of every model's folder and what it came of: for DVC the later stages
    hang on these through this file alone."""
    models = [read_json(file) for file in sorted(paths.tuned.glob(f"*/{IDENTITY}"))]
    return digest(read_json(paths.rows / "facts.json"), models)


def _scores(blend: dict[str, Any]) -> dict[str, Any]:
    """Numbers alone, by model: what `dvc metrics show` and `dvc exp show` list."""
    keys = ("train", "valid", "spread", "weighted", "decided", "folds")
    models = {
        name: {key: one[key] for key in keys if one.get(key) is not None} for name, one in blend["models"].items()
    }
    own = {key: blend[key] for key in ("valid", "spread", "weighted", "decided") if blend.get(key) is not None}
    return {"blend": {**own, "folds": {str(i): score for i, score in enumerate(blend["folds"])}}, **models}


def _plots(blend: dict[str, Any], competition: str, folder: Path) -> None:
    """``folds.csv``, a row a model and fold; and a file a model with curves, each the mean over its folds."""
    import pandas as pd

    rows = [
        {"step": int(fold), "model": model, "valid": score}
        for model, one in blend["models"].items()
        for fold, score in one["folds"].items()
    ]
    pd.DataFrame(rows).to_csv(folder / "folds.csv", index=False, lineterminator="\n")
    for model in blend["models"]:
        curves = read_json(ModelPaths(competition, model).tuned / "curves.json")
        parts = [pd.DataFrame(fold) for fold in curves if fold]
        if not parts:
            continue
        parts = [
            part.assign(step=part.pop("iteration") if "iteration" in part else range(1, len(part) + 1))
            for part in parts
        ]
        table = pd.concat(parts).groupby("step", as_index=False).mean()
        valid = [name for name in table if str(name).startswith("valid")]  # the last column is what DVC draws
        table = table[[*(name for name in table if name not in valid), *valid]]
        table.to_csv(folder / f"{model}.csv", index=False, lineterminator="\n")
