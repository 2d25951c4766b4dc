"""A competition's budget of time: what its stages have used, and which models it leaves out.

Models are cut from the end of the list: one that is not expected to be done in time is left out
before it starts, one that is not done in time is stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from types import FrameType

from pipeline.answering.left_out import LEFT_OUT, kept_models, left_out  # noqa: F401
from pipeline.core.config import Config, ModelConfig
from pipeline.core.files import read_json
from pipeline.core.paths import ModelPaths
from pipeline.stages.clock import Ledger

LAST_STAGES = 8.0
"""Seconds kept for blend, submit and report."""
ANOTHER_STAGE = 2.0
"""Seconds kept for a model's tune and retrain stages each, besides what they fit."""


class OutOfTime(Exception):
    """The budget is used up."""


def seconds_left(config: Config, model: ModelConfig, again: tuple[str, ...]) -> float:
    """Of the budget, once what must still come is taken off; endless without a budget.

    again: the model's stages that run now or later, whatever they took before.
    """
    if model.budget is None:
        return float("inf")
    ledger = Ledger.read(model.competition)
    present = {model.competition, *(other.name for other in config.models_of(model.competition))}
    ledger.stages = {
        key: seconds
        for key, seconds in ledger.stages.items()
        if key.partition("@")[2] in present and key not in {f"{stage}@{model.name}" for stage in again}
    }
    coming = LAST_STAGES + 3 * ledger.gap
    for other in kept_models(config, model.competition):
        trained = ledger.trained(other.name)
        if trained is None or other.name == model.name:
            continue
        coming += sum(
            ledger.gap + ANOTHER_STAGE for stage in ("tune", "retrain") if f"{stage}@{other.name}" not in ledger.stages
        )
        if f"retrain@{other.name}" not in ledger.stages:
            coming += refitting(config, other) * trained
    return 60 * model.budget.minutes - ledger.spent - coming


def refitting(config: Config, model: ModelConfig) -> float:
    """Time of the fits on all rows, as a part of the time of the cross-validation."""
    from pipeline.training.executors import make_executor

    if model.retrain.mode == "folds":
        return 0.0
    workers = make_executor(config.execution).workers
    folds = config.competition(model.competition).split.folds or 5
    return ceil(model.retrain.seeds / workers) / ceil(folds / workers) * folds / max(folds - 1, 1)


def expected_seconds(config: Config, model: ModelConfig) -> float:
    """Of a model's cross-validation here: what its settings expect, times how much longer than
    expected the models before it took."""
    if model.budget is None or model.budget.seconds is None:
        return 0.0
    ledger, pairs = Ledger.read(model.competition), []
    for other in kept_models(config, model.competition):
        took = ledger.trained(other.name)
        if took is not None and other.budget is not None and other.budget.seconds:
            pairs.append((took, other.budget.seconds))
    slower = sum(took for took, _ in pairs) / sum(expected for _, expected in pairs) if pairs else 1.0
    return slower * model.budget.seconds


def training_seconds(config: Config, model: ModelConfig) -> float:
    """How long a model's cross-validation may take. Raises OutOfTime where it is not worth a start.

    The first model in the list always runs, since a submission needs one.
    """
    if model.budget is None or config.models_of(model.competition)[0].name == model.name:
        return float("inf")
    gap = Ledger.read(model.competition).gap
    left = seconds_left(config, model, ("train", "tune", "retrain")) - 2 * (gap + ANOTHER_STAGE)
    left /= 1 + refitting(config, model)
    expected = expected_seconds(config, model)
    if left <= max(expected, 1.0):
        raise OutOfTime(
            f"expected to take {expected:.0f} s, and {max(left, 0):.0f} s are left of {model.budget.minutes:g} minutes"
        )
    return left


def searching_minutes(config: Config, model: ModelConfig, at_once: int) -> float | None:
    """Minutes for a model's search: its part of what is left, less the trials tried at once, which may
    overrun. None without a budget; 0 or less where nothing is left.

    The better a model is as declared, the larger its part: the second best gets half as much as the best.
    """
    if model.budget is None:
        return None
    ledger = Ledger.read(model.competition)
    parts = {name: 1 / rank for rank, name in enumerate(_searched(config, model.competition), start=1)}
    waiting = sum(part for name, part in parts.items() if name == model.name or f"tune@{name}" not in ledger.stages)
    part = parts[model.name] / waiting if model.name in parts else 0.0
    left = seconds_left(config, model, ("tune", "retrain")) - 2 * ledger.gap - ANOTHER_STAGE
    trial = ledger.trained(model.name) or 0.0
    left -= refitting(config, model) * trial
    return (part * left - at_once * trial) / 60


def _searched(config: Config, competition: str) -> list[str]:
    """Models with a search, from best to worst by their cross-validation as declared; then those without one yet."""
    sign = -1.0 if config.competition(competition).metric.higher_is_better else 1.0
    found = {}
    for model in kept_models(config, competition):
        if model.tune is not None:
            file = ModelPaths(competition, model.name).cv / "scores.json"
            found[model.name] = sign * read_json(file)["valid"] if file.exists() else float("inf")
    return sorted(found, key=lambda name: found[name])


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block when it takes longer."""
    if seconds == float("inf"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
