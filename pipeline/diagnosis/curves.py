"""Validation and learning curves (Dive into Deep Learning 3.6): what they say, in plain words.

A curve is a model's cross-validation again and again, over a setting's values or over parts of the training rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Literal

from pipeline.answering.gains import SURE, chance
from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.errors import UserError
from pipeline.core.files import digest, read_json
from pipeline.core.paths import ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.core.shares import p_value, percent
from pipeline.diagnosis.chance import holm, interval
from pipeline.diagnosis.fitting import LOST

ROWS = "rows"
"""What a curve is over, where it is over no setting."""
FILE, PICTURE = "curve.json", "curve.png"

WHY = {
    "underfits": "training rows score worse too. Too little capacity, or too little training.",
    "overfits": "training rows score better and new rows worse. Less capacity, weight decay, dropout, or more rows.",
}

Verdict = Literal["best", "as good", "underfits", "overfits", "diverged"]


@dataclass(frozen=True)
class Point:
    """A value, and what came of it: the metric of each fold's training and validation rows; none where it diverged."""

    label: str
    train: Sequence[float]
    valid: Sequence[float]


def verdicts(points: Sequence[Point], higher_is_better: bool) -> list[Verdict]:
    """Of a setting's values: the best one, those that the folds cannot tell from it, and the others. These underfit
    where training rows score worse too, and overfit where only new rows do.

    Differences are held to the corrected resampled t-test, p-values corrected for their number. A value that is worse
    in every fold, and by more than the best one's folds spread, is worse whatever that test makes of one fold in which
    it is hopeless. Of one fold any difference counts.
    """
    sign = 1 if higher_is_better else -1
    known = [point for point in points if point.valid]
    if not known:
        return ["diverged"] * len(points)
    best = max(known, key=lambda point: sign * fmean(point.valid))
    others = [point for point in known if point is not best]
    gains = [[sign * (a - b) for a, b in zip(best.valid, other.valid, strict=True)] for other in others]
    p_values = [chance(of_folds) if len(of_folds) > 1 else 0.0 for of_folds in gains]
    tested = (holm(p_values) <= SURE).tolist() if others else []
    spread = pstdev(best.valid)
    far = [min(of_folds) > 0 and fmean(of_folds) > spread and len(of_folds) > 2 for of_folds in gains]
    sure = {id(other): one or two for other, one, two in zip(others, tested, far, strict=True)}

    def verdict(point: Point) -> Verdict:
        if point is best or not point.valid:
            return "best" if point is best else "diverged"
        if not sure[id(point)] or fmean(point.valid) == fmean(best.valid):
            return "as good"
        return "underfits" if sign * (fmean(point.train) - fmean(best.train)) < 0 else "overfits"

    return [verdict(point) for point in points]


def told_setting(over: str, points: Sequence[Point], found: Sequence[Verdict], metric: str) -> list[str]:
    """What a curve over a setting says."""
    if "best" not in found:
        return [f"{over}: every value diverged; try a smaller learning rate, or a gradient_clip."]
    at = found.index("best")
    best = points[at]
    named: dict[str, list[str]] = {
        verdict: [p.label for p, one in zip(points, found, strict=True) if one == verdict] for verdict in found
    }
    first = f"{over}: best at {best.label}, {metric} {fmean(best.valid):.5f} on new rows"
    lines = [f"{first} and {fmean(best.train):.5f} on its training rows."]
    for verdict, why in WHY.items():
        if labels := named.get(verdict):
            lines.append(f"{_join(labels)} {verdict if len(labels) == 1 else verdict.removesuffix('s')}: {why}")
    if "as good" in named:
        lines.append(f"{_join(named['as good'])}: no difference from the best that these folds can tell.")
    if "diverged" in named:
        lines.append(f"{_join(named['diverged'])}: diverged.")
    if _at_an_end(points, at) and over != "seed" and found[1 if at == 0 else -2] != "as good":
        lines.append("The best stands at the end of what was tried: try beyond it.")
    if len(best.valid) == 1:
        lines.append("One fold alone: how sure that is, nobody can tell.")
    return lines


def _at_an_end(points: Sequence[Point], at: int) -> bool:
    """Whether that value is the smallest or largest of several numbers in their order, and not 0, below which few
    settings go."""
    try:
        numbers = [float(point.label.strip("[]")) for point in points]  # [8] is a network of one layer
    except ValueError:
        return False
    return len(numbers) > 1 and numbers == sorted(numbers) and at in (0, len(numbers) - 1) and numbers[at] != 0


