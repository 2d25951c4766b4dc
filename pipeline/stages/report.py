"""Everything a competition has -> ``report/index.html``, self-contained."""

from __future__ import annotations

import os
import sys
from typing import Any

from pipeline.answering.left_out import kept_models, left_out
from pipeline.core.config import CompetitionConfig, Config, ModelConfig
from pipeline.core.files import read_json, whole_folder
from pipeline.core.paths import CompetitionPaths, ModelPaths, project_root
from pipeline.core.types import FOLD, ROW, Schema
from pipeline.images.rows import read_rows
from pipeline.reporting.columns import columns_read
from pipeline.reporting.leaderboard import answered, leaderboard_rows, metric_label
from pipeline.training.cross_validation import LOOK

STATISTICS = {
    "train": "all training rows at once, validation rows too",
    "train_and_test": "training and test rows together",
}


def run(config: Config, name: str) -> None:
    import pandas as pd

    from pipeline.reporting.page import build_page

    competition, paths = config.competition(name), CompetitionPaths(name)
    schema = Schema.from_json(read_json(paths.schema))
    facts = read_json(paths.rows / "facts.json")
    target = schema.target_of(pd.read_parquet(paths.train_rows, columns=list(schema.target_names)))
    models = []
    for model in kept_models(config, name):
        tuned = ModelPaths(name, model.name).tuned
        table = pd.read_parquet(tuned / "predictions.parquet")
        predictions = table.drop(columns=[ROW, FOLD])
        diagnostic = competition.task.diagnostic(target.iloc[table[ROW]], predictions)
        curves = read_json(tuned / "curves.json")
        own_target = target.iloc[table[ROW]].reset_index(drop=True)
        models.append(
            {
                "model": model.name,
                "curves": {"folds": curves} if any(curves) else None,
                "diagnostic": {"name": diagnostic[0], "data": diagnostic[1]} if diagnostic else None,
                "importance": read_json(tuned / "importance.json"),
                "look": read_json(tuned / LOOK) if (tuned / LOOK).exists() else None,
                "interval": competition.metric.interval(own_target, predictions),
                "images": _of_images(competition, schema, model, target, table),
            }
        )
    blend = read_json(paths.blend)
    page_notes = [*notes(config, competition, facts), *(f"Blend: {line}." for line in answered(blend))]
    rows = leaderboard_rows(config, competition)
    sets = sorted({row["features"] for row in rows if row["features"]})
    encoders = {key: competition.features[key].restore(read_json(paths.encoder(key, None)), schema) for key in sets}
    page: dict[str, Any] = {
        "competition": name,
        "task": competition.task.name,
        "metric": metric_label(competition),
        "higher_is_better": competition.metric.higher_is_better,
        "rows": {"train": facts["train_rows"], "test": facts["test_rows"], "folds": facts["folds"]},
        "leaderboard": rows,
        "models": models,
        "blend": blend,
        **columns_read(schema, encoders),
        "cleaning": facts["cleaning"],
        "notes": page_notes,
    }
    with whole_folder(paths.report) as folder:
        (folder / "index.html").write_text(build_page(page), encoding="utf-8")
    _tell(config, name, blend["valid"])


def _tell(config: Config, name: str, score: float) -> None:
    """The run's last line: how good it is, and where what it made lies."""
    if os.environ.get("PODIUM_PROGRESS") == "off":
        return
    paths = CompetitionPaths(name)
    made = {"report": paths.report / "index.html"}
    if paths.test_rows.exists():
        made = {"submission": paths.submission, **made}
    places = "; ".join(f"{what}: {place.relative_to(project_root())}" for what, place in made.items())
    print(  # noqa: T201
        f"{name}: {config.competition(name).metric.name} {score:.5f} of the blend, see `python -m pipeline "
        f"leaderboard {name}`; {places}",
        file=sys.stderr,
    )


LEFT_OUT = {
    "empty": "a side of them empty",
    "long": "longer than maximum_length",
    "unlike": "their lengths further apart than ratio",
}


def _of_images(
    competition: CompetitionConfig, schema: Schema, model: ModelConfig, target: Any, table: Any
) -> list[tuple[str, dict[str, Any]]]:
    """Pictures of a model that reads images: what it is most wrong about, and its first layer's filters."""
    from pipeline.images.column import images_of
    from pipeline.reporting.pictures import filters_data, image_read, mistakes_data
    from pipeline.tasks.diagnostics import mistakes

    paths = CompetitionPaths(competition.name)
    column = image_read(competition, schema, model)
    if column is None or schema.targets:
        return []
    images = images_of(read_rows(paths.train_rows, schema)[column]).stored.take(table[ROW].to_numpy())
    found = []
    if wrong := mistakes(target.iloc[table[ROW]], table.drop(columns=[ROW, FOLD])):
        found.append(("mistakes", mistakes_data(images, wrong)))
    weights = ModelPaths(competition.name, model.name).final / "members" / "0" / "weights" / "weights.safetensors"
    if weights.exists() and (filters := filters_data(weights)) is not None:
        found.append(("filters", filters))
    return found


def notes(config: Config, competition: CompetitionConfig, facts: dict[str, Any]) -> list[str]:
    """What a reader must know to trust the numbers no further than they carry."""
    found = [
        f"Feature set '{key}' takes its statistics from {STATISTICS[value]}."
        for key, value in facts["statistics"].items()
        if value in STATISTICS
    ]
    found += [f"{line}." for line in facts["told"]]
    found += [line for key, told in facts["encoded"].items() if (line := _of_tokens(key, told))]
    for model in config.models_of(competition.name):
        if (why := left_out(ModelPaths(competition.name, model.name).cv)) is not None:
            found.append(f"{model.name} was left out: {why}.")
    if (signature := competition.metric.signature()) is not None:
        found.append(f"{metric_label(competition)} by {signature}.")
    if facts["folds"] == 1:
        found.append(
            "One fold validated everything: what was chosen by it (models, settings, weights) looks a little better "
            "here than it is, and how far scores may lie off is not known."
        )
    if not competition.split.refit:
        found.append("Nothing trained on the rows that validate, the models of the submission neither.")
    models = kept_models(config, competition.name)
    if stopped := [model.name for model in models if model.fit.early_stopping]:
        found.append(
            f"{', '.join(stopped)}: the number of epochs or iterations was chosen on the folds reported here, "
            "so their validation scores are a little better than those of new rows."
        )
    if searched := [model.name for model in models if model.tune]:
        found.append(
            f"{', '.join(searched)}: the best of several trials on the folds reported here; "
            "expect new rows to score a little worse."
        )
    return found


def _of_tokens(key: str, told: dict[str, dict[str, float]]) -> str:
    """A line on tokens that a vocabulary does not know, and on texts that are cut."""
    parts = []
    if shares := [100 * one["unknown"] for part, one in told.items() if part != "test" and "unknown" in one]:
        unknown = f"{min(shares):.1f} to {max(shares):.1f} % of a fold's validation tokens are unknown"
        test = told.get("test")
        parts.append(unknown + (f", of the test rows' {100 * test['unknown']:.1f} %" if test else ""))
    if cut := int(sum(one.get("cut", 0) for one in told.values())):
        parts.append(f"{cut} texts are longer than it reads, and cut")
    for name, why in LEFT_OUT.items():
        if most := int(max((one.get(f"left_out_{name}", 0) for one in told.values()), default=0)):
            parts.append(f"{most} training pairs are left out, {why}")
    return f"Feature set '{key}': {'; '.join(parts)}." if parts else ""
