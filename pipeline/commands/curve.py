"""A model cross-validated over a setting's values, or over parts of its training rows -> ``data/X/curves/``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from pipeline.commands.curve_points import Tried, fit, place_of, points_of
from pipeline.commands.curve_values import values_of
from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import UserError
from pipeline.core.files import lock, read_json, whole_folder, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths, state_folder
from pipeline.stages.project import load_project

LOCK_WAIT = 1.0


def run(name: str, over: str, values: str | None) -> None:
    """Fit what is not there yet, write the curve, and print it with what it says. Raises UserError."""
    from pipeline.core.seeds import fix_threads

    fix_threads(1)  # before numpy loads; jobs have as many as execution.threads says
    config = load_project()
    model = config.model(name)
    given = values_of(config, model, over, values)
    _check_preprocessed(config, model, over, given)
    with lock(state_folder() / "locks" / f"curve-{name}", wait=LOCK_WAIT, held=f"curve {name}"):
        tried = points_of(config, model, over, given)
        fit(config, model, over, tried)
        _write(config, model, over, tried)


def _check_preprocessed(config: Config, model: ModelConfig, over: str, given: Sequence[Any]) -> None:
    """Raise UserError where the competition's rows and encoders are not those of its settings."""
    from pipeline.stages.snapshot import snapshot

    paths, then = CompetitionPaths(model.competition), f"run `dvc repro preprocess@{model.competition}` first"
    facts = paths.rows / "facts.json"
    if not facts.exists():
        raise UserError(f"curve {model.name}: {model.competition} is not preprocessed yet; {then}")
    checked = paths.checked("preprocess")
    said = checked.read_text(encoding="utf-8") if checked.exists() else ""
    sets = given if over == "features" else [model.features]
    if said != snapshot(config, model.competition, "preprocess") or not set(sets) <= set(read_json(facts)["digests"]):
        raise UserError(
            f"curve {model.name}: params.yaml or code was edited since {model.competition} was preprocessed; {then}"
        )


def _write(config: Config, model: ModelConfig, over: str, tried: Sequence[Tried]) -> None:
    """The curve's folder, its record where it is new, and what a person reads."""
    from pipeline.diagnosis.curves import FILE, PICTURE, Point, made_of, told_rows, told_setting, verdicts
    from pipeline.diagnosis.evidence import Evidence
    from pipeline.reporting.figures import draw
    from pipeline.reporting.leaderboard import metric_label

    competition = config.competition(model.competition)
    higher, metric = competition.metric.higher_is_better, metric_label(competition)
    points = [
        Point(one.label, [fold["train"] for fold in one.folds], [fold["valid"] for fold in one.folds]) for one in tried
    ]
    if over == "rows":
        constant = Evidence(config, competition.name).baseline
        found: list[str] = ["" if point.valid else "diverged" for point in points]
        told = told_rows(points, metric, higher, None if constant is None else constant["valid"])
    else:
        seen = verdicts(points, higher)
        found, told = list(seen), told_setting(over, points, seen, metric)
    known = [i for i, point in enumerate(points) if point.valid]
    figure = {
        "values": [place_of(tried[i], over) for i in known],
        "train": [points[i].train for i in known],
        "valid": [points[i].valid for i in known],
        "over": "training rows" if over == "rows" else over,
        "title": "Learning curve" if over == "rows" else "Validation curve",
        "metric": metric,
    }
    data = read_json(CompetitionPaths(competition.name).rows / "facts.json")["digests"][model.features]
    curve = {
        "over": over,
        "metric": metric,
        "higher_is_better": higher,
        "made_of": made_of(competition, model, over, data),
        "points": [
            {"value": one.value, "label": one.label, "verdict": verdict, "folds": list(one.folds), "fault": one.fault}
            for one, verdict in zip(tried, found, strict=True)
        ],
        "told": told,
        "figure": figure if known else None,
    }
    folder = ModelPaths(competition.name, model.name).curve(over)
    if _stored(folder / FILE) != curve:
        with whole_folder(folder) as aside:
            write_json(aside / FILE, curve)
            if known:
                (aside / PICTURE).write_bytes(draw("over", figure))
        _record(model, over, curve, data)
    _print(model, curve, folder)


def _stored(file: Path) -> Any:
    try:
        return read_json(file)
    except UserError:
        return None


def _record(model: ModelConfig, over: str, curve: Mapping[str, Any], data: str) -> None:
    """A run of the model's: the picture, and each point's means and spread, the points as steps."""
    from pipeline.tracking import outbox

    params = {"over": over, "values": [point["label"] for point in curve["points"]]}
    tags = {"data.digest": data, "told": " ".join(curve["told"])}
    with outbox.run(competition=model.competition, stage="curve", model=model.name, params=params, tags=tags) as record:
        for step, point in enumerate(curve["points"]):
            if point["folds"]:
                train, valid = ([fold[key] for fold in point["folds"]] for key in ("train", "valid"))
                means = {"train": fmean(train), "valid": fmean(valid), "spread": pstdev(valid)}
                record.metrics(means, step=step)
        if curve["figure"] is not None:
            record.figure("over", curve["figure"])


def _print(model: ModelConfig, curve: Mapping[str, Any], folder: Path) -> None:
    from pipeline.core.files import shown

    better = "higher" if curve["higher_is_better"] else "lower"
    lines = [f"{model.name}: {curve['metric']} over {curve['over']}, {better} is better, mean ± spread over folds"]
    rows = [("", "training rows", "new rows", "")]
    for point in curve["points"]:
        scores = [
            f"{fmean(some):.5f} ± {pstdev(some):.5f}"
            for some in ([fold["train"] for fold in point["folds"]], [fold["valid"] for fold in point["folds"]])
            if some
        ]
        rows.append((point["label"], *(scores or ("", "")), point["verdict"]))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [*curve["told"], f"{shown(folder)}: curve.json, curve.png; `dvc repro` puts them into the report"]
    sys.stdout.write("\n".join(lines) + "\n")