def told_rows(points: Sequence[Point], metric: str, higher_is_better: bool, constant: float | None) -> list[str]:
    """What a learning curve says. constant: the baseline's score, where there is one."""
    known = [point for point in points if point.valid]
    if len(known) < 2:
        return ["rows: too few parts were fitted to tell anything."]
    sign = 1 if higher_is_better else -1
    before, last = known[-2:]
    gains = [sign * (a - b) for a, b in zip(last.valid, before.valid, strict=True)]
    gaps = [sign * (a - b) for a, b in zip(last.train, last.valid, strict=True)]
    p = chance(gains)
    first = f"rows: {metric} {fmean(before.valid):.5f} with {before.label}, {fmean(last.valid):.5f} with {last.label}"
    # Of one fold nobody knows the noise.
    more = fmean(gains) > 0 and (p <= SURE or len(gains) == 1)
    lines = [f"{first}{f' ({p_value(p)})' if len(gains) > 1 else ', of one fold'}."]
    if more or fmean(gains) <= 0:
        lines.append("More rows would still help." if more else "As many rows again would hardly help.")
    else:
        lines.append("Whether more rows would help further, these folds cannot tell.")
    bounds = interval(gaps)
    learned = None if constant is None else sign * (fmean(last.train) - constant)
    gap = f"{fmean(gaps):.5f} between training rows ({fmean(last.train):.5f}) and new ones"
    lost = None if learned is None or learned <= 0 else fmean(gaps) / learned
    part = "" if lost is None else f", {percent(max(lost, 0), 0)} of what it learned beyond the baseline"
    lines.append(f"A gap of {gap}{part}.")
    if lost is not None and lost > LOST and (bounds is None or bounds[0] > 0):
        lines.append("It overfits: more rows if there are any, weight decay, dropout, a simpler model.")
    elif learned is not None and learned <= 0:
        lines.append("It underfits: training rows score no better than the baseline. More capacity, more epochs.")
    elif fmean(gains) <= 0:
        lines.append("It fits what it can: more capacity or other features, rather than more rows.")
    return lines


def _join(labels: Sequence[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


def made_of(competition: CompetitionConfig, model: ModelConfig, over: str, data: str) -> str:
    """Digest of all that a curve of the model hangs on, but for what it is over and for code.

    data: digest of the rows through the model's feature set. A curve over feature sets hangs on the features alone.
    """
    of_all = {"pseudo": model.pseudo, "weights": model.weights}  # written under fit, whatever the learner
    settings: dict[str, Any] = {
        "features": model.features,
        "model": settings_dict(model.model),
        "fit": {
            **settings_dict(model.fit),
            **{key: settings_dict(part) for key, part in of_all.items() if part is not None},
        },
        "seed": model.seed,
    }
    node, (*path, last) = settings, over.split(".")
    for step in path:
        node = node.get(step) if isinstance(node.get(step), dict) else {}  # type: ignore[assignment]
    node.pop(last, None)
    shared = [settings_dict(part) for part in (competition.task, competition.metric, competition.split)]
    return digest(settings, shared, *([] if over == "features" else [data]))


def stored_curves(
    competition: CompetitionConfig, models: Iterable[ModelConfig], digests: Mapping[str, str]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """By model its curves as ``curve`` wrote them, and a sentence on each that is not shown: of other settings or data,
    or of a model without folds.

    digests: of the rows through each feature set.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    notes = []
    for model in models:
        folder = ModelPaths(competition.name, model.name).curve(ROWS).parent
        for file in sorted(folder.glob(f"*/{FILE}")):
            curve = _read(file)
            if curve is None:
                continue
            if curve["made_of"] == made_of(competition, model, curve["over"], digests.get(model.features, "")):
                if not (ModelPaths(competition.name, model.name).cv / "scores.json").exists():
                    left = f"{model.name} is left out: {' '.join(curve['told'])}"
                    notes.append(f"The curve over {curve['over']} has no picture here, since {left}")
                found.setdefault(model.name, []).append(curve)
            else:
                again = f"`python -m pipeline curve {model.name} --over {curve['over']}`"
                notes.append(f"The curve of {model.name} over {curve['over']} is of other settings or data; {again}.")
    return found, notes


def _read(file: Path) -> dict[str, Any] | None:
    try:
        curve: dict[str, Any] = read_json(file)
    except UserError:
        return None
    return curve if {"over", "made_of", "figure", "told", "points"} <= set(curve) else None
