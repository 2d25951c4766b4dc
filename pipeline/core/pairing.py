"""Which settings of ``params.yaml`` go together; each fault is a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.core.combination import Blend
from pipeline.core.errors import did_you_mean, quoted
from pipeline.core.formats import is_date_format
from pipeline.core.registry import Registry
from pipeline.core.schema import PROBABLE
from pipeline.core.types import FeatureSet, Learner, Metric, Model, Source, Split, Task

if TYPE_CHECKING:
    from pipeline.core.config import CompetitionConfig, ModelConfig
    from pipeline.core.sections import Columns, Pseudo, Retrain, Submission
    from pipeline.core.weighting.base import Weighting

SPLIT_COLUMNS = ("group", "time", "fold")
"""Keys of ``columns`` that name what some splits split by."""
LOOP_INPUTS = frozenset({"length"})
"""Inputs for the training loop itself, see ``Encoded``."""


def task_faults(
    where: str, task: Task, metric: Metric | None, blend: Blend | None, submission: Submission | None
) -> list[str]:
    """A task with what scores, averages and submits its predictions; None where that is at fault itself."""
    faults = metric_faults(where, task, metric) if metric else []
    if blend and blend.numeric and not task.numeric:
        faults.append(f"{where}.blend: '{blend.name}' averages numbers, and '{task.name}' gives none; use best")
    if blend and blend.tasks is not None and task.name not in blend.tasks:
        faults.append(
            f"{where}.blend: '{blend.name}' does not suit the task '{task.name}'; it suits {', '.join(blend.tasks)}"
        )
    if metric and blend and task.name in metric.asks_model and not blend.tells_target:
        faults.append(
            f"{where}.blend: '{blend.name}' chooses among texts, and the metric '{metric.name}' asks how probable the "
            "reference is; use best or ensemble, or another metric"
        )
    if blend and blend.calibration not in ("auto", "none") and task.target_kind not in PROBABLE:
        faults.append(
            f"{where}.blend.calibration: '{blend.calibration}' needs a task with classes, "
            f"and '{task.name}' has none; use auto"
        )
    if submission and submission.format == "continuations" and not task.of_tokens:
        faults.append(
            f"{where}.submission: 'continuations' go on with texts, which '{task.name}' does not; use the task "
            "language_model, or values"
        )
    elif submission and submission.format not in ("values", "continuations") and task.target_kind not in PROBABLE:
        faults.append(
            f"{where}.submission: '{submission.format}' needs a task with classes, "
            f"and '{task.name}' has none; use values"
        )
    return faults


def target_faults(where: str, task: Task, columns: Columns) -> list[str]:
    """A task of one target with several, or the other way round."""
    names = columns.targets
    if task.one is None and len(names) > 1:
        return [
            f"{where}.task: '{task.name}' learns one target, and columns.target names {', '.join(names)}; use "
            "multioutput_regression, multilabel or multioutput_classification"
        ]
    if task.one is not None and isinstance(columns.target, str):
        return [
            f"{where}.task: '{task.name}' learns several targets, and columns.target names {quoted(columns.target)}; "
            f"use {task.one}, or a list"
        ]
    return []


def metric_faults(where: str, task: Task, metric: Metric) -> list[str]:
    """A metric of another task."""
    if task.name in metric.tasks:
        return []
    return [f"{where}.metric: '{metric.name}' does not suit the task '{task.name}'; it suits {', '.join(metric.tasks)}"]


def column_faults(where: str, columns: Columns, split: Split | None, splits: Registry) -> list[str]:
    """Columns that the split needs and lacks, and what is declared of a column to no effect."""
    faults = _split_faults(where, columns, split, splits) if split else []
    faults += _role_faults(where, columns)
    special: dict[str | None, str] = {getattr(columns, key): key for key in ("id", "weight", *SPLIT_COLUMNS)}
    special |= dict.fromkeys(columns.targets, "target")
    special |= dict.fromkeys(columns.drop, "drop")
    for name in columns.types:
        if name in special:
            faults.append(
                f"{where}.columns.types.{name}: only features have a type, and '{name}' stands in "
                f"columns.{special[name]}; remove one of the two"
            )
    for name in columns.formats:
        kind, wanted = columns.types.get(name), "date" if is_date_format(columns.formats[name]) else "number"
        if special.get(name) in ("id", "drop", "group", "fold"):
            other = f"only numbers and dates have a format, and '{name}' stands in columns.{special[name]}"
            faults.append(f"{where}.columns.formats.{name}: {other}")
        elif kind not in (None, wanted):
            other = f"is how a {wanted} is written, and columns.types.{name} says {kind}; remove one of the two"
            faults.append(f"{where}.columns.formats.{name}: {other}")
    return faults


def _role_faults(where: str, columns: Columns) -> list[str]:
    """A column that is asked to be two things, one of which takes it out of the rows."""
    roles = [(key, getattr(columns, key)) for key in ("id", *SPLIT_COLUMNS)] + [("drop", one) for one in columns.drop]
    roles += [("target", one) for one in columns.targets]
    faults = []
    for key, name in (*((key, one) for key, one in roles if key == "target"), ("weight", columns.weight)):
        other = next((role for role, one in roles if one == name and role != key), None)
        if name is not None and other is not None:
            faults.append(f"{where}.columns.{key}: '{name}' stands in columns.{other} too; remove one of the two")
    return faults


def unit_faults(where: str, source: Source, metric: Metric) -> list[str]:
    """A metric that divides by another unit than the source counts."""
    if metric.counts is None or source.unit in (None, metric.counts):
        return []
    return [
        f"{where}.metric: '{metric.name}' divides by {metric.counts}, and source.unit counts {source.unit}; set "
        f"source.unit and columns.target to {metric.counts}, or take another metric"
    ]


def source_faults(where: str, source: Source) -> list[str]:
    """What is said of rows from elsewhere where there are none."""
    said = {"mark": source.mark is not None, "extra_weight": source.extra_weight != 1}
    return [
        f"{where}.source.{key}: is of the rows that source.extra brings, and it names no file; name one, or take it out"
        for key, one in said.items()
        if one and not source.extra
    ]


def _split_faults(where: str, columns: Columns, split: Split, splits: Registry) -> list[str]:
    faults = []
    for key in SPLIT_COLUMNS:
        declared = getattr(columns, key)
        if key == split.column and declared is None:
            faults.append(f"{where}.columns.{key}: is needed by the split '{split.name}' and missing")
        elif key != split.column and key not in split.may_use and declared is not None:
            users = [name for name in splits if splits.get(name).column == key]
            faults.append(
                f"{where}.columns.{key}: the split '{split.name}' does not use it, got {quoted(declared)}; "
                f"use the split {' or '.join(users)}, or columns.drop to keep a column out of the features"
            )
    return faults


def model_faults(
    where: str,
    feature_set: Any,
    model: Model | type[Model] | None,
    fit: Learner | None,
    retrain: Retrain | None,
    competition: CompetitionConfig,
) -> list[str]:
    """A model with its competition's task, its losses, its retraining, and the feature set it reads.

    model: its class where its own settings are at fault; None, as for the others, where nothing is known.
    competition: parts of it that are at fault are None.
    """
    faults = _task_of_model_faults(where, model, fit, competition.task) if competition.task else []
    asks = bool(competition.task and competition.metric) and competition.task.name in competition.metric.asks_model
    if asks and fit is not None and fit.monitors_score:
        faults.append(
            f"{where}.fit.early_stopping.monitor: score looks at answers, and the metric "
            f"'{competition.metric.name}' asks how probable the reference is; use loss, which goes with it"
        )
    if retrain is not None and competition.task and competition.split:
        faults += _retrain_faults(where, retrain, competition.task, competition.split)
    declared = competition.raw.get("features")
    declared = list(declared if isinstance(declared, Mapping) else competition.features)
    if feature_set is None or not declared:
        return faults
    if feature_set not in declared:
        hint = did_you_mean(str(feature_set), declared)
        faults.append(
            f"{where}.features: no feature set {quoted(feature_set)} in competitions.{competition.name}{hint}"
        )
    elif model is not None and (built := competition.features.get(feature_set)) and not reads(model, built):
        needs = " or ".join(", ".join(sorted(some)) for some in _alternatives(model))
        faults.append(
            f"{where}.features: '{model.name}' reads {needs}, and '{feature_set}' gives "
            f"{', '.join(sorted(built.gives - LOOP_INPUTS))}; choose another feature set"
        )
    elif isinstance(model, Model) and built and (built.longest_text or 0) > (model.longest_text or math.inf):
        faults.append(
            f"{where}.model.longest: learned positions know {model.longest_text} steps, and '{feature_set}' cuts texts "
            f"at {built.longest_text} (maximum_length); raise the one, lower the other, or use sinusoidal or rotary "
            "positions"
        )
    return faults


def _task_of_model_faults(where: str, model: Model | type[Model] | None, fit: Learner | None, task: Task) -> list[str]:
    faults = []
    if model is not None and (task.one or task.name) not in model.tasks:
        faults.append(
            f"{where}.model: '{model.name}' does not answer the task '{task.name}'; it answers {', '.join(model.tasks)}"
        )
    if isinstance(model, Model) and model.several_rows and fit is not None and fit.batch_size == 1:
        faults.append(
            f"{where}.fit.batch_size: batch normalization is over the rows of a minibatch and needs two, got 1; "
            "use a larger one, or model.normalization: layer"
        )
    loss = fit.loss if fit else None
    if loss is not None and loss.name not in task.losses:
        faults.append(
            f"{where}.fit.loss: '{loss.name}' does not suit the task '{task.name}'; use {', '.join(task.losses)}"
        )
    if fit is not None and fit.windows and not task.of_tokens:
        faults.append(
            f"{where}.fit.sampling: windows of texts suit tasks that answer each token, such as language_model, and "
            f"'{task.name}' answers a text as a whole; use bucketed or shuffled"
        )
    looks = task.search is not None and task.search.looks
    if looks and isinstance(model, Model) and (task.one or task.name) in model.tasks and not model.attends:
        faults.append(
            f"{where}.model: '{model.name}' has no attention here, which task.search.coverage_penalty asks; set that "
            "to 0, or choose a model that attends"
        )
    if fit is not None and model is not None and "image" not in model.needs | model.or_needs:
        does = {"augmentation": "changes images", "test_time": "averages views of images"}
        faults += [
            f"{where}.fit.{key}: {what}, and '{model.name}' reads none; take it out"
            for key, what in does.items()
            if getattr(fit, key)
        ]
    if task.target_kind != "class":
        weighed: dict[str, Any] = {"model": model, "fit.loss": loss}
        faults += [
            f"{where}.{key}.class_weights: {_no_classes(task)}; take it out"
            for key, part in weighed.items()
            if part is not None and part.class_weights != "none"
        ]
    return faults


def _no_classes(task: Task) -> str:
    """Why the classes of one target cannot be told apart."""
    if task.one is not None:
        return f"needs the classes of one target, and '{task.name}' has several targets"
    return f"needs a task with classes, and '{task.name}' has none"


def _retrain_faults(where: str, retrain: Retrain, task: Task, split: Split) -> list[str]:
    if retrain.mode == "all_rows" and not split.refit:
        return [
            f"{where}.retrain.mode: the split '{split.name}' keeps the rows that validate out of the last fits "
            "(refit: false), and all_rows takes them; leave out one of the two"
        ]
    several = {"seeds": retrain.seeds > 1, "mode": retrain.mode == "folds" and split.folds != 1}
    return [
        f"{where}.retrain.{key}: the answers of several models are averaged, and those of '{task.name}' are no "
        f"numbers; leave it out, got {quoted(getattr(retrain, key))}"
        for key, one in several.items()
        if one and not task.numeric
    ]


def reads(model: Model | type[Model], feature_set: FeatureSet) -> bool:
    """Whether a model gets all it needs from a feature set, and leaves nothing of it unread."""
    may_read = model.needs | model.may_read | LOOP_INPUTS
    return any(needs <= feature_set.gives <= needs | may_read for needs in _alternatives(model))


def _alternatives(model: Model | type[Model]) -> list[frozenset[str]]:
    """What a model needs, and what will do in its place."""
    return [model.needs, model.or_needs] if model.or_needs else [model.needs]


def pseudo_task_faults(where: str, pseudo: Pseudo, task: Task) -> list[str]:
    """Pseudo-labels with what their competition predicts."""
    if not task.teaches:
        return [f"{where}.fit.pseudo: the answers of '{task.name}' cannot stand for its target; take it out"]
    if pseudo.above is not None and task.target_kind not in PROBABLE:
        return [f"{where}.fit.pseudo.above: needs classes, and '{task.name}' has none; take it out"]
    return []


def pseudo_faults(models: Mapping[str, ModelConfig]) -> list[str]:
    """Pseudo-labels of models that there are not, or that learn from such labels themselves. models: of one
    competition, by name."""
    faults, teachers = [], [name for name, model in models.items() if model.pseudo is None]
    for name, model in models.items():
        if model.pseudo is None:
            continue
        where = f"models.{name}.fit.pseudo"
        if model.tune is not None and any(str(key).startswith("fit.pseudo") for key in model.tune.space):
            faults.append(f"models.{name}.tune.space: fit.pseudo is not searched; declare a model for each")
        if not teachers:
            faults.append(f"{where}: needs a model without pseudo-labels in the competition, whose answers they are")
        for one in () if model.pseudo.models == "blend" else model.pseudo.models:
            if one not in teachers:
                why = "has pseudo-labels itself" if one in models else "is no model of the competition"
                faults.append(f"{where}.models: '{one}' {why}{did_you_mean(one, teachers)}")
    return faults


def weights_faults(
    where: str, weights: Weighting, model: Model | type[Model] | None, fit: Learner | None, task: Task
) -> list[str]:
    """Weights of rows with the model that is to take them, and with what its competition predicts."""
    where = f"{where}.fit.weights"
    if weights.by_class and task.target_kind != "class":
        return [f"{where}: '{weights.name}' {_no_classes(task)}; take it out"]
    if weights.weighs and model is not None and not model.weighs_rows:
        return [f"{where}: '{model.name}' counts all rows alike; take it out"]
    weighed: list[Any] = [model, fit.loss if fit is not None else None]
    if weights.by_class and any(part is not None and part.class_weights != "none" for part in weighed):
        return [f"{where}: '{weights.name}' says what each class counts, and class_weights too; take one of them out"]
    return []


def kind_of_weights_faults(models: Mapping[str, ModelConfig]) -> list[str]:
    """Models that take the test rows to differ in another way than others do. models: of one competition, by name."""
    weighed = {name: model.weights for name, model in models.items() if model.weights is not None}
    faults = []
    first = next(iter(weighed), None)
    for name, weights in weighed.items():
        if first is not None and weights.name != weighed[first].name:
            faults.append(
                f"models.{name}.fit.weights: '{weights.name}' and the '{weighed[first].name}' of {first} take the test "
                "rows to differ in two ways, and scores are weighted in one; choose one of them"
            )
    return faults
