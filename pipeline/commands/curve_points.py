"""Points of a curve: each a cross-validation under other settings, or on fewer rows, done once."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.commands.curve_values import built
from pipeline.core.config import Config, ModelConfig
from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import read_json, write_json
from pipeline.core.paths import CompetitionPaths, ModelPaths

if TYPE_CHECKING:
    from pipeline.training.data import TrainingData
    from pipeline.training.folds import FoldResult
    from pipeline.training.pool import Work


@dataclass
class Tried:
    """A point of the curve: a value, the settings and rows that it stands for, and what has come of it.

    label: of the value in words. folds: scores as ``scores.json`` has them; fault: why there are none.
    """

    value: Any
    label: str
    config: ModelConfig
    data: TrainingData
    identity: str = ""
    folds: Sequence[Mapping[str, Any]] = ()
    fault: str | None = None

    @property
    def known(self) -> bool:
        return bool(self.folds) or self.fault is not None


def points_of(config: Config, model: ModelConfig, over: str, given: Sequence[Any]) -> list[Tried]:
    from pipeline.training.data import Rows
    from pipeline.training.fewer_rows import fewer_rows
    from pipeline.training.identity import identity

    competition = config.competition(model.competition)
    rows = Rows(competition, CompetitionPaths(competition.name).cv)
    if over == "rows" and model.pseudo is not None:
        raise UserError(
            f"curve: {model.name} learns from answers of models that saw all rows, so a curve over rows says nothing; "
            "take a model without pseudo-labels"
        )
    tried = []
    for value in given:
        if over == "rows":
            whole = rows.of(model)
            data = whole if value == 1 else fewer_rows(rows, model.features, value, model.weights)
            count = round(fmean(len(data.training_rows(k)) for k in data.folds))
            point = Tried(value, f"{count:,} rows", model, data)
        else:
            changed = built(config, model, over, value)
            point = Tried(value, _label(value), changed, rows.of(changed))
        point.identity = identity(point.data, point.config, config.execution.threads)
        tried.append(point)
    return tried


def _label(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_label, value))}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_label(one)}" for key, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def fit(config: Config, model: ModelConfig, over: str, tried: list[Tried]) -> None:
    """Cross-validate the points that are not known, all on one pool, those that train together in stacks."""
    from pipeline.stages.view import Line, View
    from pipeline.training import encoded
    from pipeline.training.executors import make_executor
    from pipeline.training.pool import Pool, Task

    paths = ModelPaths(model.competition, model.name)
    for point in tried:
        _recall(point, paths)
    waiting = [point for point in tried if not point.known]
    if not waiting:
        return
    task, groups = config.competition(model.competition).task, dict[Any, list[Tried]]()
    for i, point in enumerate(waiting):
        stack = point.config.fit.stack_key(point.config.model, task)
        # Points on the same rows whose settings may differ within a stack are one work, all others are one each.
        groups.setdefault((id(point.data), stack) if stack is not None else i, []).append(point)
    executor = make_executor(config.execution)
    lines, tasks = [], []
    for points in groups.values():
        name = f"{over} {', '.join(point.label for point in points)}"
        lines.append(Line(name, "folds", len(points[0].data.folds) * len(points), state="runs"))
        tasks.append(Task(name, _work(points, paths, executor.workers)))
    with View(f"{model.name}: curve over {over}", lines) as view:

        def heard() -> None:
            for line, one in zip(lines, tasks, strict=True):
                line.done = one.finished + one.part
                if one.over and line.state == "runs":
                    line.state = "done"
                    view.tell(line.name, "done")
            view.refresh()

        Pool(executor, heard=heard).run(tasks)
    encoded.tidy()
    for one in tasks:
        if one.error is not None:
            raise one.error


def _recall(point: Tried, paths: ModelPaths) -> None:
    """What is known of it: from an earlier curve, or, as declared, from the model's own folds."""
    from pipeline.stages.kept import IDENTITY

    for place in (paths.curve_points / f"{point.identity}.json", paths.cv / "scores.json"):
        try:
            mine = place.parent != paths.cv or read_json(paths.cv / IDENTITY)["identity"] == point.identity
            if mine:
                known = read_json(place)
                point.folds, point.fault = known.get("folds", ()), known.get("fault")
                return
        except (UserError, KeyError, TypeError):
            continue


def _work(points: list[Tried], paths: ModelPaths, workers: int) -> Work[None]:
    """The folds of some points, each point's scores kept as soon as they are known."""
    from pipeline.training.cross_validation import together
    from pipeline.training.folds import FoldJob, fit_folds

    data = points[0].data
    aside = [paths.checkpoints / "curve" / point.identity for point in points]
    jobs = [FoldJob(point.config, k, place) for point, place in zip(points, aside, strict=True) for k in data.folds]
    results: list[FoldResult | Diverged] = yield from together(data, jobs, workers, fit_folds, points[0].config.name)
    folds = len(data.folds)
    for i, (point, place) in enumerate(zip(points, aside, strict=True)):
        own = results[i * folds : (i + 1) * folds]
        faults = [one for one in own if isinstance(one, Diverged)]
        finite = [one for one in own if not isinstance(one, Diverged)]
        if not faults and not all(math.isfinite(one.train) and math.isfinite(one.valid) for one in finite):
            faults = [Diverged("its score is no finite number")]
        if faults:
            point.fault = str(faults[0])
        else:
            point.folds = [
                {"fold": one.fold, "train": one.train, "valid": one.valid, "rounds": one.rounds} for one in finite
            ]
        told = {"fault": point.fault} if faults else {"folds": point.folds}
        write_json(paths.curve_points / f"{point.identity}.json", told)
        shutil.rmtree(place, ignore_errors=True)


def place_of(point: Tried, over: str) -> Any:
    """Where it stands in the picture: lists of one number as that number."""
    if over == "rows":
        return round(fmean(len(point.data.training_rows(k)) for k in point.data.folds))
    value = point.value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else point.label
